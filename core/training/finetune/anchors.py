"""Other anchors for a detector that is fine-tuned: which they are, and its heads changed to suit them.

A head says the logarithm of a box's size over its anchor's. Its bias moved by log(old / new) therefore makes
the same boxes with the new anchors: a training begins with the champion's answers, and only which anchor
learns which garment is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.anchors import STRIDES, by_area, kmeans_anchors, mean_best_iou
from core.errors import DatasetError
from core.store.trainings import Anchors

Pairs = tuple[tuple[float, float], ...]


def resolve_anchors(
    chosen: Anchors, boxes_wh: np.ndarray, champions: Pairs, size: int, seed: int
) -> tuple[Pairs, dict[str, Any]]:
    """A fine-tuning's nine anchors in pixels of an input of ``size`` px, and what is recorded of them.

    ``chosen`` is None for the champion's, "own" for such as fit boxes (N, 2) in the same pixels, or nine
    pairs as shares of the input's long side. Within a stride they have the places of the champion's that they
    are most like. Raises DatasetError where there are fewer than nine boxes to fit them to.
    """
    if chosen is None:
        found, source = champions, "champion"
    else:
        if isinstance(chosen, str):
            if len(boxes_wh) < len(champions):
                raise DatasetError(
                    f"fitting {len(champions)} anchors takes as many boxes in the revision's photos or more, "
                    f"got {len(boxes_wh)}"
                )
            anchors, source = kmeans_anchors(boxes_wh, len(champions), seed).anchors, chosen
        else:
            anchors, source = by_area(np.array(chosen, dtype=np.float64)) * size, "given"
        found = _in_place(anchors, np.array(champions))
    record: dict[str, Any] = {"from": source, "anchors_wh": [list(pair) for pair in found]}
    if len(boxes_wh):
        record["mean_iou"] = round(mean_best_iou(boxes_wh, np.array(found)), 4)
        record["champions_mean_iou"] = round(mean_best_iou(boxes_wh, np.array(champions)), 4)
    return found, record


def _in_place(anchors: np.ndarray, champions: np.ndarray) -> Pairs:
    """Anchors (9, 2) by rising area; each stride's in the order that is nearest to the champion's."""
    placed: list[np.ndarray] = []
    for new, old in zip(np.split(anchors, len(STRIDES)), np.split(champions, len(STRIDES)), strict=True):
        orders = (new[list(order)] for order in permutations(range(len(new))))
        placed.extend(min(orders, key=lambda order: float(np.abs(np.log(order / old)).sum())))
    return tuple((float(width), float(height)) for width, height in placed)


def with_anchors(state: Mapping[str, Tensor], before: Pairs, after: Pairs) -> dict[str, Tensor]:
    """A detector's state, its heads' biases moved so that it makes the same boxes with other anchors."""
    moved = dict(state)
    shifts = torch.log(torch.tensor(before) / torch.tensor(after)).view(len(STRIDES), -1, 2)
    for scale, shift in enumerate(shifts):
        name = f"heads.{scale}.1.bias"  # of the convolution that ends a head: 3 * (5 + C)
        bias = moved[name].unflatten(0, (len(shift), -1)).clone()
        bias[:, 2:4] += shift.to(bias)
        moved[name] = bias.flatten()
    return moved
