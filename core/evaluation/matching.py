"""Matching of detections to annotated boxes, as COCO does: greedy by score, at all IoU thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, box_iou
from core.errors import DatasetError

MAX_DETECTIONS = 100  # a photo and category, best first, as COCO counts
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # 0.50, 0.55, ... 0.95


@dataclass(frozen=True)
class CategoryMatches:
    """One category over all photos: D detections, best score first, and how many boxes each photo has.

    ``hits`` (T, D) says at which IoU threshold a detection found a box; ``photo_of`` (D,) which photo it is
    in.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    photo_of: NDArray[np.int64]
    boxes_per_photo: NDArray[np.float64]

    @property
    def boxes(self) -> int:
        """The number of annotated boxes."""
        return int(self.boxes_per_photo.sum())


def match_photo(
    detections: Detections, truth: GroundTruth, iou_thresholds: NDArray[np.float64] = IOU_THRESHOLDS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """COCO's greedy matching in one photo: which detections count, best first (D,), and their boxes (T, D).

    The second array holds the index of the annotated box that a detection is matched with at each IoU
    threshold, -1 for a false positive. Each detection in turn takes the free box of its category that it
    overlaps most, if by the threshold at least; a box is taken once. Past ``MAX_DETECTIONS`` of a category a
    detection does not count. Crowd regions are unknown here.
    """
    order = _best_first_per_category(detections)
    # COCO takes the later of two boxes overlapped alike, argmax the earlier: hence the boxes from behind.
    true_ids = np.asarray(truth.category_ids)[::-1]
    overlaps = box_iou(detections.boxes_xyxy[order], np.asarray(truth.boxes_xyxy)[::-1])  # (D, G)
    overlaps[detections.category_ids[order][:, None] != true_ids[None, :]] = 0.0

    matched = np.full((len(iou_thresholds), len(order)), -1, dtype=np.int64)
    free = np.ones((len(iou_thresholds), len(true_ids)), dtype=np.bool_)
    levels = np.arange(len(iou_thresholds))
    for rank in np.flatnonzero(overlaps.max(axis=1, initial=0.0) >= iou_thresholds.min()):
        candidates = np.where(free, overlaps[rank], 0.0)  # (T, G)
        best = candidates.argmax(axis=1)
        hit = candidates[levels, best] >= iou_thresholds
        matched[hit, rank] = len(true_ids) - 1 - best[hit]
        free[levels[hit], best[hit]] = False
    return order, matched


def match_photos(
    predictions: Sequence[Detections], truths: Sequence[GroundTruth], categories: int
) -> tuple[CategoryMatches, ...]:
    """The matches of each category over all photos. Raises DatasetError where photos or ids do not fit."""
    check_pairs(predictions, truths)
    _check_ids(predictions, truths, categories)
    matched = [match_photo(detections, truth) for detections, truth in zip(predictions, truths, strict=True)]
    ids = np.concatenate([d.category_ids[order] for d, (order, _) in zip(predictions, matched, strict=True)])
    scores = np.concatenate([d.scores[order] for d, (order, _) in zip(predictions, matched, strict=True)])
    hits = np.concatenate([boxes >= 0 for _, boxes in matched], axis=1)
    photo_of = np.repeat(np.arange(len(matched)), [len(order) for order, _ in matched])
    true_ids = [np.asarray(truth.category_ids, dtype=np.int64) for truth in truths]
    boxes = np.stack([np.bincount(ids_here, minlength=categories) for ids_here in true_ids])

    by_category = []
    for category in range(categories):
        mine = np.flatnonzero(ids == category)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        by_category.append(
            CategoryMatches(
                scores=scores[mine].astype(np.float64),
                hits=hits[:, mine],
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
    for kind, photos in (("predicted", predictions), ("true", truths)):
        ids = np.concatenate([np.asarray(photo.category_ids, dtype=np.int64) for photo in photos])
        if ids.size and not (ids.min() >= 0 and ids.max() < categories):
            raise DatasetError(
                f"expected {kind} category ids in 0..{categories - 1}, got some in {ids.min()}..{ids.max()}"
            )
