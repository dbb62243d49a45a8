"""The report's part on a detector: curves, AP by class and size, errors, confusions, photos, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, iou
from core.evaluation.bootstrap import as_json, interval_as_json, ratio
from core.evaluation.calibration import LEAST_SCORE, Reliability, reliability
from core.evaluation.comparison import Comparison, PairedMetric, compare_detection
from core.evaluation.detection import (
    RECALL_POINTS,
    DetectionReport,
    PrecisionRecallCurve,
    average_precisions,
    evaluate_detection,
    mean_over_categories,
)
from core.evaluation.error_analysis import (
    KINDS,
    ConfusionMatrix,
    DetectionErrors,
    ap_gains,
    confusion_matrix,
    find_errors,
)
from core.evaluation.matching import AREA_RANGES, CategoryMatches, match_photos
from core.evaluation.report.photos import (
    BACKGROUND_NAME,
    MISSED_NAME,
    ReportPhoto,
    confusion_entry,
    corners,
    listed_photos,
)

THRESHOLDS = np.arange(1, 100) / 100
IOU_BINS = 10
MOST_CURVE_POINTS = 150


@dataclass(frozen=True)
class DetectorOutput:
    """A detector's boxes on all photos, down to a low score, in the report's categories; its threshold."""

    predictions: Sequence[Detections]
    score_threshold: float


def report_detector(
    photos: Sequence[ReportPhoto],
    truths: Sequence[GroundTruth],
    categories: Sequence[str],
    model: DetectorOutput,
    against: DetectorOutput | None = None,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of a detector on P photos, and beside another detector's where one is given.

    Raises DatasetError where photos or category ids do not fit together.
    """
    found, threshold = model.predictions, model.score_threshold
    other = against or model
    measured = evaluate_detection(found, truths, categories, threshold, n_bootstrap=0)
    pair, thresholds = (other.predictions, found), (other.score_threshold, threshold)
    compared = compare_detection(*pair, truths, categories, thresholds, n_bootstrap=n_bootstrap, seed=seed)
    matches = match_photos(found, truths, len(categories))
    errors = find_errors(found, truths, len(categories))
    confident = find_errors([boxes.above(threshold) for boxes in found], truths, len(categories))
    confusion = confusion_matrix(found, truths, len(categories), threshold)
    cells = {place: [entry.photo for entry in entries] for place, entries in confusion.cells.items()}
    places = listed_photos(cells, len(photos))
    return {
        "kind": "detector",
        "photos_measured": len(photos),
        "boxes": measured.boxes,
        "ignored": measured.ignored,
        "score_threshold": threshold,
        "resamples": n_bootstrap,
        "figures": _figures(measured, compared, against is not None),
        "classes": _classes(measured, compared, against is not None, confident, truths, categories),
        "sizes": [_size(name, found, truths, len(categories), threshold) for name in AREA_RANGES],
        "precision_recall": _precision_recall(measured),
        "by_threshold": _by_threshold(matches, categories),
        "iou": _iou_distribution(confident, truths),
        "errors": _errors(errors, confident, truths),
        "confusion": confusion_entry(
            confusion.counts, cells, places, [*categories, BACKGROUND_NAME], [*categories, MISSED_NAME]
        ),
        "calibration": _detector_calibration(errors),
        "photos": [
            _photo(photos[place], place, confusion, found[place], truths[place], categories)
            for place in places
        ],
    }


def figure(value: float, pair: PairedMetric | None = None, is_second: bool = False) -> dict[str, Any]:
    """A figure with its interval, and ``is_second``: the other model's from the same resamples."""
    if pair is None:
        return {"value": as_json(value), "interval": None}
    own = {"value": as_json(value), "interval": interval_as_json(pair.candidate_interval)}
    if not is_second:
        return own
    return own | {
        "against": as_json(pair.champion),
        "against_interval": interval_as_json(pair.champion_interval),
        "difference": as_json(pair.difference),
        "difference_interval": interval_as_json(pair.difference_interval),
    }


def _figures(measured: DetectionReport, compared: Comparison, is_second: bool) -> dict[str, Any]:
    values = {"mAP50": measured.map50, "mAP": measured.map}
    values |= {"precision": measured.precision, "recall": measured.recall, "f1": measured.f1}
    return {name: figure(value, compared.metrics.get(name), is_second) for name, value in values.items()}


