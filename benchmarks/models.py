"""YOLOv4 against YOLOv4-GS at full size: milliseconds for one picture, in one run, turn by turn.

Run with ``python -m benchmarks.models``; the table goes to stderr, one line of JSON to stdout. The weights
are random: they change no figure. The two take turns, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.machine import describe_machine, machine_line
from core.models.registry import build_model

NAMES = ("yolov4", "yolov4-gs")
PACKAGES = ("torch",)
AIM = 0.65


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one forward pass by the clock, and of the processor's time spent on it."""

    wall_ms: float
    cpu_ms: float


def timed(model: nn.Module, picture: Tensor) -> Timing:
    """One forward pass, from the picture to the raw maps."""
    wall, cpu = time.perf_counter(), time.process_time()
    model(picture)
    if picture.is_cuda:
        torch.cuda.synchronize()
    return Timing(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))


@torch.inference_mode()
def take_turns(models: Mapping[str, nn.Module], picture: Tensor, repeats: int) -> dict[str, list[Timing]]:
    """Timings of ``repeats`` rounds, each model once a round, after two rounds that are not counted."""
    timings: dict[str, list[Timing]] = {name: [] for name in models}
    for turn in range(repeats + 2):
        for name, model in models.items():
            taken = timed(model, picture)
            if turn >= 2:
                timings[name].append(taken)
    return timings


def row_of(timings: Sequence[Timing]) -> dict[str, float]:
    """Median and quartiles by the clock, and the median of the processor's time."""
    low, middle, high = statistics.quantiles([timing.wall_ms for timing in timings], n=4)
    cpu = statistics.median(timing.cpu_ms for timing in timings)
    figures = {"median_ms": middle, "low_ms": low, "high_ms": high, "cpu_ms": cpu}
    return {name: round(value, 1) for name, value in figures.items()}


def ratios(timings: Mapping[str, Sequence[Timing]]) -> dict[str, float]:
    """YOLOv4-GS as a share of YOLOv4, by the clock and by the processor: medians over the rounds."""
    rounds = list(zip(*(timings[name] for name in NAMES), strict=True))
    wall = statistics.median(gs.wall_ms / plain.wall_ms for plain, gs in rounds)
    cpu = statistics.median(gs.cpu_ms / plain.cpu_ms for plain, gs in rounds)
    return {"ratio": round(wall, 3), "cpu_ratio": round(cpu, 3)}


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--preset", default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = {name: build_model(name, options.preset, size=options.size) for name in NAMES}
    models = {name: model.eval().to(options.device) for name, model in models.items()}
    picture = torch.rand(1, 3, options.size, options.size, device=options.device)
    timings = take_turns(models, picture, max(2, options.repeats))
    rows = {name: row_of(timings[name]) for name in NAMES}
    report(rows, ratios(timings), vars(options))


def report(rows: dict[str, dict[str, float]], shares: dict[str, float], settings: dict[str, object]) -> None:
    """The table on stderr, the JSON line on stdout."""
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    print(f"one picture, {told}; {machine_line(PACKAGES)}", file=sys.stderr)
    print(f"{'':12}{'median ms':>10}{'quartiles':>16}{'cpu ms':>10}", file=sys.stderr)
    for name, row in rows.items():
        quartiles = f"{row['low_ms']:.0f} to {row['high_ms']:.0f}"
        print(f"{name:12}{row['median_ms']:10.0f}{quartiles:>16}{row['cpu_ms']:10.0f}", file=sys.stderr)
    print(
        f"{'ratio':12}{shares['ratio']:10.2f}{'':16}{shares['cpu_ratio']:10.2f}  (aim {AIM})", file=sys.stderr
    )
    line = {"benchmark": "models", **settings, "rows": rows, **shares, "aim": AIM}
    print(json.dumps(line | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
