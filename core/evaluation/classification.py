"""Classification metrics: top-k accuracy, recall and precision per label, confusion matrix, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DatasetError
from core.evaluation.bootstrap import (
    Interval,
    as_json,
    basic_interval,
    bootstrap_weights,
    interval_as_json,
    ratio,
)

TOP_K = (1, 3, 5)


@dataclass(frozen=True)
class LabelMetrics:
    """One label: its photos, the share of them ranked first (recall), the share of its firsts right."""

    photos: int
    recall: float
    precision: float
    recall_interval: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready entry of ``classes``."""
        return {
            "photos": self.photos,
            "recall": as_json(self.recall),
            "precision": as_json(self.precision),
            "recall_interval": interval_as_json(self.recall_interval),
        }


@dataclass(frozen=True)
class ClassificationReport:
    """How good a classifier is.

    ``confusion`` (C, C) counts photos: rows are true labels, columns the first guesses. ``skipped`` counts
    the photos left out because the model does not know their label; ``groups`` is what was resampled (photos,
    or senders).
    """

    top1: float
    top3: float
    top5: float
    photos: int
    skipped: int
    labels: dict[str, LabelMetrics]
    confusion: NDArray[np.int64]
    intervals: dict[str, Interval | None]
    groups: int
    n_bootstrap: int

    def as_dict(self) -> dict[str, Any]:
        """The contract's JSON; what could not be measured is None."""
        return {
            "top1": as_json(self.top1),
            "top3": as_json(self.top3),
            "top5": as_json(self.top5),
            "photos": self.photos,
            "skipped": self.skipped,
            "classes": {name: metrics.as_dict() for name, metrics in self.labels.items()},
            "confusion": self.confusion.tolist(),
            "intervals": {
                **{name: interval_as_json(interval) for name, interval in self.intervals.items()},
                "confidence": 0.95,
                "resamples": self.n_bootstrap,
                "resampled_units": self.groups,
            },
        }


def evaluate_classification(
    probabilities: NDArray[np.floating[Any]],
    targets: NDArray[np.integer[Any]],
    labels: Sequence[str] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    skipped: int = 0,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> ClassificationReport:
    """Top-1, -3 and -5, recall and precision per label and the confusion matrix of N photos.

    ``probabilities`` (N, C) may be any scores that rank; equal ones rank in the labels' order. ``targets``
    (N,) are 0-based. Intervals are 95 % percentiles over resampled photos, or over resampled ``groups`` (N,),
    such as senders, whose photos are alike and would make the intervals too narrow one by one. Raises
    DatasetError on shapes, targets or values that do not fit.
    """
    scores, truth = np.asarray(probabilities), np.asarray(targets)
    names = [str(index) for index in range(scores.shape[-1])] if labels is None else list(labels)
    units = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    _check(scores, truth, names, units)

    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.argmax(order == truth[:, None], axis=1)
    hits = np.stack([rank < k for k in TOP_K], axis=1).astype(np.float64)  # (N, 3)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (truth, order[:, 0]), 1)
    right = np.diag(confusion).astype(np.float64)
    recalls, precisions = ratio(right, confusion.sum(axis=1)), ratio(right, confusion.sum(axis=0))
    top_draws, recall_draws = _resample(hits, truth, units, len(names), n_bootstrap, seed)
    top = hits.mean(axis=0)
    return ClassificationReport(
        top1=float(top[0]),
        top3=float(top[1]),
        top5=float(top[2]),
        photos=len(truth),
        skipped=skipped,
        labels={
            name: LabelMetrics(
                photos=int(confusion[index].sum()),
                recall=float(recalls[index]),
                precision=float(precisions[index]),
                recall_interval=basic_interval(float(recalls[index]), recall_draws[:, index]),
            )
            for index, name in enumerate(names)
        },
        confusion=confusion,
        intervals={
            f"top{k}": basic_interval(float(top[column]), top_draws[:, column])
            for column, k in enumerate(TOP_K)
        },
        groups=int(units.max()) + 1,
        n_bootstrap=n_bootstrap,
    )


def _resample(
    hits: NDArray[np.float64],
    truth: NDArray[Any],
    units: NDArray[Any],
    labels: int,
    n_bootstrap: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Top-k (B, 3) and recall per label (B, C) on resampled units; counts are gathered a unit once."""
    count = int(units.max()) + 1
    photos_per_unit = np.bincount(units, minlength=count).astype(np.float64)
    hits_per_unit = np.zeros((count, len(TOP_K)))
    right, photos = np.zeros((2, count, labels))
    np.add.at(hits_per_unit, units, hits)
    np.add.at(right, (units, truth), hits[:, 0])
    np.add.at(photos, (units, truth), 1.0)
    top, recall = [np.empty((0, len(TOP_K)))], [np.empty((0, labels))]
    for weights in bootstrap_weights(count, n_bootstrap, seed, 256):
        top.append((weights @ hits_per_unit) / (weights @ photos_per_unit)[:, None])
        recall.append(ratio(weights @ right, weights @ photos))
    return np.concatenate(top), np.concatenate(recall)


def _check(scores: NDArray[Any], truth: NDArray[Any], names: Sequence[str], units: NDArray[Any]) -> None:
    if scores.ndim != 2 or truth.ndim != 1 or not len(scores) == len(truth) == len(units):
        raise DatasetError(
            f"expected probabilities (N, C) with targets and groups (N,), got {scores.shape}, {truth.shape} "
            f"and {units.shape}"
        )
    if len(truth) == 0:
        raise DatasetError("expected at least one photo to measure on, got none")
    if scores.shape[1] != len(names):
        raise DatasetError(f"expected one probability for each of {len(names)} labels, got {scores.shape[1]}")
    if truth.min() < 0 or truth.max() >= len(names):
        raise DatasetError(f"expected targets in 0..{len(names) - 1}, got {truth.min()}..{truth.max()}")
    if not np.isfinite(scores).all():
        raise DatasetError("expected finite probabilities, got NaN or infinity")
