"""Matching of detections to annotated boxes, as COCO does: greedy by score, at all IoU thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence
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


def match_photo(
    detections: Detections, truth: GroundTruth, iou_thresholds: NDArray[np.float64] = IOU_THRESHOLDS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """COCO's greedy matching in one photo: which detections count, best first (D,), and their boxes (T, D).

    The second array holds the index of the annotated box that a detection is matched with at each IoU
    threshold, ``FALSE_POSITIVE`` or ``IGNORED``. Each detection in turn takes the free box of its category
    that it overlaps most, if by the threshold at least; a box is taken once. One that gets none is ignored
    where it overlaps a difficult box of its category by the threshold, or lies in a crowd region of its
    category with that share of its own area. These are never taken: any number of detections may lie there.
    Past ``MAX_DETECTIONS`` of a category a detection does not count.
    """
    order = _best_first_per_category(detections)
    boxes_xyxy, ids = detections.boxes_xyxy[order], detections.category_ids[order]
    to_find = np.flatnonzero(counted_boxes(truth))
    # COCO takes the later of two boxes overlapped alike, argmax the earlier: hence the boxes from behind.
    from_behind = to_find[::-1]
    overlaps = box_iou(boxes_xyxy, np.asarray(truth.boxes_xyxy)[from_behind])  # (D, G)
    overlaps[ids[:, None] != np.asarray(truth.category_ids)[from_behind][None, :]] = 0.0

    matched = np.full((len(iou_thresholds), len(order)), FALSE_POSITIVE, dtype=np.int64)
    free = np.ones((len(iou_thresholds), len(from_behind)), dtype=np.bool_)
    levels = np.arange(len(iou_thresholds))
    for rank in np.flatnonzero(overlaps.max(axis=1, initial=0.0) >= iou_thresholds.min()):
        candidates = np.where(free, overlaps[rank], 0.0)  # (T, G)
        best = candidates.argmax(axis=1)
        hit = candidates[levels, best] >= iou_thresholds
        matched[hit, rank] = from_behind[best[hit]]
        free[levels[hit], best[hit]] = False
    covered = _overlap_with_ignored(boxes_xyxy, ids, truth)[None, :] >= iou_thresholds[:, None]  # (T, D)
    matched[(matched == FALSE_POSITIVE) & covered] = IGNORED
    return order, matched


def counted_boxes(truth: GroundTruth) -> NDArray[np.bool_]:
    """Which annotated boxes have to be found (N,): those that are not difficult."""
    if not len(truth.difficult):
        return np.ones(len(truth.category_ids), dtype=np.bool_)
    return ~np.asarray(truth.difficult, dtype=np.bool_)


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


def match_photos(
    predictions: Sequence[Detections], truths: Sequence[GroundTruth], categories: int
) -> tuple[CategoryMatches, ...]:
    """The matches of each category over all photos. Raises DatasetError where photos or ids do not fit."""
    check_pairs(predictions, truths)
    _check_ids(predictions, truths, categories)
    matched = [match_photo(detections, truth) for detections, truth in zip(predictions, truths, strict=True)]
    ids = np.concatenate([d.category_ids[order] for d, (order, _) in zip(predictions, matched, strict=True)])
    scores = np.concatenate([d.scores[order] for d, (order, _) in zip(predictions, matched, strict=True)])
    boxes_of = np.concatenate([boxes for _, boxes in matched], axis=1)  # (T, D)
    photo_of = np.repeat(np.arange(len(matched)), [len(order) for order, _ in matched])
    true_ids = [np.asarray(truth.category_ids, dtype=np.int64)[counted_boxes(truth)] for truth in truths]
    boxes = np.stack([np.bincount(ids_here, minlength=categories) for ids_here in true_ids])

    by_category = []
    for category in range(categories):
        mine = np.flatnonzero(ids == category)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        by_category.append(
            CategoryMatches(
                scores=scores[mine].astype(np.float64),
                hits=boxes_of[:, mine] >= 0,
                ignored=boxes_of[:, mine] == IGNORED,
                photo_of=photo_of[mine],
                boxes_per_photo=boxes[:, category].astype(np.float64),
            )
        )
    return tuple(by_category)


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
