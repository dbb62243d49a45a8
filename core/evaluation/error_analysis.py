"""What a detector gets wrong: the kinds of error of TIDE, what mending each would bring, and confusions.

TIDE (Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors") sorts the false
positives at IoU 0.5 by the annotated boxes that they overlap, with 0.1 as the IoU below which an overlap is
none. An error counts as the first of these that it is:

- localization: a box of its own category overlaps it by 0.1 to 0.5;
- classification: a box of another category overlaps it by 0.5 or more;
- duplicate: a box of its own category, by 0.5 or more, which a better detection has found;
- background: no box overlaps it by more than 0.1;
- both: the rest, which is wrong in its place and in its category.

Missed is a box that no detection found and that no error of localization or classification is about. The
conditions are asked in this order, as the authors' program does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, box_iou
from core.evaluation.detection import average_precisions, mean_over_categories
from core.evaluation.matching import (
    FALSE_POSITIVE,
    IGNORED,
    DetectionMatches,
    counted_boxes,
    match_all,
    match_photo,
    matches_by_category,
)

CLASSIFICATION, LOCALIZATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(6)
KINDS = ("classification", "localization", "both", "duplicate", "background", "missed")
"""The names of the kinds, by their numbers."""

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
AT_FOREGROUND_IOU = np.array([FOREGROUND_IOU])
CORRECT = -1
"""The kind of a detection that is right, or in a region to be ignored."""


@dataclass(frozen=True)
class DetectionErrors:
    """The kind of each detection (D,) of ``matches``, and of the kinds that are about a box, its place (D,).

    The place is that in the photo's annotated boxes, -1 for none. ``missed`` holds the places of each photo's
    missed boxes.
    """

    matches: DetectionMatches
    kinds: NDArray[np.int64]
    about: NDArray[np.int64]
    missed: tuple[NDArray[np.int64], ...]

    def counts(self) -> dict[str, int]:
        """How many errors there are of each kind."""
        found = np.bincount(self.kinds[self.kinds >= 0], minlength=len(KINDS))
        found[MISSED] = sum(len(places) for places in self.missed)
        return dict(zip(KINDS, found.tolist(), strict=True))


def find_errors(
    predictions: Sequence[Detections], truths: Sequence[GroundTruth], categories: int
) -> DetectionErrors:
    """The kind of every detection at IoU 0.5, and the boxes that were missed.

    Boxes that are difficult and crowd regions make no errors, nor do detections there. Raises DatasetError as
    ``match_all`` does.
    """
    matches = match_all(predictions, truths, categories, AT_FOREGROUND_IOU)
    kinds = np.full(len(matches.scores), CORRECT, dtype=np.int64)
    about = np.full(len(matches.scores), -1, dtype=np.int64)
    missed = []
    for photo, truth in enumerate(truths):
        mine = np.flatnonzero(matches.photo_of == photo)
        to_find = np.flatnonzero(counted_boxes(truth))
        found = matches.boxes[0, mine]
        wrong = mine[found == FALSE_POSITIVE]
        kinds[wrong], about[wrong] = _kinds_of(
            matches.boxes_xyxy[wrong], matches.category_ids[wrong], truth, to_find
        )
        known = np.concatenate([found[found >= 0], about[wrong]])
        missed.append(np.setdiff1d(to_find, known))
    return DetectionErrors(matches, kinds, about, tuple(missed))


def _kinds_of(
    boxes_xyxy: NDArray[Any], ids: NDArray[Any], truth: GroundTruth, to_find: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The kinds (D,) of one photo's false positives, and the boxes that they are about (D,)."""
    kinds, about = np.full(len(ids), BACKGROUND), np.full(len(ids), -1)
    if not len(to_find) or not len(ids):
        return kinds, about
    overlaps = box_iou(boxes_xyxy, np.asarray(truth.boxes_xyxy)[to_find])  # (D, G)
    is_own = ids[:, None] == np.asarray(truth.category_ids)[to_find][None, :]
    own, other = np.where(is_own, overlaps, 0.0), np.where(is_own, 0.0, overlaps)
    best_own, best_other = own.max(axis=1), other.max(axis=1)
    # What overlaps a free box of its category by 0.5 would have found it: at 0.5 and above it is taken.
    is_localization = (best_own >= BACKGROUND_IOU) & (best_own < FOREGROUND_IOU)
    is_classification = ~is_localization & (best_other >= FOREGROUND_IOU)
    is_duplicate = ~is_localization & ~is_classification & (best_own >= FOREGROUND_IOU)
    rest = ~(is_localization | is_classification | is_duplicate)
    kinds[is_localization] = LOCALIZATION
    kinds[is_classification] = CLASSIFICATION
    kinds[is_duplicate] = DUPLICATE
    kinds[rest & (np.maximum(best_own, best_other) > BACKGROUND_IOU)] = BOTH
    about[is_localization] = to_find[own[is_localization].argmax(axis=1)]
    about[is_classification] = to_find[other[is_classification].argmax(axis=1)]
    return kinds, about


