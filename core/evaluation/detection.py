"""Detection metrics as COCO defines them (Lin et al. 2014): precision, recall, PR curves, AP and mAP.

Bootstrap intervals are over photos. For catalog photos, which show one garment each, there is the recall of
that single object whatever its category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, box_iou
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
from core.evaluation.matching import CategoryMatches, check_pairs, ignored_regions, match_photos

RECALL_POINTS = np.linspace(0.0, 1.0, 101)
CELLS_AT_ONCE = 4_000_000  # weights of one block of resamples: about 32 MB each array


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall at IoU 0.5 after each detection, best score first: three arrays (D,)."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    scores: NDArray[np.float64]

    def as_dict(self) -> dict[str, list[float]]:
        """The arrays as lists."""
        return {name: np.round(values, 5).tolist() for name, values in vars(self).items()}


@dataclass(frozen=True)
class CategoryMetrics:
    """One category: true boxes, AP at IoU 0.5 and over 0.5:0.95 (NaN without boxes), precision, recall."""

    boxes: int
    ap50: float
    ap: float
    ap50_interval: Interval | None
    precision: float
    recall: float
    curve: PrecisionRecallCurve

    def as_dict(self, curves: bool = False) -> dict[str, Any]:
        """A JSON-ready entry of ``classes``."""
        entry: dict[str, Any] = {
            "boxes": self.boxes,
            "AP50": as_json(self.ap50),
            "AP": as_json(self.ap),
            "AP50_interval": interval_as_json(self.ap50_interval),
            "precision": as_json(self.precision),
            "recall": as_json(self.recall),
        }
        return entry | ({"curve": self.curve.as_dict()} if curves else {})


@dataclass(frozen=True)
class DetectionReport:
    """How good a detector is on a set of photos.

    ``map50`` and ``map`` (over IoU 0.5:0.95) are means over the categories that have boxes, as COCO's are;
    NaN when none has. ``precision``, ``recall`` and ``f1`` count all boxes alike at ``score_threshold`` and
    IoU 0.5; recall is NaN without any box, precision without any box and detection. ``ignored`` counts the
    crowd regions and difficult boxes, where detections are neither right nor wrong.
    """

    map50: float
    map: float
    precision: float
    recall: float
    f1: float
    score_threshold: float
    photos: int
    boxes: int
    categories: dict[str, CategoryMetrics]
    map50_interval: Interval | None
    map_interval: Interval | None
    n_bootstrap: int
    ignored: int = 0

    def as_dict(self, curves: bool = False) -> dict[str, Any]:
        """The contract's JSON; what could not be measured is None. ``curves`` adds each class's PR curve."""
        return {
            "mAP50": as_json(self.map50),
            "mAP": as_json(self.map),
            "precision": as_json(self.precision),
            "recall": as_json(self.recall),
            "f1": as_json(self.f1),
            "score_threshold": self.score_threshold,
            "classes": {name: metrics.as_dict(curves) for name, metrics in self.categories.items()},
            "photos": self.photos,
            "boxes": self.boxes,
            "ignored": self.ignored,
            "intervals": {
                "mAP50": interval_as_json(self.map50_interval),
                "mAP": interval_as_json(self.map_interval),
                "confidence": 0.95,
                "resamples": self.n_bootstrap,
            },
        }


def evaluate_detection(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: Sequence[str],
    score_threshold: float,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> DetectionReport:
    """Precision, recall, PR curves, AP and mAP of one prediction a photo against its true boxes.

    COCO's rules: greedy matching by score, at most 100 detections a photo and category, AP interpolated at
    101 recall points, IoU 0.5:0.95:0.05; crowd regions and difficult boxes need not be found, and detections
    there count neither as right nor as wrong in any figure. Intervals are basic bootstrap intervals (95 %) of
    ``n_bootstrap`` resamples of the photos (0: none); a category is left out of a resample's mean where the
    resample has no box of it. Give predictions down to a low score: a curve ends at the lowest. Raises
    DatasetError where photos or category ids do not fit together.
    """
    matches = match_photos(predictions, truths, len(categories))
    aps = average_precisions(matches, np.ones((1, len(truths))))[:, :, 0]  # (C, T)
    ap50_draws, map_draws = _resample(matches, len(truths), n_bootstrap, seed)
    counts = np.array([_counts(category, score_threshold) for category in matches])  # (C, 3)
    precision, recall, f1 = _precision_recall_f1(counts.sum(axis=0))
    map50 = float(mean_over_categories(aps[:, 0]))
    mean_ap = float(mean_over_categories(aps.mean(axis=1)))
    return DetectionReport(
        map50=map50,
        map=mean_ap,
        precision=precision,
        recall=recall,
        f1=f1,
        score_threshold=score_threshold,
        photos=len(truths),
        boxes=int(counts[:, 2].sum()),
        categories={
            name: _category_metrics(matches[index], aps[index], ap50_draws[index], counts[index])
            for index, name in enumerate(categories)
        },
        map50_interval=basic_interval(map50, mean_over_categories(ap50_draws)),
        map_interval=basic_interval(mean_ap, map_draws),
        n_bootstrap=n_bootstrap,
        ignored=sum(ignored_regions(truth) for truth in truths),
    )


def average_precisions(
    matches: Sequence[CategoryMatches], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AP of each category and IoU threshold on B weighted sets of photos: weights (B, P) to (C, T, B).

    NaN where the weighted photos hold no box of the category.
    """
    return np.stack([_average_precision(category, weights) for category in matches])