def _classes(
    measured: DetectionReport,
    compared: Comparison,
    is_second: bool,
    confident: DetectionErrors,
    truths: Sequence[GroundTruth],
    categories: Sequence[str],
) -> list[dict[str, Any]]:
    """A row for each category that has boxes or detections, with AP at IoU 0.5 as its figure."""
    overlaps, ids = _hit_overlaps(confident, truths)
    rows = []
    for place, name in enumerate(categories):
        metrics = measured.categories[name]
        if not metrics.boxes and not len(metrics.curve.scores):
            continue
        pair = compared.classes[place].metric
        mine = overlaps[ids == place]
        precision, recall = metrics.precision, metrics.recall
        f1 = float(ratio(2 * precision * recall, precision + recall))
        rows.append(
            {
                "name": name,
                "boxes": metrics.boxes,
                "AP50": figure(metrics.ap50, pair, is_second),
                "AP": as_json(metrics.ap),
                "precision": as_json(precision),
                "recall": as_json(recall),
                "f1": as_json(f1),
                "mean_iou": as_json(float(mine.mean()) if len(mine) else None),
            }
        )
    return rows


def _size(
    name: str, found: Sequence[Detections], truths: Sequence[GroundTruth], categories: int, threshold: float
) -> dict[str, Any]:
    """AP over the boxes of one of COCO's sizes, and the recall at the threshold."""
    matches = match_photos(found, truths, categories, AREA_RANGES[name])
    aps = average_precisions(matches, np.ones((1, len(truths))))[:, :, 0]
    boxes = sum(category.boxes for category in matches)
    hits = sum(int(category.hits[0, category.confident(threshold)].sum()) for category in matches)
    low, high = AREA_RANGES[name]
    return {
        "name": name,
        "area": [low, high if np.isfinite(high) else None],
        "boxes": boxes,
        "mAP50": as_json(float(mean_over_categories(aps[:, 0]))),
        "mAP": as_json(float(mean_over_categories(aps.mean(axis=1)))),
        "recall": as_json(float(ratio(hits, boxes))),
    }


def mean_curve(curves: Sequence[PrecisionRecallCurve]) -> NDArray[np.float64]:
    """The mean interpolated precision (101,) at COCO's recall points: its mean is the mean AP at IoU 0.5."""
    rows = []
    for curve in curves:
        envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
        reached = np.searchsorted(curve.recall, RECALL_POINTS)
        rows.append(np.append(envelope, 0.0)[reached])
    return np.mean(rows, axis=0) if rows else np.full(len(RECALL_POINTS), np.nan)


def _precision_recall(measured: DetectionReport) -> dict[str, Any]:
    """The curve of each category that has boxes, and the mean over them."""
    there = {name: entry for name, entry in measured.categories.items() if entry.boxes}
    mean = mean_curve([entry.curve for entry in there.values()])
    return {
        "mean": {"recall": _rounded(RECALL_POINTS), "precision": _rounded(mean)} if there else None,
        "classes": [
            {"name": name, "AP50": as_json(entry.ap50)} | _thinned(entry.curve)
            for name, entry in there.items()
        ],
    }


def _thinned(curve: PrecisionRecallCurve) -> dict[str, list[float]]:
    """The curve at its hits, where recall rises, and at its end; at most ``MOST_CURVE_POINTS`` of them."""
    hits = np.flatnonzero(np.diff(curve.recall, prepend=0.0) > 0)
    chosen = np.unique(np.append(hits, len(curve.recall) - 1)) if len(curve.recall) else hits
    if len(chosen) > MOST_CURVE_POINTS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_CURVE_POINTS).round().astype(int)]
    return {
        "recall": _rounded(curve.recall[chosen]),
        "precision": _rounded(curve.precision[chosen]),
        "scores": _rounded(curve.scores[chosen]),
    }