def ap_gains(errors: DetectionErrors, truths: Sequence[GroundTruth]) -> dict[str, float]:
    """mAP at IoU 0.5 gained by mending all errors of one kind: TIDE's dAP, by kind, in 0..1.

    A classification or localization error becomes a hit on the box that it is about, if that is not found
    already and no error of either kind about it has a better score; else it is removed. (So the authors'
    program does it; the paper says no more than that duplicates are suppressed.) Errors of the other kinds
    are removed, missed boxes no longer have to be found. ``false positives`` removes all wrong detections,
    ``false negatives`` every box that was not found. The gains do not add up to what is missing to 1. NaN
    where no box has to be found.
    """
    matches, all_of = errors.matches, errors.kinds >= 0
    before = _ap50(matches, matches.truths_per_photo)
    gains = {}
    for kind, name in enumerate(KINDS[:MISSED]):
        if kind in (CLASSIFICATION, LOCALIZATION):
            gains[name] = _ap50_with_hits(errors, truths, kind)
        else:
            gains[name] = _ap50(matches, matches.truths_per_photo, errors.kinds != kind)
    gains["missed"] = _ap50(matches, matches.truths_per_photo - _missed_counts(errors, truths))
    found = np.zeros_like(matches.truths_per_photo)
    hits = matches.boxes[0] >= 0
    np.add.at(found, (matches.photo_of[hits], matches.category_ids[hits]), 1.0)
    gains["false positives"] = _ap50(matches, matches.truths_per_photo, ~all_of)
    gains["false negatives"] = _ap50(matches, found)
    return {name: value - before for name, value in gains.items()}


def _ap50(
    matches: DetectionMatches,
    truths_per_photo: NDArray[np.float64],
    kept: NDArray[np.bool_] | None = None,
    hits: NDArray[np.bool_] | None = None,
    category_ids: NDArray[np.int64] | None = None,
) -> float:
    """mAP at IoU 0.5 over the categories that have boxes, of some detections that are perhaps mended.

    A category whose boxes need not be found any more keeps an AP of 0: it has no hit.
    """
    kept = np.ones(len(matches.scores), bool) if kept is None else kept
    hits = matches.boxes[0] >= 0 if hits is None else hits
    ids = matches.category_ids if category_ids is None else category_ids
    sorted_matches = matches_by_category(
        ids[kept],
        matches.scores[kept],
        hits[None, kept],
        matches.boxes[:, kept] == IGNORED,
        matches.photo_of[kept],
        truths_per_photo,
    )
    aps = average_precisions(sorted_matches, np.ones((1, len(truths_per_photo))))[:, 0, 0]
    there = matches.truths_per_photo.sum(axis=0) > 0
    return float(mean_over_categories(np.nan_to_num(aps[there])))


def _ap50_with_hits(errors: DetectionErrors, truths: Sequence[GroundTruth], kind: int) -> float:
    """mAP at IoU 0.5 once the errors of a kind hit the boxes that they are about."""
    matches = errors.matches
    hits, ids = matches.boxes[0] >= 0, matches.category_ids.copy()
    taken = set(zip(matches.photo_of[hits].tolist(), matches.boxes[0, hits].tolist(), strict=True))
    kept = errors.kinds != kind
    about_boxes = np.flatnonzero(errors.about >= 0)
    for row in about_boxes[np.argsort(-matches.scores[about_boxes], kind="stable")].tolist():
        photo, box = int(matches.photo_of[row]), int(errors.about[row])
        if (photo, box) in taken:
            continue
        taken.add((photo, box))
        if errors.kinds[row] == kind:
            kept[row] = hits[row] = True
            ids[row] = truths[photo].category_ids[box]
    return _ap50(matches, matches.truths_per_photo, kept, hits, ids)


