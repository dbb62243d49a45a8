"""Boxes to a detector's raw maps: the inverse of what ``core.models.decode`` does."""

from __future__ import annotations

import torch
from torch import Tensor

from core.anchors import STRIDES
from core.models.decode import GRID_SCALES


def encode_boxes(boxes_xyxy: Tensor, anchors_wh: Tensor, cells_xy: Tensor, scale: int) -> Tensor:
    """The inverse of ``decode_boxes`` for boxes (N, 4) at given cells (N, 2) and anchors (N, 2): (N, 4).

    A center outside what the cell can reach is clamped to just inside it.
    """
    stride, grid_scale = STRIDES[scale], GRID_SCALES[scale]
    center = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    fraction = (center / stride - cells_xy + (grid_scale - 1) / 2) / grid_scale
    return torch.cat((torch.logit(fraction, eps=1e-6), torch.log(size / anchors_wh)), dim=1)
