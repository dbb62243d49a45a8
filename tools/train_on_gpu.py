"""Trains detector and classifier at once on one GPU that is lent for minutes, and brings home what they made.

``python -m tools.train_on_gpu --pack DIR --out DIR --seconds N`` decodes the photos once, starts both as
processes of their own, publishes their files to ``--out`` as they come (at most 8 files of at most 16 MiB),
and ends everything before N seconds are over. ``--smoke`` tries every stage for some steps. ``--join DIR``
puts weights together again that came in parts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LARGEST_FILE = 15 * 2**20
MOST_FILES = 8
LOG_BYTES = 4 * 2**20
LAST_SECONDS = 12.0  # of the budget: for the last files
PUBLISH_SECONDS = 20.0
TIME_SHARES = {"detector": 1.0, "classifier": 0.62}
"""How much of the time each training takes; the detector has the GPU to itself afterwards."""

TRAINERS = {"detector": "tools.gpu_detector", "classifier": "tools.gpu_classifier"}
PART = re.compile(r"(?P<name>.+)\.part(?P<number>\d+)of(?P<count>\d+)")


def say(message: str) -> None:
    """A line of the log, at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {message}", flush=True)


@dataclass
class Trainer:
    """One training's process, its folder and its log."""

    name: str
    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    def stop(self, number: signal.Signals) -> None:
        """Signal the process and all that it started."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def start(name: str, given: argparse.Namespace, work: Path, seconds: float) -> Trainer:
    """Start one training in a process group of its own."""
    folder = work / name
    folder.mkdir(parents=True)
    command = [sys.executable, "-u", "-m", "tools.gpu_worker", TRAINERS[name], f"{time.time() + seconds:.1f}"]
    command += ["--pack", str(given.pack.resolve()), "--out", str(folder), "--device", given.device]
    command += ["--smoke"] if given.smoke else []
    if name == "detector":
        command += ["--preset", given.preset, "--speedup", given.speedup]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
        "LAPEL_COMMIT": commit(),
    }
    log = folder / "log.txt"
    with log.open("wb") as handle:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Trainer(name, process, folder, log)


def commit() -> str:
    """The commit of the code, where git knows it; else what the environment says."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10
        )
        if done.returncode == 0:
            return done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        pass
    return os.environ.get("LAPEL_COMMIT", "")