def _missed_counts(errors: DetectionErrors, truths: Sequence[GroundTruth]) -> NDArray[np.float64]:
    """The missed boxes of each photo and category (P, C)."""
    counts = np.zeros_like(errors.matches.truths_per_photo)
    for photo, places in enumerate(errors.missed):
        np.add.at(counts[photo], np.asarray(truths[photo].category_ids)[places], 1.0)
    return counts


class Confusion(NamedTuple):
    """One entry of the confusion matrix: the photo, and the places of its box and its detection, or None."""

    photo: int
    box: int | None
    detection: int | None


@dataclass(frozen=True)
class ConfusionMatrix:
    """Annotated against detected categories at a score threshold and IoU 0.5.

    ``counts`` is (C + 1, C + 1): rows are annotated categories, the last of them *background* (nothing was
    annotated there); columns are detected categories, the last *missed*. ``cells`` holds what each counts.
    """

    counts: NDArray[np.int64]
    cells: Mapping[tuple[int, int], tuple[Confusion, ...]]


def confusion_matrix(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: int,
    score_threshold: float,
) -> ConfusionMatrix:
    """Which categories are taken for which.

    Detections first find boxes of their own category, as everywhere; those that found none are then matched
    with the boxes that nothing has found, whatever their category. So the diagonal over its row's sum is the
    recall, and over its column's sum the precision. Regions to be ignored are left out.
    """
    cells: dict[tuple[int, int], list[Confusion]] = {}
    for photo, (found, truth) in enumerate(zip(predictions, truths, strict=True)):
        for row, column, entry in _confusions(photo, found, truth, categories, score_threshold):
            cells.setdefault((row, column), []).append(entry)
    counts = np.zeros((categories + 1, categories + 1), dtype=np.int64)
    for place, entries in cells.items():
        counts[place] = len(entries)
    return ConfusionMatrix(counts, {place: tuple(entries) for place, entries in cells.items()})


def _confusions(
    photo: int, found: Detections, truth: GroundTruth, none: int, score_threshold: float
) -> list[tuple[int, int, Confusion]]:
    """One photo's entries with their rows and columns; ``none`` is the place of background and missed."""
    confident = np.flatnonzero(found.scores >= score_threshold)
    order, matched = match_photo(found[confident], truth, AT_FOREGROUND_IOU)
    rows, boxes = confident[order], matched[0]
    left = rows[boxes == FALSE_POSITIVE]
    free = np.setdiff1d(np.flatnonzero(counted_boxes(truth)), boxes)
    anything = Detections(found.boxes_xyxy[left], found.scores[left], np.zeros(len(left), np.int64))
    there = GroundTruth(np.asarray(truth.boxes_xyxy)[free].reshape(-1, 4), np.zeros(len(free), np.int64))
    again, confused = match_photo(anything, there, AT_FOREGROUND_IOU)
    pairs = [(int(box), int(row)) for row, box in zip(rows, boxes, strict=True) if box >= 0]
    pairs += [
        (int(free[box]), int(left[row])) for row, box in zip(again, confused[0], strict=True) if box >= 0
    ]
    entries = [
        (int(truth.category_ids[box]), int(found.category_ids[row]), Confusion(photo, box, row))
        for box, row in pairs
    ]
    met_boxes, met_rows = {box for box, _ in pairs}, {row for _, row in pairs}
    entries += [
        (int(truth.category_ids[box]), none, Confusion(photo, box, None))
        for box in free.tolist()
        if box not in met_boxes
    ]
    entries += [
        (none, int(found.category_ids[row]), Confusion(photo, None, row))
        for row in left.tolist()
        if row not in met_rows
    ]
    return entries
