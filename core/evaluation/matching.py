"""Matching of detections to annotated boxes, as COCO does: greedy by score, at all IoU thresholds at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, box_ioa, box_iou
from core.errors import DatasetError

MAX_DETECTIONS = 100  # a photo and category, best first, as COCO counts
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # 0.50, 0.55, ... 0.95
FALSE_POSITIVE, IGNORED = -1, -2
"""What a detection is that has found no box to be found: wrong, or neither right nor wrong."""


@dataclass(frozen=True)
class CategoryMatches:
    """One category over all photos: D detections, best score first, and how many boxes each photo has.

    ``hits`` (T, D) says at which IoU threshold a detection found a box, ``ignored`` (T, D) at which it is
    neither right nor wrong and does not count; ``photo_of`` (D,) which photo it is in. Boxes are those that
    have to be found.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    photo_of: NDArray[np.int64]
    boxes_per_photo: NDArray[np.float64]

    @property
    def boxes(self) -> int:
        """The number of annotated boxes that have to be found."""
        return int(self.boxes_per_photo.sum())

    def confident(self, score_threshold: float) -> NDArray[np.bool_]:
        """Which detections count at IoU 0.5, from a score threshold on (D,)."""
        return (self.scores >= score_threshold) & ~self.ignored[0]


AreaRange = tuple[float, float]
"""The least and the greatest area of boxes that count, in square pixels; both ends count, as COCO has it."""

AREA_RANGES: Mapping[str, AreaRange] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, float("inf")),
}
"""COCO's sizes of objects, here by the areas of boxes; COCO takes those of outlines."""


