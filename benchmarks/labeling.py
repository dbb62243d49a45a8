"""Labeling by engine: milliseconds of each stage; the command cold, in bulk, and beside other load.

Run with ``python -m benchmarks.labeling``; the table goes to stderr, one line of JSON to stdout. Photos are
the drawn samples, or those of ``--folder``; boxes those that labeling classifies. Memory, the first photo and
photos a second are those of ``python -m core label`` in a process of its own, after one run that exports. The
engines take turns. *Beside load* is the same with as many processes computing without a pause as there are
cores, at a worker's priority.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import PHOTOS, describe_machine, machine_line, named_path

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))
PACKAGES = ("torch", "onnxruntime", "openvino", "pillow")
ENGINES = ("pytorch", "onnxruntime", "openvino")


def stages(labeler: Labeler, path: Path) -> dict[str, float]:
    """Milliseconds of each stage of one photo, and how many garments it was for."""
    from core.garments import CANDIDATE_THRESHOLD
    from core.images.decode import open_photo
    from core.inference.classifier import whole_photo
    from core.inference.explain import explain

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        started = time.perf_counter()
        result = work()
        return 1000 * (time.perf_counter() - started), result

    reading, photo = timed(lambda: open_photo(path))
    floor = min(labeler.default_threshold, CANDIDATE_THRESHOLD)
    detecting, found = timed(lambda: labeler.detector.raw_detections(photo, floor))
    boxes = [whole_photo(photo), *map(tuple, found.boxes_xyxy.tolist())]
    classifying, _ = timed(lambda: labeler.classifier.predict(labeler.classifier.crops(photo, boxes)))
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


def measure(labeler: Labeler, photos: Sequence[Path], repeats: int) -> dict[str, dict[str, float]]:
    """Median and quartiles of each stage over all photos, ``repeats`` times each, after two uncounted."""
    for path in photos[:2]:
        stages(labeler, path)
    measured = [stages(labeler, path) for _ in range(repeats) for path in photos]
    return {name: row_of([row[name] for row in measured]) for name in measured[0]}


def row_of(values: Sequence[float]) -> dict[str, float]:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 1), "low": round(low, 1), "high": round(high, 1)}


def fresh(photos: Sequence[Path], weights: Sequence[str], engine: str) -> dict[str, float]:
    """``python -m core label`` on these photos: seconds to the first line and to the end, peak memory."""
    options = [option for file in weights for option in ("--weights", file)]
    command = [sys.executable, "-m", "core", "label", *map(str, photos), *options]
    environment = os.environ | {"LAPEL_ENGINE": engine}
    started, lines, peak = time.perf_counter(), [], 0
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            lines.append(time.perf_counter() - started)
            peak = max(peak, peak_mib(process.pid))
    if process.returncode or len(lines) != len(photos):
        raise SystemExit(f"expected {len(photos)} photos to be labeled, got {len(lines)}")
    return {
        "photos": len(photos),
        "first_photo_s": round(lines[0], 2),
        "photos_per_s": round(len(photos) / lines[-1], 2),
        "photos_per_s_after_first": round((len(photos) - 1) / (lines[-1] - lines[0]), 2) if photos[1:] else 0,
        "peak_mib": peak,
    }


@contextmanager
def busy_cores() -> Iterator[None]:
    """As many processes that compute without a pause as there are cores, at a worker's priority."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    program = "import os; os.nice(15)\nwhile True: sum(range(100000))"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def commands(
    photos: Sequence[Path], weights: Sequence[str], engines: Sequence[str], repeats: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Medians of ``repeats`` rounds of the command by engine: one photo, all, and all beside load."""
    for engine in engines:
        fresh(photos[:1], weights, engine)  # exports, once
    found: dict[str, dict[str, list[dict[str, float]]]] = {engine: {} for engine in engines}
    for _ in range(repeats):
        for engine in engines:
            found[engine].setdefault("one photo", []).append(fresh(photos[:1], weights, engine))
            found[engine].setdefault("all photos", []).append(fresh(photos, weights, engine))
        with busy_cores():
            for engine in engines:
                found[engine].setdefault("beside load", []).append(fresh(photos, weights, engine))
    return {engine: {case: _medians(runs) for case, runs in cases.items()} for engine, cases in found.items()}


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


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
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of the command in processes of its own")
    parser.add_argument("--photos", type=int, default=50, help="photos of the process of its own")
    parser.add_argument(
        "--folder",
        type=Path,
        default=named_path(PHOTOS),
        help=f"JPEG photos instead of the drawn samples, also as {PHOTOS}",
    )
    parser.add_argument("--weights", action="append", default=[], help="instead of those that ship")
    parser.add_argument("--engines", nargs="*", help="of those that are installed, which are the default")
    options = parser.parse_args()
    samples = sorted(options.folder.glob("*.jpg")) if options.folder else SAMPLES
    photos = [samples[number % len(samples)] for number in range(options.photos)]
    from core.cli.label import load_labeler
    from core.inference.engines.engine import VARIABLE, is_installed

    engines = options.engines or [name for name in ENGINES if is_installed(name)]
    process = commands(photos, options.weights, engines, options.rounds)  # while there is nothing beside it
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for engine in engines:
        os.environ[VARIABLE] = engine
        labeler = load_labeler([Path(file) for file in options.weights])
        rows[engine] = measure(labeler, samples, options.repeats)
    told = f"{len(samples)} {'photos' if options.folder else 'drawn photos'}, {options.repeats} times"
    report(rows, process, labeler.names, told)


def report(
    rows: dict[str, dict[str, dict[str, float]]],
    process: dict[str, dict[str, dict[str, float]]],
    models: dict[str, str],
    told: str,
) -> None:
    """The table on stderr, the JSON line on stdout."""
    print(f"{told}; {', '.join(models.values())}; {machine_line(PACKAGES)}", file=sys.stderr)
    for engine, stages_of_engine in rows.items():
        print(f"{engine:28}{'median ms':>10}{'quartiles':>18}", file=sys.stderr)
        for name, row in stages_of_engine.items():
            quartiles = f"{row['low']:.1f} to {row['high']:.1f}"
            print(f"  {name:26}{row['median']:10.1f}{quartiles:>18}", file=sys.stderr)
        for case, figures in process[engine].items():
            said = "  ".join(f"{name} {value:g}" for name, value in figures.items())
            print(f"  {case:26}{said}", file=sys.stderr)
    line = {"benchmark": "labeling", "what": told, "models": models, "rows": rows, "process": process}
    print(json.dumps(line | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
