"""Training curves: losses and validation metrics of one run or several, raw and smoothed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.errors import LapelError
from core.models.cards import ModelCard

HISTORY = "history.jsonl"
LARGEST_HISTORY_BYTES = 64 * 2**20
SMOOTHING, SMOOTHING_OF_FEW, FEW_POINTS = 0.9, 0.6, 50
"""Weight of the previous mean in the moving average of a loss; a curve of few points is smoothed less."""

POSITIONS = ("step", "epoch", "images", "seconds")
"""What a point's place on the curve may be, by preference."""

TRAINING_LOSSES = ("train_loss", "loss")
MOST_POINTS = 400


@dataclass(frozen=True)
class TrainingRun:
    """A run's name and its points, each a mapping of names to numbers."""

    name: str
    points: Sequence[Mapping[str, Any]]


def smoothed(values: Sequence[float], smoothing: float = SMOOTHING) -> list[float]:
    """The exponential moving average, corrected for its beginning (Kingma and Ba 2015, section 3).

    >>> [round(value, 3) for value in smoothed([2.0, 2.0, 5.0], smoothing=0.5)]
    [2.0, 2.0, 3.714]
    """
    mean, weight, result = 0.0, 0.0, []
    for value in values:
        mean, weight = smoothing * mean + (1 - smoothing) * value, smoothing * weight + (1 - smoothing)
        result.append(mean / weight)
    return result


def run_of_card(name: str, card: ModelCard) -> TrainingRun | None:
    """The curve that a card holds; None where it has none."""
    curve = card.training.get("curve")
    points = [entry for entry in curve if isinstance(entry, Mapping)] if isinstance(curve, list) else []
    return TrainingRun(name, points) if points else None


def run_of_file(path: Path, name: str | None = None) -> TrainingRun:
    """The run of a ``history.jsonl``, or of the folder that holds one. Raises LapelError with a sentence."""
    file = path / HISTORY if path.is_dir() else path
    try:
        if file.stat().st_size > LARGEST_HISTORY_BYTES:
            raise LapelError(f"expected a history of at most {LARGEST_HISTORY_BYTES // 2**20} MB at {file}")
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LapelError(
            f"expected a training's {HISTORY} at {path}, got: {error.strerror or error}"
        ) from error
    points = [entry for line in lines if (entry := _entry(line)) is not None]
    if not points:
        raise LapelError(f"expected a JSON object a line with the figures of an epoch in {file}, got none")
    return TrainingRun(name or file.parent.resolve().name, points)


def _entry(line: str) -> Mapping[str, Any] | None:
    """A line's figures; None for one that was cut off in writing."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def training_curves(runs: Sequence[TrainingRun]) -> dict[str, Any] | None:
    """Runs as JSON over an axis that all of them have; None where no run has a figure.

    ``loss`` holds each run's training loss, raw and smoothed, and its validation losses, ``metrics`` the
    validation metrics in 0..1. A series is ``{"run", "name", "kind", "x", "y"}`` with the kinds raw,
    smoothed and validation.
    """
    axis = next((name for name in POSITIONS if all(_rises(run, name) for run in runs)), None)
    losses: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []
    for number, run in enumerate(runs):
        for name in dict.fromkeys(name for point in run.points for name in point):
            found = [
                (float(point[axis]) if axis else float(place), float(point[name]))
                for place, point in enumerate(run.points, start=1)
                if _is_number(point.get(name))
            ]
            if not found or name in POSITIONS:
                continue
            series = {"run": number, "name": name, **_thinned(found)}
            if name in TRAINING_LOSSES:
                values = [value for _, value in found]
                weight = SMOOTHING if len(found) >= FEW_POINTS else SMOOTHING_OF_FEW
                means = zip((x for x, _ in found), smoothed(values, weight), strict=True)
                losses.append(series | {"kind": "raw"})
                losses.append({"run": number, "name": name, "kind": "smoothed"} | _thinned(list(means)))
            elif name.endswith("_loss") and not name.startswith("train_"):
                losses.append(series | {"kind": "validation"})
            elif _is_metric(name):
                metrics.append(series | {"kind": "validation"})
    if not losses and not metrics:
        return None
    return {
        "axis": axis or "validation",
        "runs": [run.name for run in runs],
        "loss": losses,
        "metrics": metrics,
    }


def _rises(run: TrainingRun, name: str) -> bool:
    """Whether every point has this number, and it never falls."""
    places = [point.get(name) for point in run.points]
    numbers = [float(place) for place in places if _is_number(place)]  # type: ignore[arg-type]
    return len(numbers) == len(places) and all(a <= b for a, b in pairwise(numbers))


def _is_metric(name: str) -> bool:
    return name.endswith(("map50", "map", "top1", "top3", "top5"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _thinned(found: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    """At most ``MOST_POINTS`` of a line's points, the last among them."""
    stride = max(1, -(-len(found) // MOST_POINTS))
    kept = found[(len(found) - 1) % stride :: stride]
    return {"x": [x for x, _ in kept], "y": [round(y, 5) for _, y in kept]}