def _by_threshold(matches: Sequence[CategoryMatches], categories: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 at IoU 0.5 from each threshold on, of all boxes alike and F1 by category."""
    counts = np.stack([_counts_from(category) for category in matches])  # (C, 3, thresholds)
    precision, recall, f1 = _rates(counts.sum(axis=0))
    best = int(np.nanargmax(f1)) if not np.isnan(f1).all() else 0
    return {
        "thresholds": _rounded(THRESHOLDS),
        "precision": _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(f1),
        "best": {"threshold": float(THRESHOLDS[best]), "f1": as_json(f1[best])},
        "classes": [
            {"name": name, "f1": _rounded(_rates(counts[place])[2])}
            for place, name in enumerate(categories)
            if matches[place].boxes
        ],
    }


def _counts_from(category: CategoryMatches) -> NDArray[np.float64]:
    """Hits, detections and boxes from each threshold on (3, thresholds)."""
    counted = ~category.ignored[0]
    rising = category.scores[counted][::-1]
    hits = np.append(np.cumsum(category.hits[0, counted]), 0)
    above = len(rising) - np.searchsorted(rising, THRESHOLDS)  # detections that reach it
    found = np.where(above > 0, hits[above - 1], 0)
    return np.stack([found, above, np.full(len(THRESHOLDS), category.boxes)]).astype(np.float64)


def _rates(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    hits, detections, boxes = counts
    return ratio(hits, detections), ratio(hits, boxes), ratio(2 * hits, detections + boxes)


def _hit_overlaps(
    confident: DetectionErrors, truths: Sequence[GroundTruth]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The IoU of each hit with its box (H,), and its category (H,)."""
    matches = confident.matches
    hits = np.flatnonzero(matches.boxes[0] >= 0)
    pairs = zip(matches.boxes_xyxy[hits], matches.photo_of[hits], matches.boxes[0, hits], strict=True)
    overlaps = [iou(tuple(box), tuple(truths[photo].boxes_xyxy[place])) for box, photo, place in pairs]
    return np.array(overlaps, dtype=np.float64), matches.category_ids[hits]


def _iou_distribution(confident: DetectionErrors, truths: Sequence[GroundTruth]) -> dict[str, Any]:
    overlaps, _ = _hit_overlaps(confident, truths)
    edges = np.linspace(0.5, 1.0, IOU_BINS + 1)
    counts, _ = np.histogram(np.minimum(overlaps, 1.0), bins=edges)
    return {
        "edges": _rounded(edges),
        "counts": counts.tolist(),
        "mean": as_json(float(overlaps.mean()) if len(overlaps) else None),
        "median": as_json(float(np.median(overlaps)) if len(overlaps) else None),
    }


def _errors(
    errors: DetectionErrors, confident: DetectionErrors, truths: Sequence[GroundTruth]
) -> dict[str, Any]:
    gains = ap_gains(errors, truths)
    at_threshold, at_all = confident.counts(), errors.counts()
    return {
        "kinds": [
            {
                "name": name,
                "dAP50": as_json(gains[name]),
                "count": at_threshold[name],
                "count_all_scores": at_all[name],
            }
            for name in KINDS
        ],
        "false_positives_dAP50": as_json(gains["false positives"]),
        "false_negatives_dAP50": as_json(gains["false negatives"]),
    }


def _photo(
    photo: ReportPhoto,
    place: int,
    confusion: ConfusionMatrix,
    found: Detections,
    truth: GroundTruth,
    categories: Sequence[str],
) -> dict[str, Any]:
    """A photo's boxes and confident detections, what each is, and its errors in words."""
    boxes: list[list[Any]] = []
    detections: list[list[Any]] = []
    said: list[str] = []
    none = len(categories)
    for (row, column), entries in sorted(confusion.cells.items()):
        for entry in (entry for entry in entries if entry.photo == place):
            if entry.box is not None:
                state = "missed" if column == none else "found" if row == column else "confused"
                boxes.append([*corners(truth.boxes_xyxy[entry.box]), categories[row], state])
            if entry.detection is not None:
                state = "background" if row == none else "right" if row == column else "confused"
                score = round(float(found.scores[entry.detection]), 3)
                box = corners(found.boxes_xyxy[entry.detection])
                detections.append([*box, categories[column], score, state])
            if row != column:
                said.append(_in_words(row, column, categories))
    return photo.as_dict() | {"errors": len(said), "said": said, "boxes": boxes, "detections": detections}


def _in_words(row: int, column: int, categories: Sequence[str]) -> str:
    none = len(categories)
    if column == none:
        return f"{categories[row]} missed"
    if row == none:
        return f"{categories[column]} where none is annotated"
    return f"{categories[row]} taken for {categories[column]}"


def _detector_calibration(errors: DetectionErrors) -> dict[str, Any]:
    """Of the detections from ``LEAST_SCORE`` on: whether they hit at IoU 0.5."""
    matches = errors.matches
    hits = matches.boxes[0] >= 0
    counted = (matches.scores >= LEAST_SCORE) & (hits | (errors.kinds >= 0))
    diagram = reliability(matches.scores[counted], hits[counted])
    return calibration_entry(diagram) | {"least_score": LEAST_SCORE, "of": "detections"}


def calibration_entry(diagram: Reliability) -> dict[str, Any]:
    """A reliability diagram as JSON; empty bins have None."""
    return {
        "ECE": as_json(diagram.expected_error),
        "edges": _rounded(diagram.edges),
        "counts": diagram.counts.tolist(),
        "mean_scores": _rounded(diagram.mean_scores),
        "accuracies": _rounded(diagram.accuracies),
    }


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    """Numbers for JSON; None for what is none."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
