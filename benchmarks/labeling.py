"""Labeling a photo: milliseconds of reading, detector, classifier and maps apart; memory; the first photo.

Run with ``python -m benchmarks.labeling``; the table goes to stderr, one line of JSON to stdout. Photos are
the drawn samples, boxes those at the card's threshold (the whole photo where a photo has none). Memory and
the first photo are those of ``python -m core label`` in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import describe_machine, machine_line

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))
PACKAGES = ("torch", "pillow")


def stages(labeler: Labeler, path: Path) -> dict[str, float]:
    """Milliseconds of each stage of one photo, and how many garments it was for."""
    from core.images.decode import open_photo
    from core.inference.classifier import square_crops, whole_photo
    from core.inference.explain import explain
    from core.inference.labeler import CANDIDATE_THRESHOLD

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        started = time.perf_counter()
        result = work()
        return 1000 * (time.perf_counter() - started), result

    reading, photo = timed(lambda: open_photo(path))
    floor = min(labeler.default_threshold, CANDIDATE_THRESHOLD)
    detecting, found = timed(lambda: labeler.detector.candidates(photo, floor))
    boxes = [whole_photo(photo), *map(tuple, found.boxes_xyxy.tolist())]
    classifying, _ = timed(lambda: labeler.classifier.predict(square_crops(photo, boxes)))
    labeled = labeler.label(photo)
    seeing, _ = timed(lambda: explain(labeler, photo, replace(labeled, garments=())))
    explaining, _ = timed(lambda: explain(labeler, photo, labeled))
    return {
        "reading": reading,
        "detector": detecting,
        "classifier": classifying,
        "classifier, a garment": classifying / len(boxes),
        "detector's maps": seeing,
        "all maps": explaining,
        "crops (count)": len(boxes),
    }


def measure(labeler: Labeler, repeats: int) -> dict[str, dict[str, float]]:
    """Median and quartiles of each stage over all samples, ``repeats`` times each, after two uncounted."""
    for path in SAMPLES[:2]:
        stages(labeler, path)
    measured = [stages(labeler, path) for _ in range(repeats) for path in SAMPLES]
    return {name: row_of([row[name] for row in measured]) for name in measured[0]}


def row_of(values: Sequence[float]) -> dict[str, float]:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 1), "low": round(low, 1), "high": round(high, 1)}


def fresh(photos: int, weights: Sequence[str]) -> dict[str, float]:
    """``python -m core label`` on this many photos: seconds to the first line and to the end, peak memory."""
    paths = [str(SAMPLES[number % len(SAMPLES)]) for number in range(photos)]
    options = [option for file in weights for option in ("--weights", file)]
    command = [sys.executable, "-m", "core", "label", *paths, *options]
    started, lines, peak = time.perf_counter(), [], 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            lines.append(time.perf_counter() - started)
            peak = max(peak, peak_mib(process.pid))
    if process.returncode or len(lines) != photos:
        raise SystemExit(f"expected {photos} photos to be labeled, got {len(lines)}")
    return {
        "photos": photos,
        "first_photo_s": round(lines[0], 2),
        "photos_per_s": round((photos - 1) / (lines[-1] - lines[0]), 2) if photos > 1 else 0.0,
        "peak_mib": peak,
    }


def peak_mib(pid: int) -> int:
    """The most memory that a process has held, in MiB (Linux), else 0.

    getrusage would count what the parent held before the process began its own program.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peaks[0]) // 1024 if peaks else 0


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--photos", type=int, default=50, help="photos of the process of its own")
    parser.add_argument("--weights", action="append", default=[], help="instead of those that ship")
    options = parser.parse_args()
    process = fresh(options.photos, options.weights)  # first, while there is nothing beside it
    from core.cli.label import load_labeler

    labeler = load_labeler([Path(file) for file in options.weights])
    rows = measure(labeler, options.repeats)
    report(rows, process, labeler.names, options.repeats)


def report(
    rows: dict[str, dict[str, float]], process: dict[str, float], models: dict[str, str], repeats: int
) -> None:
    """The table on stderr, the JSON line on stdout."""
    told = f"{len(SAMPLES)} drawn photos, {repeats} times; {', '.join(models.values())}"
    print(f"{told}; {machine_line(PACKAGES)}", file=sys.stderr)
    print(f"{'':24}{'median ms':>10}{'quartiles':>18}", file=sys.stderr)
    for name, row in rows.items():
        quartiles = f"{row['low']:.1f} to {row['high']:.1f}"
        print(f"{name:24}{row['median']:10.1f}{quartiles:>18}", file=sys.stderr)
    for name, value in process.items():
        print(f"{name:24}{value:10}", file=sys.stderr)
    line = {"benchmark": "labeling", "repeats": repeats, "models": models, "rows": rows, "process": process}
    print(json.dumps(line | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