def _average_precision(category: CategoryMatches, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """101-point AP (T, B). Only detections that hit raise the recall, so the curve is kept at those alone."""
    drawn = weights[:, category.photo_of]  # (B, D)
    whole = np.cumsum(drawn, axis=1)  # detections so far
    boxes = weights @ category.boxes_per_photo  # (B,)
    result = np.full((len(category.hits), len(weights)), np.nan)
    for level, (hits, ignored) in enumerate(zip(category.hits, category.ignored, strict=True)):
        where = np.flatnonzero(hits)
        seen = np.cumsum(drawn * ~ignored, axis=1) if ignored.any() else whole
        found = np.cumsum(weights[:, category.photo_of[where]], axis=1)  # (B, H)
        precision = np.nan_to_num(ratio(found, seen[:, where]))
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.nan_to_num(ratio(found, boxes[:, None]))
        # How many of the 101 recall points this hit is the first to reach.
        reached = np.searchsorted(RECALL_POINTS, recall, side="right") * (found > 0)
        newly = np.diff(reached, axis=1, prepend=0)
        result[level] = (envelope * newly).sum(axis=1) / len(RECALL_POINTS)
    result[:, boxes == 0] = np.nan
    return result


def _resample(
    matches: Sequence[CategoryMatches], photos: int, n_bootstrap: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP at IoU 0.5 (C, B) and mAP over 0.5:0.95 (B,) on resampled photos, in blocks to bound the memory."""
    widest = max([photos, *(len(category.scores) for category in matches)])
    ap50, mean_ap = [np.empty((len(matches), 0))], [np.empty(0)]
    for weights in bootstrap_weights(photos, n_bootstrap, seed, max(1, CELLS_AT_ONCE // widest)):
        aps = average_precisions(matches, weights)  # (C, T, B)
        ap50.append(aps[:, 0])
        mean_ap.append(mean_over_categories(aps.mean(axis=1)))
    return np.concatenate(ap50, axis=1), np.concatenate(mean_ap)


def mean_over_categories(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is not NaN; NaN where all is."""
    measured = ~np.isnan(values)
    return ratio(np.nan_to_num(values).sum(axis=0), measured.sum(axis=0))


def _category_metrics(
    category: CategoryMatches,
    aps: NDArray[np.float64],
    ap50_draws: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> CategoryMetrics:
    precision, recall, _ = _precision_recall_f1(counts)
    return CategoryMetrics(
        boxes=category.boxes,
        ap50=float(aps[0]),
        ap=float(aps.mean()),
        ap50_interval=basic_interval(float(aps[0]), ap50_draws),
        precision=precision,
        recall=recall,
        curve=_curve(category),
    )


def _counts(category: CategoryMatches, score_threshold: float) -> tuple[float, float, float]:
    """Hits at IoU 0.5, detections, both from the score threshold on, and true boxes."""
    confident = category.confident(score_threshold)
    return float(category.hits[0, confident].sum()), float(confident.sum()), float(category.boxes)


def _precision_recall_f1(counts: NDArray[np.float64]) -> tuple[float, float, float]:
    """From hits, detections and boxes (3,). Finding nothing where something is gives precision 0."""
    hits, detections, boxes = counts
    precision = ratio(hits, detections if detections else boxes)
    return float(precision), float(ratio(hits, boxes)), float(ratio(2 * hits, detections + boxes))


def _curve(category: CategoryMatches) -> PrecisionRecallCurve:
    counted = ~category.ignored[0]
    found = np.cumsum(category.hits[0, counted]).astype(np.float64)
    seen = np.arange(1, len(found) + 1, dtype=np.float64)
    recall = ratio(found, category.boxes)
    scores = category.scores[counted]
    return PrecisionRecallCurve(recall=np.nan_to_num(recall), precision=found / seen, scores=scores)


@dataclass(frozen=True)
class SingleObjectRecall:
    """Recall on photos of one garment each, whatever its category, and the mean number of other boxes a
    photo.
    """

    recall: float
    other_boxes: float
    photos: int
    score_threshold: float
    iou_threshold: float
    recall_interval: Interval | None
    other_boxes_interval: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "found": as_json(self.recall),
            "others": as_json(self.other_boxes),
            "photos": self.photos,
            "score_threshold": self.score_threshold,
            "iou": self.iou_threshold,
            "intervals": {
                "found": interval_as_json(self.recall_interval),
                "others": interval_as_json(self.other_boxes_interval),
            },
        }


def is_single_object(truth: GroundTruth) -> bool:
    """Whether a photo has one box, which has to be found, and no other regions."""
    return len(truth.category_ids) == 1 and not ignored_regions(truth)


def single_object_recall(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    score_threshold: float,
    iou_threshold: float = 0.5,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> SingleObjectRecall:
    """The share of photos whose one garment is found by a box of any category, by ``iou_threshold`` at least.

    ``other_boxes`` are those from the score threshold on without the one that found it, so a photo whose
    garment was missed counts all of them. Intervals are 95 % bootstrap percentiles over photos. Raises
    DatasetError where a photo has no box or several, or regions to be ignored.
    """
    check_pairs(predictions, truths)
    for truth in truths:
        if not is_single_object(truth):
            raise DatasetError(f"expected one box a photo, got {len(truth.boxes_xyxy)}, or regions to ignore")
    confident = [detections.above(score_threshold) for detections in predictions]
    found = np.array(
        [
            bool((box_iou(detections.boxes_xyxy, truth.boxes_xyxy) >= iou_threshold).any())
            for detections, truth in zip(confident, truths, strict=True)
        ],
        dtype=np.float64,
    )
    boxes = np.array([len(detections) for detections in confident])
    counts = np.stack([found, boxes - found], axis=1)  # (P, 2)
    blocks = [weights @ counts for weights in bootstrap_weights(len(truths), n_bootstrap, seed, 256)]
    draws = np.concatenate([np.empty((0, 2)), *blocks]) / len(truths)  # (B, 2)
    return SingleObjectRecall(
        recall=float(found.mean()),
        other_boxes=float(counts[:, 1].mean()),
        photos=len(truths),
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        recall_interval=bootstrap_interval(draws[:, 0]),
        other_boxes_interval=bootstrap_interval(draws[:, 1]),
    )
