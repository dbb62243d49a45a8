"""Non-maximum suppression (NMS), cross-class suppression and calibration of scores. Needs no torch.

NMS is in NumPy, so that a photo can be labeled without loading PyTorch, which takes seconds; it gives the
boxes of ``torchvision.ops.batched_nms``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.boxes import Detections, Floats, Ids, box_iou

NMS_IOU_THRESHOLD = 0.5
"""Two boxes of one category with a greater IoU are one garment: the worse is dropped."""

CROSS_CLASS_IOU_THRESHOLD = 0.8
CROSS_CLASS_SCORE_FACTOR = 0.5
"""Two boxes of different categories with a greater IoU are one garment: the worse one's score is halved."""

MAX_DETECTIONS = 100
MAX_NMS_CANDIDATES = 3000
"""More candidates than that come from a detector that has learned nothing; the best of them are enough."""

_LEAST_SCORE = 1e-6


def calibrated(scores: Floats, slope: float, intercept: float) -> Floats:
    """Platt scaling, elementwise: sigmoid(slope * logit(score) + intercept); 1 and 0 change nothing.

    Fitted on held-back photos so that of the boxes with a score of 0.8 four in five are right.
    """
    if slope == 1.0 and intercept == 0.0:
        return scores
    clipped = np.clip(scores, _LEAST_SCORE, 1 - _LEAST_SCORE)
    with np.errstate(over="ignore"):  # e to a great number is infinity, and its score 0
        result: Floats = 1 / (1 + np.exp(-(slope * np.log(clipped / (1 - clipped)) + intercept)))
    return result


def nms_indices(
    boxes_xyxy: ArrayLike,
    scores: ArrayLike,
    *,
    score_threshold: float,
    iou_threshold: float = NMS_IOU_THRESHOLD,
    limit: int = MAX_DETECTIONS,
) -> tuple[Ids, Ids]:
    """Non-maximum suppression of one photo's candidates (N, 4) with class scores (N, C).

    Gives the candidates (K,) and the category (K,) that each stays with, best first, K at most ``limit``.
    Suppression is within a category and from the best score down, so raising the score threshold afterwards
    gives the same boxes as a new run with that threshold.
    """
    boxes, table = np.asarray(boxes_xyxy), np.asarray(scores)
    candidates, categories = np.nonzero(table > score_threshold)
    order = np.argsort(-table[candidates, categories], kind="stable")[:MAX_NMS_CANDIDATES]
    candidates, categories = candidates[order], categories[order]
    kept = _greedy(boxes[candidates], categories, iou_threshold, limit)
    return candidates[kept], categories[kept]


def _greedy(boxes: NDArray[Any], categories: Ids, iou_threshold: float, limit: int) -> list[int]:
    """Rows of boxes (N, 4), best first, that no better one of their category overlaps: at most ``limit``."""
    x0, y0, x1, y1 = np.ascontiguousarray(boxes.T)
    areas = (x1 - x0) * (y1 - y0)
    alive, kept = np.arange(len(boxes)), list[int]()
    while len(alive) and len(kept) < limit:
        best, alive = int(alive[0]), alive[1:]
        kept.append(best)
        wide = np.minimum(x1[best], x1[alive]) - np.maximum(x0[best], x0[alive])
        high = np.minimum(y1[best], y1[alive]) - np.maximum(y0[best], y0[alive])
        common = np.maximum(wide, 0) * np.maximum(high, 0)
        # intersection / union > threshold, without dividing by a union of nothing
        overlaps = common > iou_threshold * (areas[best] + areas[alive] - common)
        alive = alive[~(overlaps & (categories[alive] == categories[best]))]
    return kept


def greedy_suppression(order: Iterable[int], suppresses: NDArray[np.bool_]) -> list[int]:
    """The rows that stay, in ``order`` (best first): those that none which stays suppresses.

    ``suppresses`` (N, N) says at [row, better] whether ``better`` would take ``row`` away: rules that NMS's
    single threshold cannot say, for the few boxes of a photo.
    """
    kept: list[int] = []
    for row in order:
        if not suppresses[row, kept].any():
            kept.append(int(row))
    return kept


def nms(
    boxes_xyxy: ArrayLike,
    scores: ArrayLike,
    *,
    score_threshold: float,
    iou_threshold: float = NMS_IOU_THRESHOLD,
    limit: int = MAX_DETECTIONS,
) -> Detections:
    """The same as detections, best first."""
    boxes, table = np.asarray(boxes_xyxy), np.asarray(scores)
    rows, categories = nms_indices(
        boxes, table, score_threshold=score_threshold, iou_threshold=iou_threshold, limit=limit
    )
    return Detections(boxes[rows], table[rows, categories], categories)


def cross_class_suppression(
    detections: Detections,
    *,
    iou_threshold: float = CROSS_CLASS_IOU_THRESHOLD,
    factor: float = CROSS_CLASS_SCORE_FACTOR,
) -> Detections:
    """Multiply the score of a box by ``factor`` where a better box of another category overlaps it.

    A jacket is otherwise shown as a top as well. This is soft, not hard, suppression: on the street's
    training photos two of 3,300 boxes share a place like that, and dropping the second box would cost the
    photos where its category is the right one. Takes boxes best first and gives them best first.
    """
    ranks, ids = np.arange(len(detections)), detections.category_ids
    better = ranks[:, None] > ranks[None, :]  # (box, better box)
    overlaps = box_iou(detections.boxes_xyxy, detections.boxes_xyxy) > iou_threshold
    suppressed = (overlaps & better & (ids[:, None] != ids[None, :])).any(axis=1)
    scores = np.where(suppressed, detections.scores * factor, detections.scores)
    return Detections(detections.boxes_xyxy, scores, ids).best_first()