def match_photo(
    detections: Detections,
    truth: GroundTruth,
    iou_thresholds: NDArray[np.float64] = IOU_THRESHOLDS,
    area_range: AreaRange | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """COCO's greedy matching in one photo: which detections count, best first (D,), and their boxes (T, D).

    The second array holds the index of the annotated box that a detection is matched with at each IoU
    threshold, ``FALSE_POSITIVE`` or ``IGNORED``. Each detection in turn takes the free box of its category
    that it overlaps most, if by the threshold at least; a box is taken once. One that gets none is ignored
    where it overlaps a difficult box of its category by the threshold, or lies in a crowd region of its
    category with that share of its own area. These are never taken: any number of detections may lie there.
    Past ``MAX_DETECTIONS`` of a category a detection does not count.

    With an ``area_range`` only boxes of these areas have to be found. A detection that gets none of them and
    takes one of another size, or that gets none and is of another size itself, is ignored.
    """
    order = _best_first_per_category(detections)
    boxes_xyxy, ids = detections.boxes_xyxy[order], detections.category_ids[order]
    counted, inside = counted_boxes(truth), _in_range(truth.boxes_xyxy, area_range)
    # COCO takes the later of two boxes with the same IoU, argmax the earlier: hence the boxes from behind.
    to_find, others = (np.flatnonzero(counted & chosen)[::-1] for chosen in (inside, ~inside))
    from_behind = np.concatenate([to_find, others])
    is_other = np.arange(len(from_behind)) >= len(to_find)
    overlaps = box_iou(boxes_xyxy, np.asarray(truth.boxes_xyxy)[from_behind])  # (D, G)
    overlaps[ids[:, None] != np.asarray(truth.category_ids)[from_behind][None, :]] = 0.0

    matched = np.full((len(iou_thresholds), len(order)), FALSE_POSITIVE, dtype=np.int64)
    free = np.ones((len(iou_thresholds), len(from_behind)), dtype=np.bool_)
    levels = np.arange(len(iou_thresholds))
    for rank in np.flatnonzero(overlaps.max(axis=1, initial=0.0) >= iou_thresholds.min()):
        candidates = np.where(free, overlaps[rank], 0.0)  # (T, G)
        best = np.where(is_other, 0.0, candidates).argmax(axis=1)
        hit = (candidates[levels, best] >= iou_thresholds) & ~is_other[best]
        matched[hit, rank] = from_behind[best[hit]]
        free[levels[hit], best[hit]] = False
        if len(others):
            best = np.where(is_other, candidates, 0.0).argmax(axis=1)
            taken = ~hit & (candidates[levels, best] >= iou_thresholds) & is_other[best]
            matched[taken, rank] = IGNORED
            free[levels[taken], best[taken]] = False
    matched[(matched == FALSE_POSITIVE) & ~_in_range(boxes_xyxy, area_range)] = IGNORED
    covered = _overlap_with_ignored(boxes_xyxy, ids, truth)[None, :] >= iou_thresholds[:, None]  # (T, D)
    matched[(matched == FALSE_POSITIVE) & covered] = IGNORED
    return order, matched


def counted_boxes(truth: GroundTruth) -> NDArray[np.bool_]:
    """Which annotated boxes have to be found (N,): those that are not difficult."""
    if not len(truth.difficult):
        return np.ones(len(truth.category_ids), dtype=np.bool_)
    return ~np.asarray(truth.difficult, dtype=np.bool_)


def _in_range(boxes_xyxy: NDArray[Any], area_range: AreaRange | None) -> NDArray[np.bool_]:
    """Which boxes (N, 4) have an area in the range (N,)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if area_range is None:
        return np.ones(len(boxes), dtype=np.bool_)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside: NDArray[np.bool_] = (areas >= area_range[0]) & (areas <= area_range[1])
    return inside


def ignored_regions(truth: GroundTruth) -> int:
    """How many difficult boxes and crowd regions a photo has."""
    return int((~counted_boxes(truth)).sum()) + len(truth.crowd_ids)


def _overlap_with_ignored(
    boxes_xyxy: NDArray[Any], ids: NDArray[Any], truth: GroundTruth
) -> NDArray[np.float64]:
    """The greatest overlap of each box (D, 4) with what is ignored in its category (D,)."""
    difficult = ~counted_boxes(truth)
    overlaps = [np.zeros((len(ids), 1))]
    if difficult.any():
        same = ids[:, None] == np.asarray(truth.category_ids)[difficult][None, :]
        overlaps.append(box_iou(boxes_xyxy, np.asarray(truth.boxes_xyxy)[difficult]) * same)
    if len(truth.crowd_ids):
        same = ids[:, None] == np.asarray(truth.crowd_ids)[None, :]
        overlaps.append(box_ioa(boxes_xyxy, truth.crowd_xyxy) * same)
    greatest: NDArray[np.float64] = np.concatenate(overlaps, axis=1).max(axis=1)
    return greatest


@dataclass(frozen=True)
class DetectionMatches:
    """The detections of all photos that count, photo by photo and best first, with the boxes that they found.

    ``photo_of`` (D,) is the photo, ``places`` (D,) the place among its detections; ``boxes`` (T, D) is the
    place of the annotated box in the photo's, ``FALSE_POSITIVE`` or ``IGNORED``. ``truths_per_photo`` (P, C)
    counts the boxes of each category that have to be found.
    """

    photo_of: NDArray[np.int64]
    places: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    scores: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    boxes: NDArray[np.int64]
    truths_per_photo: NDArray[np.float64]

    def by_category(self) -> tuple[CategoryMatches, ...]:
        """The matches of each category."""
        return matches_by_category(
            self.category_ids,
            self.scores,
            self.boxes >= 0,
            self.boxes == IGNORED,
            self.photo_of,
            self.truths_per_photo,
        )


def match_all(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: int,
    iou_thresholds: NDArray[np.float64] = IOU_THRESHOLDS,
    area_range: AreaRange | None = None,
) -> DetectionMatches:
    """Match all photos, see ``match_photo``. Raises DatasetError where photos or ids do not fit."""
    check_pairs(predictions, truths)
    _check_ids(predictions, truths, categories)
    pairs = list(zip(predictions, truths, strict=True))
    matched = [match_photo(found, truth, iou_thresholds, area_range) for found, truth in pairs]
    chosen = [found[order] for found, (order, _) in zip(predictions, matched, strict=True)]
    to_find = [counted_boxes(truth) & _in_range(truth.boxes_xyxy, area_range) for truth in truths]
    true_ids = [
        np.asarray(truth.category_ids, np.int64)[wanted]
        for truth, wanted in zip(truths, to_find, strict=True)
    ]
    return DetectionMatches(
        photo_of=np.repeat(np.arange(len(matched)), [len(order) for order, _ in matched]),
        places=np.concatenate([order for order, _ in matched]),
        boxes_xyxy=np.concatenate([found.boxes_xyxy for found in chosen]).astype(np.float64),
        scores=np.concatenate([found.scores for found in chosen]).astype(np.float64),
        category_ids=np.concatenate([found.category_ids for found in chosen]).astype(np.int64),
        boxes=np.concatenate([boxes for _, boxes in matched], axis=1),
        truths_per_photo=np.stack([np.bincount(ids, minlength=categories) for ids in true_ids]).astype(float),
    )


def matches_by_category(
    category_ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    hits: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    photo_of: NDArray[np.int64],
    truths_per_photo: NDArray[np.float64],
) -> tuple[CategoryMatches, ...]:
    """D detections, with ``hits`` and ``ignored`` (T, D), by category; the truths are (P, C)."""
    by_category = []
    for category in range(truths_per_photo.shape[1]):
        mine = np.flatnonzero(category_ids == category)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        by_category.append(
            CategoryMatches(
                scores=scores[mine],
                hits=hits[:, mine],
                ignored=ignored[:, mine],
                photo_of=photo_of[mine],
                boxes_per_photo=truths_per_photo[:, category],
            )
        )
    return tuple(by_category)


def match_photos(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: int,
    area_range: AreaRange | None = None,
) -> tuple[CategoryMatches, ...]:
    """The matches of each category over all photos. Raises DatasetError where photos or ids do not fit."""
    return match_all(predictions, truths, categories, IOU_THRESHOLDS, area_range).by_category()


def check_pairs(predictions: Sequence[Detections], truths: Sequence[GroundTruth]) -> None:
    """Raise DatasetError unless there is one prediction a photo, and at least one photo."""
    if len(predictions) != len(truths):
        raise DatasetError(f"expected one prediction a photo, got {len(predictions)} for {len(truths)}")
    if not truths:
        raise DatasetError("expected at least one photo to measure on, got none")


def _best_first_per_category(detections: Detections) -> NDArray[np.int64]:
    """Indices by falling score, without those past ``MAX_DETECTIONS`` of their category."""
    order = np.argsort(-np.asarray(detections.scores), kind="stable")
    ids = np.asarray(detections.category_ids)[order]
    counts = np.zeros(len(order), dtype=np.bool_)
    for category in np.unique(ids):
        counts[np.flatnonzero(ids == category)[:MAX_DETECTIONS]] = True
    kept: NDArray[np.int64] = order[counts]
    return kept


def _check_ids(predictions: Sequence[Detections], truths: Sequence[GroundTruth], categories: int) -> None:
    true_ids = [photo.category_ids for photo in truths]
    true_ids += [photo.crowd_ids for photo in truths]
    for kind, listed in (("predicted", [photo.category_ids for photo in predictions]), ("true", true_ids)):
        ids = np.concatenate([np.asarray(some, dtype=np.int64) for some in listed])
        if ids.size and not (ids.min() >= 0 and ids.max() < categories):
            raise DatasetError(
                f"expected {kind} category ids in 0..{categories - 1}, got some in {ids.min()}..{ids.max()}"
            )
