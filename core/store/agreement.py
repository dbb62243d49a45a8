"""How far two people agree on one photo: boxes paired so that they overlap most, then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from core.store.boxes import AnnotatedBox

SAME_PLACE = 0.5
"""The least intersection over union at which two boxes are about the same garment."""

SAME_NAME_BONUS = 0.1
"""Of two pairings that fit about equally, the one with equal categories is meant (a top under a jacket)."""

Boxes = Sequence[AnnotatedBox]


@dataclass(frozen=True)
class Agreement:
    """``matched`` pairs with their mean IoU (0..1), how many of them have the same category, and the boxes
    that only one of the two drew. Where nothing was matched, ``mean_iou`` is 0, or 1 if nothing was drawn.
    """

    mean_iou: float
    matched: int
    only_first: int
    only_second: int
    same_category: int

    @property
    def share(self) -> float:
        """Boxes that both drew and named alike among all boxes of both, 0..1 (1 if nothing was drawn)."""
        drawn = 2 * self.matched + self.only_first + self.only_second
        return 2 * self.same_category / drawn if drawn else 1.0

    def as_dict(self) -> dict[str, Any]:
        """The form in the database."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Agreement:
        """An agreement out of its saved form."""
        return cls(**entry)


def agreement(boxes_a: Boxes, boxes_b: Boxes) -> Agreement:
    """Compare two people's boxes of one photo."""
    found = pairs(boxes_a, boxes_b)
    ious = [iou for _, _, iou in found]
    same = sum(boxes_a[i].category_id == boxes_b[j].category_id for i, j, _ in found)
    nothing_drawn = not boxes_a and not boxes_b
    mean_iou = float(np.mean(ious)) if ious else float(nothing_drawn)
    return Agreement(
        round(mean_iou, 4), len(found), len(boxes_a) - len(found), len(boxes_b) - len(found), same
    )


def pairs(boxes_a: Boxes, boxes_b: Boxes) -> list[tuple[int, int, float]]:
    """Which box of A is which of B: indices and IoU, from the assignment with the greatest overlap in all.

    Boxes are paired from an IoU of ``SAME_PLACE`` on (Kuhn-Munkres by ``scipy.optimize``).
    """
    if not boxes_a or not boxes_b:
        return []
    ious = _ious(_corners(boxes_a), _corners(boxes_b))  # (A, B)
    ids_a, ids_b = ([box.category_id for box in boxes] for boxes in (boxes_a, boxes_b))
    worth = ious + SAME_NAME_BONUS * (np.array(ids_a)[:, None] == np.array(ids_b)[None, :])
    rows, columns = linear_sum_assignment(np.where(ious >= SAME_PLACE, worth, 0.0), maximize=True)
    chosen = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j, float(ious[i, j])) for i, j in chosen if ious[i, j] >= SAME_PLACE]


def _corners(boxes: Boxes) -> np.ndarray:
    return np.array([box.box_xyxy for box in boxes], dtype=np.float64)


def _ious(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """IoU of all pairs (A, B), without torch, which takes seconds to load."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a_xyxy, b_xyxy))
    ious: np.ndarray = overlap / (area_a[:, None] + area_b[None, :] - overlap)
    return ious
