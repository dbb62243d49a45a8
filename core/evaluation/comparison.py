"""Two models on the same photos: the metrics of both, and their difference, with bootstrap intervals.

Both are measured on the same resamples of the photos (paired bootstrap, Efron and Tibshirani 1993), so that
the difficulty of a photo, which is the same for both, does not widen the interval of the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth
from core.errors import DatasetError
from core.evaluation.bootstrap import (
    Interval,
    as_json,
    basic_interval,
    bootstrap_interval,
    bootstrap_weights,
    interval_as_json,
    ratio,
)
from core.evaluation.classification import TOP_K
from core.evaluation.detection import CELLS_AT_ONCE, average_precisions, mean_over_categories
from core.evaluation.matching import CategoryMatches, match_photos

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]
"""Weights of photos (B, P) to M metrics on each resample: (M, B); NaN where there is nothing to measure."""

UNKNOWN_LABEL = 2**31
"""The rank of a label that a classifier does not know: never among the first."""

MAIN_METRIC = {"detector": "mAP50", "classifier": "top1"}
"""The metric that the promotion gate tests, by kind of model."""


@dataclass(frozen=True)
class PairedMetric:
    """One metric of both models in 0..1, and candidate minus champion; None where not measured."""

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
    def from_dict(cls, entry: Mapping[str, Any]) -> PairedMetric:
        """The metric out of its JSON form."""
        intervals = {name: value for name, value in entry.items() if name.endswith("_interval")}
        given = {name: None if pair is None else (pair[0], pair[1]) for name, pair in intervals.items()}
        return cls(entry["champion"], entry["candidate"], entry["difference"], **given)


@dataclass(frozen=True)
class ClassComparison:
    """One class: its boxes in the holdout; AP at IoU 0.5 of detectors, the share put first of classifiers."""

    name: str
    boxes: int
    metric: PairedMetric

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, "boxes": self.boxes} | self.metric.as_dict()


@dataclass(frozen=True)
class Comparison:
    """A champion and a candidate of a kind on the same photos.

    ``metrics`` are mAP50, mAP, precision and recall of detectors, top1, top3 and top5 of classifiers;
    ``skipped`` counts what neither model could be asked about.
    """

    kind: str
    photos: int
    boxes: int
    metrics: Mapping[str, PairedMetric]
    classes: tuple[ClassComparison, ...]
    resamples: int
    skipped: int = 0

    @property
    def main(self) -> PairedMetric:
        """The metric that the promotion gate tests."""
        return self.metrics[MAIN_METRIC[self.kind]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": self.kind,
            "photos": self.photos,
            "boxes": self.boxes,
            "figures": {name: metric.as_dict() for name, metric in self.metrics.items()},
            "classes": [entry.as_dict() for entry in self.classes],
            "resamples": self.resamples,
            "skipped": self.skipped,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Comparison:
        """A comparison out of its JSON form."""
        classes = (
            ClassComparison(c.pop("name"), c.pop("boxes"), PairedMetric.from_dict(c))
            for c in map(dict, entry["classes"])
        )
        metrics = {name: PairedMetric.from_dict(metric) for name, metric in entry["figures"].items()}
        counts = (entry["photos"], entry["boxes"])
        return cls(entry["kind"], *counts, metrics, tuple(classes), entry["resamples"], entry["skipped"])


def compare_detection(
    champion: Sequence[Detections],
    candidate: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: Sequence[str],
    thresholds: tuple[float, float],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    skipped: int = 0,
) -> Comparison:
    """Two detectors' boxes on the same photos, down to a low score, in the same categories.

    ``thresholds`` are the champion's and the candidate's own: precision and recall are counted there, at IoU
    0.5. AP and mAP are COCO's, over the categories that have boxes. Raises DatasetError where photos or
    category ids do not fit together.
    """
    matches = [match_photos(found, truths, len(categories)) for found in (champion, candidate)]
    measures = [_detector_measure(m, t, len(truths)) for m, t in zip(matches, thresholds, strict=True)]
    widest = max([len(truths), *(len(entry.scores) for both in matches for entry in both)])
    pairs = _paired_bootstrap(measures, len(truths), n_bootstrap, seed, max(1, CELLS_AT_ONCE // widest))
    boxes = [category.boxes for category in matches[0]]
    return Comparison(
        "detector",
        len(truths),
        sum(boxes),
        dict(zip(("mAP50", "mAP", "precision", "recall"), pairs, strict=False)),
        tuple(ClassComparison(*entry) for entry in zip(categories, boxes, pairs[4:], strict=True)),
        n_bootstrap,
        skipped,
    )


def compare_classification(
    champion_ranks: NDArray[np.integer[Any]],
    candidate_ranks: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    labels: Sequence[str],
    photo_of: NDArray[np.integer[Any]],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    skipped: int = 0,
) -> Comparison:
    """Two classifiers on the same N garments.

    The ranks (N,) are the true label's place in each model's order, 0 the first, see :func:`rank_of`;
    ``targets`` (N,) are places in ``labels``; ``photo_of`` (N,) says which garments are of one photo, as
    photos are what is resampled. Raises DatasetError where nothing is there, or lengths differ.
    """
    count = len(targets)
    if count == 0 or not len(champion_ranks) == len(candidate_ranks) == len(photo_of) == count:
        raise DatasetError(
            "expected the ranks of at least one garment, with targets and photos of one length"
        )
    _, units = np.unique(photo_of, return_inverse=True)
    photos = int(units.max()) + 1
    both = (np.asarray(champion_ranks), np.asarray(candidate_ranks))
    measures = [_classifier_measure(ranks, np.asarray(targets), units, len(labels)) for ranks in both]
    pairs = _paired_bootstrap(measures, photos, n_bootstrap, seed, 256)
    boxes = np.bincount(targets, minlength=len(labels)).tolist()
    return Comparison(
        "classifier",
        photos,
        count,
        dict(zip((f"top{k}" for k in TOP_K), pairs, strict=False)),
        tuple(ClassComparison(*entry) for entry in zip(labels, boxes, pairs[len(TOP_K) :], strict=True)),
        n_bootstrap,
        skipped,
    )


def rank_of(probabilities: NDArray[np.floating[Any]], label: str, labels: Sequence[str]) -> int:
    """The place of a label in a classifier's order (C,), 0 the first; equal ones in the labels' order."""
    if label not in labels:
        return UNKNOWN_LABEL
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    return int(np.flatnonzero(order == labels.index(label))[0])


def _paired_bootstrap(
    measures: Sequence[Measure], photos: int, n_bootstrap: int, seed: int, rows: int
) -> list[PairedMetric]:
    """Each metric of both models with intervals from the same resamples of the photos."""
    whole = np.stack([measure(np.ones((1, photos)))[:, 0] for measure in measures])  # (2, M)
    blocks = (
        np.stack([measure(weights) for measure in measures])  # (2, M, B)
        for weights in bootstrap_weights(photos, n_bootstrap, seed, rows)
    )
    draws = np.concatenate([np.empty((*whole.shape, 0)), *blocks], axis=2)
    return [_paired_metric(whole[:, index], draws[:, index]) for index in range(whole.shape[1])]


def _paired_metric(whole: Floats, draws: Floats) -> PairedMetric:
    """From both models' metric on all photos (2,) and on the resamples (2, B).

    The bias of AP in resamples cancels in the difference, which has a percentile interval.
    """
    first, second, difference = (_number(value) for value in (*whole, whole[1] - whole[0]))
    return PairedMetric(
        first,
        second,
        difference,
        basic_interval(whole[0], draws[0]),
        basic_interval(whole[1], draws[1]),
        bootstrap_interval(draws[1] - draws[0]),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _detector_measure(matches: Sequence[CategoryMatches], threshold: float, photos: int) -> Measure:
    """mAP50, mAP, precision, recall, then AP at IoU 0.5 of each category."""
    counts = np.zeros((photos, 3))  # hits, detections, boxes
    for category in matches:
        confident = category.confident(threshold)
        where = category.photo_of[confident]
        counts[:, 0] += np.bincount(where, category.hits[0, confident], photos)
        counts[:, 1] += np.bincount(where, minlength=photos)
        counts[:, 2] += category.boxes_per_photo

    def measure(weights: Floats) -> Floats:
        aps = average_precisions(matches, weights)  # (C, T, B)
        hits, found, boxes = (weights @ counts).T
        means = (mean_over_categories(aps[:, 0]), mean_over_categories(aps.mean(axis=1)))
        return np.stack([*means, ratio(hits, found), ratio(hits, boxes), *aps[:, 0]])

    return measure


def _classifier_measure(
    ranks: NDArray[Any], targets: NDArray[Any], units: NDArray[Any], labels: int
) -> Measure:
    """Top-1, -3 and -5, then each label's share that is put first."""
    photos = int(units.max()) + 1
    hits, crops = np.zeros((photos, len(TOP_K))), np.zeros(photos)
    right, there = np.zeros((2, photos, labels))
    np.add.at(hits, units, np.stack([ranks < k for k in TOP_K], axis=1).astype(np.float64))
    np.add.at(crops, units, 1.0)
    np.add.at(right, (units, targets), (ranks == 0).astype(np.float64))
    np.add.at(there, (units, targets), 1.0)

    def measure(weights: Floats) -> Floats:
        top = (weights @ hits) / (weights @ crops)[:, None]  # (B, 3)
        return np.concatenate([top.T, ratio(weights @ right, weights @ there).T])

    return measure