def write_parts(content: bytes, name: str, out: Path, largest: int = LARGEST_FILE) -> list[Path]:
    """Write a file, in numbered parts where it is larger than ``largest`` bytes; whole parts or none."""
    count = max(1, -(-len(content) // largest))
    written = []
    for number in range(1, count + 1):
        part = name if count == 1 else f"{name}.part{number}of{count}"
        fresh = out / f".{part}"
        fresh.write_bytes(content[(number - 1) * largest : number * largest])
        written.append(fresh.replace(out / part))
    return written


def join_parts(folder: Path) -> list[Path]:
    """Put files together that came in parts; their digests are checked against ``report.json``.

    Raises ValueError where a part is missing or a digest differs.
    """
    groups: dict[str, dict[int, Path]] = {}
    counts: dict[str, int] = {}
    for path in folder.iterdir():
        found = PART.fullmatch(path.name)
        if found:
            groups.setdefault(found["name"], {})[int(found["number"])] = path
            counts[found["name"]] = int(found["count"])
    report = folder / "report.json"
    digests = json.loads(report.read_text()).get("digests", {}) if report.is_file() else {}
    joined = []
    for name, parts in sorted(groups.items()):
        if sorted(parts) != list(range(1, counts[name] + 1)):
            raise ValueError(f"expected {counts[name]} parts of {name}, got numbers {sorted(parts)}")
        content = b"".join(parts[number].read_bytes() for number in sorted(parts))
        if digests.get(name, digest := sha256(content).hexdigest()) != digest:
            raise ValueError(f"{name} is not what was written: its digest differs")
        (folder / name).write_bytes(content)
        joined.append(folder / name)
    return joined


def publish(trainers: list[Trainer], out: Path, facts: dict[str, Any]) -> None:
    """Bring weights, cards, one log and one report to ``out``; weights that did not change are left."""
    digests: dict[str, str] = facts.setdefault("digests", {})
    out.mkdir(parents=True, exist_ok=True)
    for trainer in trainers:
        for weights in sorted(trainer.folder.glob("*.safetensors")):
            if weights.name.startswith("fresh"):
                continue
            content = weights.read_bytes()
            digest = sha256(content).hexdigest()
            if digests.get(weights.name) != digest:
                write_parts(content, weights.name, out)
                digests[weights.name] = digest
            card = weights.with_suffix(".json")
            if card.is_file():
                write_parts(card.read_bytes(), card.name, out)
        facts[trainer.name] = {"exit": trainer.process.poll()}
    for name, content in (
        ("log.txt", b"\n".join(_tail(trainer.log) for trainer in trainers)),
        ("report.json", json.dumps(facts, indent=1).encode()),
    ):
        (out / f".{name}").write_bytes(content)
        (out / f".{name}").replace(out / name)
    extra = sorted(path.name for path in out.iterdir() if path.is_file())[MOST_FILES:]
    if extra:
        say(f"more than {MOST_FILES} files in {out}: {', '.join(extra)} may be left out")


def _tail(log: Path) -> bytes:
    if not log.is_file():
        return b""
    content = log.read_bytes()
    return f"===== {log.parent.name}\n".encode() + content[-LOG_BYTES:]


def decode(given: argparse.Namespace, seconds: float) -> None:
    """Decode the photos once for both; a failure is left to the trainings, which would try it themselves."""
    if given.device == "cpu":
        return  # trainings on a CPU take a few photos, and decode those alone
    command = [sys.executable, "-m", "tools.photo_files", str(given.pack.resolve())]
    try:
        subprocess.run(command, cwd=ROOT, check=True, timeout=max(seconds, 1))
    except (OSError, subprocess.SubprocessError) as error:
        say(f"decoding failed: {error!r}")


def run(given: argparse.Namespace) -> int:
    """Everything; the number of trainings that failed."""
    began = time.monotonic()
    end = began + given.seconds
    work = Path(tempfile.mkdtemp(prefix="lapel-work-"))
    facts: dict[str, Any] = {"commit": commit(), "seconds": given.seconds, "command": sys.argv[1:]}
    decode(given, given.seconds / 4)
    say(f"photos decoded after {time.monotonic() - began:.1f} s")
    last = min(LAST_SECONDS, max(0.1 * given.seconds, 4.0))
    names = [name for name in TRAINERS if name in given.only]
    trainers = []
    for name in names:
        share = 1.0 if given.smoke else TIME_SHARES[name]
        trainers.append(start(name, given, work, share * (end - last - time.monotonic())))

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    offsets = {trainer.name: 0 for trainer in trainers}
    published = time.monotonic()
    stopped: list[Trainer] = []
    try:
        while any(trainer.process.poll() is None for trainer in trainers):
            time.sleep(0.5)
            _show(trainers, offsets)
            now = time.monotonic()
            if now - published > PUBLISH_SECONDS and now < end - last:
                _published(trainers, given.out, facts)
                published = now
            if now > end - 0.55 * last:
                for trainer in trainers:
                    if trainer.process.poll() is not None:
                        continue
                    if trainer not in stopped:
                        say(f"{trainer.name} is stopped: its time is over")
                        trainer.stop(signal.SIGTERM)
                        stopped.append(trainer)
                    elif now > end - 0.35 * last:
                        trainer.stop(signal.SIGKILL)
    finally:
        for trainer in trainers:
            trainer.stop(signal.SIGKILL)
        _show(trainers, offsets)
        _published(trainers, given.out, facts)
        shutil.rmtree(work, ignore_errors=True)
    failed = [trainer.name for trainer in trainers if trainer.process.poll() != 0]
    seconds = time.monotonic() - began
    say(f"done after {seconds:.1f} s of {given.seconds:.0f}; failed: {', '.join(failed) or 'none'}")
    return len(failed)


def _published(trainers: list[Trainer], out: Path, facts: dict[str, Any]) -> None:
    try:
        publish(trainers, out, facts)
    except OSError as error:
        say(f"publishing failed: {error!r}")


def _show(trainers: list[Trainer], offsets: dict[str, int]) -> None:
    """New lines of the logs, each with its training's name."""
    for trainer in trainers:
        if not trainer.log.is_file():
            continue
        with trainer.log.open("rb") as handle:
            handle.seek(offsets[trainer.name])
            content = handle.read()
        whole = content[: content.rfind(b"\n") + 1]
        offsets[trainer.name] += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            print(f"{trainer.name:>10} {line[:600]}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train detector and classifier at once on one GPU.")
    parser.add_argument("--pack", type=Path, help="folder that tools.pack_photos wrote")
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.add_argument("--seconds", type=float, default=570.0, help="everything ends before these are over")
    parser.add_argument("--device", default="auto", help="cuda, cpu or auto")
    parser.add_argument("--only", default=",".join(TRAINERS), help="trainings to run, with commas")
    parser.add_argument("--preset", default="small", help="the detector's size")
    parser.add_argument("--speedup", choices=("auto", "on", "off"), default="auto", help="torch.compile")
    parser.add_argument("--smoke", action="store_true", help="a few steps of every stage, with figures")
    parser.add_argument(
        "--join", type=Path, metavar="DIR", help="put weights in parts together, and nothing else"
    )
    given = parser.parse_args()
    if given.join:
        for path in join_parts(given.join):
            say(f"joined {path}")
        return
    if given.pack is None or given.out is None:
        parser.error("--pack and --out are needed")
    given.only = [name.strip() for name in given.only.split(",")]
    unknown = [name for name in given.only if name not in TRAINERS]
    if unknown:
        parser.error(f"expected trainings of {', '.join(TRAINERS)}, got {', '.join(unknown)}")
    raise SystemExit(1 if run(given) else 0)


if __name__ == "__main__":
    main()
