"""The bootstrap: draws of units (photos, senders) with replacement, and the intervals read from them.

A draw is kept as weights: how often each unit was taken. Whatever is measured on a resample is then a
weighted count, so nothing is matched or ranked again. Two models measured on the same weights are a paired
comparison.

What comparing two models gives: every figure of both, their difference, and intervals of all three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
CONFIDENCE = 0.95


def draw_weights(
    units: int, n_bootstrap: int, seed: int, rows_at_once: int | None = None
) -> Iterator[NDArray[np.float64]]:
    """Weights of ``n_bootstrap`` draws, ``rows_at_once`` at most in a block; a row of ``units`` sums to them.

    The same seed gives the same draws, however they are cut into blocks.
    """
    generator = np.random.default_rng(seed)
    step = max(1, n_bootstrap if rows_at_once is None else rows_at_once)
    for start in range(0, n_bootstrap, step):
        rows = min(step, n_bootstrap - start)
        yield generator.multinomial(units, np.full(units, 1.0 / units), size=rows).astype(np.float64)


def percentile_interval(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval | None:
    """The middle ``confidence`` share of resamples (N,); None where none could be measured (all NaN)."""
    measured = values[~np.isnan(values)]
    if measured.size == 0:
        return None
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(measured, [tail, 100.0 - tail])
    return float(low), float(high)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Elementwise quotient of counts; NaN where nothing was counted."""
    counted, total = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    quotient = np.full(np.broadcast_shapes(counted.shape, total.shape), np.nan)
    np.divide(counted, total, out=quotient, where=total > 0)
    return quotient


def as_json(value: float | None) -> float | None:
    """A figure rounded for JSON, which has no NaN: what could not be measured is None."""
    return None if value is None or np.isnan(value) else round(float(value), 6)


def interval_as_json(interval: Interval | None) -> list[float] | None:
    """An interval as a JSON list ``[low, high]``."""
    return None if interval is None else [round(bound, 6) for bound in interval]


MAIN = {"detector": "mAP50", "classifier": "top1"}
"""The figure that decides, by kind of model."""


@dataclass(frozen=True)
class Paired:
    """One figure of both models in 0..1, and candidate less champion; None what could not be measured."""

    champion: float | None
    candidate: float | None
    difference: float | None
    champion_interval: Interval | None = None
    candidate_interval: Interval | None = None
    difference_interval: Interval | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plain = ("champion", "candidate", "difference")
        return {name: as_json(getattr(self, name)) for name in plain} | {
            f"{name}_interval": interval_as_json(getattr(self, f"{name}_interval")) for name in plain
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Paired:
        """The figure out of its JSON form."""
        intervals = {name: value for name, value in entry.items() if name.endswith("_interval")}
        given = {name: None if pair is None else (pair[0], pair[1]) for name, pair in intervals.items()}
        return cls(entry["champion"], entry["candidate"], entry["difference"], **given)


@dataclass(frozen=True)
class ClassPair:
    """One class: its boxes in the holdout; AP at IoU 0.5 of detectors, the share put first of classifiers."""

    name: str
    boxes: int
    figure: Paired

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, "boxes": self.boxes} | self.figure.as_dict()


@dataclass(frozen=True)
class Comparison:
    """A champion and a candidate of a kind on the same photos.

    ``figures`` are mAP50, mAP, precision and recall of detectors, top1, top3 and top5 of classifiers;
    ``skipped`` counts what neither model could be asked about.
    """

    kind: str
    photos: int
    boxes: int
    figures: Mapping[str, Paired]
    classes: tuple[ClassPair, ...]
    resamples: int
    skipped: int = 0

    @property
    def main(self) -> Paired:
        """The figure that decides."""
        return self.figures[MAIN[self.kind]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": self.kind,
            "photos": self.photos,
            "boxes": self.boxes,
            "figures": {name: figure.as_dict() for name, figure in self.figures.items()},
            "classes": [entry.as_dict() for entry in self.classes],
            "resamples": self.resamples,
            "skipped": self.skipped,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Comparison:
        """A comparison out of its JSON form."""
        own = ("name", "boxes")
        classes = (
            ClassPair(c["name"], c["boxes"], Paired.from_dict({k: v for k, v in c.items() if k not in own}))
            for c in entry["classes"]
        )
        figures = {name: Paired.from_dict(figure) for name, figure in entry["figures"].items()}
        counts = (entry["photos"], entry["boxes"])
        return cls(entry["kind"], *counts, figures, tuple(classes), entry["resamples"], entry["skipped"])
