"""Boxes: detections, ground truth, and intersection over union. Needs no torch.

A box is ``x0, y0, x1, y1`` in pixels, the upper left and the lower right corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.garments import Box

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Detections:
    """One photo's detections: boxes (N, 4), scores (N,) and 0-based category ids (N,), in any order.

    Raises ValueError where the shapes do not fit together or a score is not finite.
    """

    boxes_xyxy: Floats
    scores: Floats
    category_ids: Ids

    def __post_init__(self) -> None:
        count = len(self.scores)
        if np.shape(self.boxes_xyxy) != (count, 4) or np.shape(self.category_ids) != (count,):
            raise ValueError(
                "expected boxes (N, 4), scores (N,) and category ids (N,) of one N, got "
                f"{np.shape(self.boxes_xyxy)}, {np.shape(self.scores)} and {np.shape(self.category_ids)}"
            )
        if not np.isfinite(self.scores).all():
            raise ValueError("expected finite scores, got NaN or infinity")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Detections:
        """The detections at some rows: indices (M,), a mask (N,) or a slice."""
        return Detections(self.boxes_xyxy[rows], self.scores[rows], self.category_ids[rows])

    def best_first(self) -> Detections:
        """The same by falling score; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind="stable")]

    def above(self, score_threshold: float) -> Detections:
        """Those whose score reaches the threshold."""
        return self[self.scores >= score_threshold]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """One photo's annotated boxes (N, 4) and their 0-based category ids (N,)."""

    boxes_xyxy: Floats
    category_ids: Ids

    def __len__(self) -> int:
        return len(self.category_ids)


def box_iou(boxes_a_xyxy: Floats, boxes_b_xyxy: Floats) -> NDArray[np.float64]:
    """IoU of every box of A (N, 4) with every box of B (M, 4): (N, M). Two boxes without area have 0.

    >>> box_iou(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 5], [20, 0, 30, 10]])).tolist()
    [[0.5, 0.0]]
    """
    a, b = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (boxes_a_xyxy, boxes_b_xyxy))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = (high - low).clip(min=0).prod(axis=2)  # (N, M)
    areas_a, areas_b = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b))
    union = areas_a[:, None] + areas_b[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def iou(one: Box, other: Box) -> float:
    """IoU of two boxes, which for single pairs is far quicker than :func:`box_iou`.

    >>> iou((0, 0, 10, 10), (0, 0, 10, 5))
    0.5
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(one) + area(other) - width * height)


def area(box: Box) -> float:
    """A box's area in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])
