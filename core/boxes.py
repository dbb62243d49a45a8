"""Boxes: detections, ground truth, and intersection over union. Needs no torch.

A box is ``x0, y0, x1, y1`` in pixels, the upper left and the lower right corner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.garments import Box

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

MATCH_IOU = 0.5
"""The least IoU at which two boxes are about one garment: a detection finds a box, two people agree."""

BOX_FLAGS = ("difficult", "truncated", "occluded")
"""What annotation formats say of a box beside its category: Pascal VOC's flags, and CVAT's ``occluded``."""

BoxFlags = frozenset[str]
"""Some of ``BOX_FLAGS``, and attributes of one's own, as :func:`flag_name` writes them; one with a value is
``name:value``."""

MOST_FLAG = 40
"""Characters of an own attribute's name."""

MOST_FLAGS = 20
"""Flags of one box."""


MOST_TAG = 60
"""Characters of a photo's tag."""

MOST_TAGS = 50
"""Tags of one photo."""


def flag_name(text: str) -> str:
    """The name of an attribute as it is kept: without blanks, which are ``_``; empty for what can be none.

    >>> flag_name(" needs ironing ")
    'needs_ironing'
    """
    name = "_".join(text.split())
    fits = len(name) <= MOST_FLAG and name.isprintable() and not set(name) & set("\"'<>,;|&=")
    return name if fits else ""


FINE_LABEL = "fine_label"
"""The attribute of a box that holds its fine label in COCO and VOC; FiftyOne takes none called ``label``."""

NO_FLAGS: BoxFlags = frozenset()


def no_boxes() -> Floats:
    """An empty array of boxes (0, 4)."""
    return np.zeros((0, 4), dtype=np.float32)


def no_ids() -> Ids:
    """An empty array of category ids (0,)."""
    return np.zeros(0, dtype=np.int64)


def no_flags() -> Flags:
    """An empty array of flags (0,)."""
    return np.zeros(0, dtype=np.bool_)


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
    """One photo's annotated boxes (N, 4) and their 0-based category ids (N,), and what is to be ignored.

    ``difficult`` (N,), or empty where none is, marks boxes that need not be found and may be: Pascal VOC's
    flag, COCO's ``ignore``. ``crowd_xyxy`` (M, 4) and ``crowd_ids`` (M,) are regions with many objects of a
    category, COCO's ``iscrowd``: a detection in one is neither right nor wrong.
    """

    boxes_xyxy: Floats
    category_ids: Ids
    difficult: Flags = field(default_factory=no_flags)
    crowd_xyxy: Floats = field(default_factory=no_boxes)
    crowd_ids: Ids = field(default_factory=no_ids)

    def __len__(self) -> int:
        return len(self.category_ids)


def box_iou(boxes_a_xyxy: Floats, boxes_b_xyxy: Floats) -> NDArray[np.float64]:
    """IoU of every box of A (N, 4) with every box of B (M, 4): (N, M). Two boxes without area have 0.

    >>> box_iou(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 5], [20, 0, 30, 10]])).tolist()
    [[0.5, 0.0]]
    """
    a, b, intersection = _intersections(boxes_a_xyxy, boxes_b_xyxy)
    union = _areas(a)[:, None] + _areas(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def box_ioa(boxes_xyxy: Floats, regions_xyxy: Floats) -> NDArray[np.float64]:
    """Intersection over the area of the box, of every box (N, 4) with every region (M, 4): (N, M).

    It is 1 for a box inside a region, however large that is; 0 for a box without area.

    >>> box_ioa(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 90, 5], [0, 0, 90, 90]])).tolist()
    [[0.5, 1.0]]
    """
    boxes, _, intersection = _intersections(boxes_xyxy, regions_xyxy)
    areas = np.broadcast_to(_areas(boxes)[:, None], intersection.shape)
    return np.divide(intersection, areas, out=np.zeros_like(intersection), where=areas > 0)


def _intersections(
    boxes_a_xyxy: Floats, boxes_b_xyxy: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Both sets of boxes as float64, and the area that every two have in common (N, M)."""
    a, b = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (boxes_a_xyxy, boxes_b_xyxy))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return a, b, (high - low).clip(min=0).prod(axis=2)


def _areas(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return areas


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
