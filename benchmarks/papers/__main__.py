"""``python -m benchmarks.papers ablation|classes|detectors|classifier|costs [--protocol light|full|quick]``.

Trains and measures every arm of a table at one budget, and goes on where a former run stopped: an arm that
has an entry under ``--out`` is left out, one that was cut off goes on from its last epoch in ``--work``.
``costs`` trains nothing: it counts and times all networks in turns. Tables go to stderr, and with
``--readme`` into README.md and ``tables.md`` beside the entries.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine_line
from benchmarks.papers.costs import measure_costs
from benchmarks.papers.experiments import ARMS, EXPERIMENTS, Arm, Protocol
from benchmarks.papers.measuring import run_arm
from benchmarks.papers.photos import Files, classification_files, detection_files
from benchmarks.papers.protocols import PROTOCOLS
from benchmarks.papers.tables import all_tables, fill_in
from core.errors import LapelError
from core.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "papers"
WORK = ROOT / "runs" / "papers"
SEVERAL_SEEDS = frozenset({"ablation", "classes"})


def run_experiment(
    name: str,
    protocol: Protocol,
    out: Path,
    work: Path,
    device: str = "auto",
    stop_at: float = float("inf"),
    only: Sequence[str] = (),
) -> bool:
    """Run the arms of an experiment that have no entry yet; whether all have one now.

    Seeds come one after another, each over all arms, so that a run that is stopped early has whole rows.
    ``stop_at`` is on ``time.monotonic``'s clock: no further arm begins after it. ``only`` names arms.
    """
    arms = [arm for arm in ARMS[name] if not only or arm.name in only]
    seeds = protocol.seeds if name in SEVERAL_SEEDS else protocol.seeds[:1]
    for seed in seeds:
        for arm in arms:
            entry = out / protocol.name / f"{arm.name}-seed{seed}.json"
            if entry.is_file():
                continue
            if time.monotonic() > stop_at:
                return False
            print(f"{protocol.name}: {arm.title}, seed {seed}", file=sys.stderr, flush=True)
            files = files_of(arm, protocol, work)
            done = run_arm(
                arm, seed, protocol, files, work / protocol.name / f"{arm.name}-seed{seed}", device
            )
            entry.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(entry) as handle:
                handle.write((json.dumps(done, ensure_ascii=False) + "\n").encode())
    return True


def files_of(arm: Arm, protocol: Protocol, work: Path) -> Files:
    """The photos of an arm's kind."""
    read = detection_files if arm.kind == "detector" else classification_files
    return read(work / protocol.name / f"{arm.kind}-photos", protocol.photos)


def write_tables(out: Path, protocol: str, readme: Path) -> None:
    """Put all tables into README and into ``tables.md`` beside the entries."""
    tables = all_tables(out, protocol)
    text = "\n\n".join(f"## {name.capitalize()}\n\n{table}" for name, table in tables.items())
    (out / "tables.md").write_text(text + "\n", encoding="utf-8")
    readme.write_text(fill_in(readme.read_text(encoding="utf-8"), tables), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiments that were asked for; 1 where an arm is still to be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.papers", description=__doc__)
    parser.add_argument(
        "experiments", nargs="+", choices=EXPERIMENTS, metavar="EXPERIMENT", help=", ".join(EXPERIMENTS)
    )
    parser.add_argument("--protocol", choices=PROTOCOLS, default="light")
    parser.add_argument("--arms", default="", help="only these, with commas, by the names of their entries")
    parser.add_argument("--minutes", type=float, help="no further arm begins after so many")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the entries")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of checkpoints")
    parser.add_argument("--repeats", type=int, default=12, help="rounds of the timing in costs")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    chosen = parser.parse_args(arguments)
    protocol = PROTOCOLS[chosen.protocol]
    stop_at = float("inf") if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
    only = [name.strip() for name in chosen.arms.split(",") if name.strip()]
    whole = True
    try:
        for name in chosen.experiments:
            if name == "costs":
                measure_costs(chosen.out, chosen.repeats, quick=protocol.name == "quick")
            else:
                whole &= run_experiment(name, protocol, chosen.out, chosen.work, chosen.device, stop_at, only)
    except LapelError as error:
        print(error, file=sys.stderr)
        return 2
    for name, table in all_tables(chosen.out, protocol.name).items():
        print(f"\n{name}\n{table}", file=sys.stderr)
    print(machine_line(), file=sys.stderr)
    if chosen.readme:
        write_tables(chosen.out, protocol.name, ROOT / "README.md")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
