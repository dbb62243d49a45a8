"""Training a detector on a CPU: photos a second, and where a step's time goes, before and after in one run.

Run with ``python -m benchmarks.training``; the table goes to stderr, one line of JSON to stdout. "plain" is
PyTorch's own operations in its usual memory format and with malloc as it comes; "fused" is what a training
does: kernels compiled for this machine, channels last, memory used again. "frozen" is the same with the
recipe's frozen stages. A step loads and augments its photos (drawn here, in memory), computes the loss and
its gradients, and updates the weights. The processor's seconds are less shaken than the clock by what else
the machine does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import describe_machine, machine_line
from core.anchors import DARKNET_ANCHORS_608
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.models import fused
from core.training.allocator import reused_memory
from core.training.datasets import DetectionTrainingDataset, collate
from core.training.detector import DetectorTraining
from core.training.recipes import DETECTOR_RECIPES, DetectorRecipe

PACKAGES = ("torch",)
AIM = 14.0
CATEGORIES = tuple(f"category {number}" for number in range(13))
KINDS = {
    "convolution": ("convolution", "_Ghost"),
    "batch norm, activation": ("batch_norm", "mish", "leaky_relu", "_NormActivation"),
    "SimAM": ("SimAM",),
    "optimizer": ("adam", "Optimizer"),
    "copies": ("copy_", "cat", "fill_", "clone"),
}
"""A step's operations by their names in the profiler; a fused Ghost convolution holds its batch norms."""


@dataclass(frozen=True)
class Way:
    """One way to train, and the seconds of its steps by the clock and of the processor."""

    name: str
    module: DetectorTraining
    optimizer: torch.optim.Optimizer
    seconds: list[float]
    processor_seconds: list[float]


