"""All benchmarks in turn, each in a process of its own: ``python -m benchmarks [NAME ...] [--quick]``.

Each prints its table to stderr and one line of JSON to stdout; the lines are gathered in ``results.json``
beside this file, and shown as one table at the end. ``--quick`` only shows that they run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, machine_line

FOLDER = Path(__file__).parent
PACKAGES = ("torch", "numpy")
QUICK: dict[str, tuple[str, ...]] = {
    "anchors": ("--boxes", "20000", "--repeats", "1"),
    "models": ("--repeats", "2", "--preset", "nano"),
    "labeling": ("--repeats", "1", "--rounds", "1", "--photos", "3"),
    "live": ("--repeats", "2", "--count", "2"),
    "training": ("--steps", "1", "--preset", "pico", "--width", "96", "--height", "96"),
    "page": ("--repeats", "1", "--batch", "3"),
    "store": ("--seconds", "5", "--people", "5", "--photos", "2000", "--imported", "100", "--asked", "20"),
    "scale": ("--photos", "500", "--workers", "1", "2", "--seconds", "5", "--warm", "2"),
    "queue_scale": ("--photos", "500", "--databases", "sqlite"),
    "loads": ("--people", "4", "--workers", "1", "--seconds", "8", "--outage", "2", "--photos", "2000"),
    "finding": ("--photos", "2000", "--rounds", "2"),
    "workspace": ("--starts", "1", "--rounds", "1", "--changes", "5", "--reruns", "20"),
    "annotating": ("--photos", "2"),
    "editor": ("--changes", "5", "--photos", "2", "--boxes", "30"),
    "queue_order": ("--quick",),
    "loop": ("--quick",),
    "faithfulness": ("--photos", "2", "--steps", "2", "--checked", "1"),
}
"""The benchmarks in their order, each with what makes it quick."""

LEFT_OUT = frozenset({"machine", "low", "high", "low_ms", "high_ms"})


def names() -> tuple[str, ...]:
    """The benchmarks that are there."""
    return tuple(name for name in QUICK if (FOLDER / f"{name}.py").is_file())


def run(name: str, arguments: Sequence[str] = ()) -> dict[str, Any] | None:
    """One benchmark's line of JSON, or None where it failed; its table passes through on stderr."""
    print(f"\n{name}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True)
    try:
        line = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        line = None
    return line if done.returncode == 0 and isinstance(line, dict) else None


def figures(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a benchmark's line with the way to it, without the machine and the quartiles."""
    for name, value in values.items():
        if name in LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            yield from figures(value, f"{prefix}{name} · ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + name, value


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """All numbers, a line each, under the machine they were measured on."""
    lines = [machine_line(PACKAGES)]
    for name, result in results.items():
        lines += ["", name, *(f"  {way:44}{value:>14,}" for way, value in figures(result))]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all by default")
    parser.add_argument("--quick", action="store_true", help="as few repetitions as possible")
    parser.add_argument("--out", type=Path, default=FOLDER / "results.json", help="where the results go")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - set(names())
    if unknown:
        parser.error(f"expected benchmarks of {', '.join(names())}, got {', '.join(sorted(unknown))}")
    wanted = chosen.names or names()
    ran = {name: run(name, QUICK[name] if chosen.quick else ()) for name in wanted}
    results = {name: line for name, line in ran.items() if line is not None}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"machine": describe_machine(PACKAGES), "measured": when, "results": results}
    chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(results))
    failed = [name for name in wanted if name not in results]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