def drawn_photos(folder: Path, count: int = 24) -> DetectionDataset:
    """Photos of soft color, 400 x 600, with five boxes each."""
    rng, photos = np.random.default_rng(0), []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (30, 20, 3), dtype=np.uint8), "RGB")
        small.resize((400, 600), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
        corners = rng.uniform((20, 20), (200, 350), (5, 2))
        boxes_xyxy = np.concatenate((corners, corners + rng.uniform(60, 180, (5, 2))), axis=1)
        photos.append(BoxedPhoto(f"{number}.jpg", 400, 600, boxes_xyxy, rng.integers(0, 13, 5)))
    return DetectionDataset(CATEGORIES, tuple(photos), folder)


def build(name: str, recipe: DetectorRecipe) -> Way:
    """A way with a model of its own, the same at first in all."""
    torch.manual_seed(0)
    size = max(recipe.input_wh)
    anchors_wh = [[w * size / 608, h * size / 608] for w, h in DARKNET_ANCHORS_608]
    module = DetectorTraining(recipe, CATEGORIES, anchors_wh).train()
    module.on_train_epoch_start()
    with plain() if name == "plain" else ExitStack():
        module.order_weights(module.device)
    learned = [p for p in module.parameters() if p.requires_grad]
    return Way(name, module, torch.optim.AdamW(learned, 1e-3), [], [])


def plain() -> ExitStack:
    """A context without the fused kernels, and so in PyTorch's usual memory format."""
    stack = ExitStack()
    stack.enter_context(fused.disabled())
    return stack


def step(way: Way, photos: DetectionTrainingDataset, indices: Sequence[int]) -> None:
    """One step: batch, loss, gradients, update."""
    pictures, targets = collate([photos[0, index] for index in indices])
    way.optimizer.zero_grad()
    way.module.losses(pictures, targets)["loss"].backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(way.module.parameters(), 10.0)
    way.optimizer.step()


def batches(count: int, batch: int) -> Iterator[list[int]]:
    """Indices of photos, batch after batch without end."""
    first = 0
    while True:
        yield [(first + offset) % count for offset in range(batch)]
        first += batch


def take_turns(ways: Sequence[Way], photos: DetectionTrainingDataset, batch: int, steps: int) -> None:
    """Time ``steps`` rounds, each way once a round, after one round that isn't counted."""
    for round_number, indices in zip(range(steps + 1), batches(len(photos), batch), strict=False):
        for way in ways:
            with plain() if way.name == "plain" else reused_memory():
                if way.name != "plain":
                    step(way, photos, indices)  # the memory that a training's steps before this have filled
                clock, processor = time.perf_counter(), time.process_time()
                step(way, photos, indices)
                if round_number:
                    way.seconds.append(time.perf_counter() - clock)
                    way.processor_seconds.append(time.process_time() - processor)


def shares(way: Way, photos: DetectionTrainingDataset, batch: int) -> dict[str, float]:
    """The share of a step's operations that each kind of operation takes."""
    with plain() if way.name == "plain" else reused_memory():
        step(way, photos, range(batch))
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            step(way, photos, range(batch))
    taken = dict.fromkeys((*KINDS, "loss and other"), 0.0)
    for event in profiled.key_averages():
        kind = next((k for k, parts in KINDS.items() if any(p in event.key for p in parts)), "loss and other")
        taken[kind] += event.self_cpu_time_total
    total = sum(taken.values())
    return {kind: round(value / total, 3) for kind, value in taken.items()}


def row_of(way: Way, batch: int) -> dict[str, float]:
    """Photos a second at the median step, and the processor's milliseconds for a photo."""
    return {
        "photos_per_second": round(batch / statistics.median(way.seconds), 2),
        "best_photos_per_second": round(batch / min(way.seconds), 2),
        "cpu_ms_per_photo": round(1000 * statistics.median(way.processor_seconds) / batch, 1),
    }


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--preset", default="nano")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=288)
    parser.add_argument("--height", type=int, default=416)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    input_wh = (options.width, options.height)
    recipe = replace(
        DETECTOR_RECIPES["street"], preset=options.preset, input_wh=input_wh, small_wh=None, small_epochs=0
    )
    whole = replace(recipe, frozen_stages=0)
    ways = [build("plain", whole), build("fused", whole), build("frozen", recipe)]
    with TemporaryDirectory() as folder:
        photos = DetectionTrainingDataset([drawn_photos(Path(folder))], recipe)
        take_turns(ways, photos, options.batch, options.steps)
        rows = {way.name: row_of(way, options.batch) for way in ways}
        where = {way.name: shares(way, photos, options.batch) for way in ways}
    report(rows, where, vars(options) | {"compiled": fused.kernels() is not None})


def report(
    rows: Mapping[str, Mapping[str, float]],
    where: Mapping[str, Mapping[str, float]],
    settings: Mapping[str, object],
) -> None:
    """The tables on stderr, the JSON line on stdout."""
    result = ", ".join(f"{name} {value}" for name, value in settings.items())
    print(f"{result}; {machine_line(PACKAGES)}", file=sys.stderr)
    print(f"{'':8}{'photos/s':>10}{'best':>8}{'cpu ms a photo':>16}", file=sys.stderr)
    for name, row in rows.items():
        median, best, cpu = row.values()
        print(f"{name:8}{median:10.1f}{best:8.1f}{cpu:16.0f}", file=sys.stderr)
    print(f"{'share of a step':24}" + "".join(f"{name:>8}" for name in where), file=sys.stderr)
    for kind in next(iter(where.values())):
        print(f"{kind:24}" + "".join(f"{share[kind]:8.1%}" for share in where.values()), file=sys.stderr)
    speedup = rows["plain"]["cpu_ms_per_photo"] / rows["fused"]["cpu_ms_per_photo"]
    print(f"fused takes 1/{speedup:.1f} of the processor's time (aim {AIM:.0f} photos/s)", file=sys.stderr)
    line = {"benchmark": "training", **settings, "rows": rows, "shares": where, "aim": AIM}
    print(json.dumps(line | {"cpu_ratio": round(speedup, 2), "machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
