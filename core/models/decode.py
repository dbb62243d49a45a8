"""YOLOv4's raw maps to boxes with class scores; :mod:`core.models.nms` chooses among them.

b_xy = stride * (s * sigmoid(t_xy) - (s - 1) / 2 + cell), b_wh = anchor * exp(t_wh), s = 1.2, 1.1, 1.05 at
strides 8, 16, 32 (YOLOv4's scale_x_y).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.anchors import STRIDES

GRID_SCALES = (1.2, 1.1, 1.05)
MAX_LOG_SIZE = 6.0  # a side is an anchor's 1/403 to 403 times: a side of 0 has an aspect ratio of no gradient


def grid_cells(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Upper left corners of the cells as (height, width, 2) of x, y in cells."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    return torch.stack((x, y), dim=-1).float()


def decode_boxes(raw: Tensor, anchors_wh: Tensor, scale: int) -> Tensor:
    """One scale's raw maps (B, 3, h, w, >=4) to boxes xyxy (B, 3, h, w, 4) in pixels of the input."""
    stride, grid_scale = STRIDES[scale], GRID_SCALES[scale]
    cells = grid_cells(raw.shape[2], raw.shape[3], raw.device)
    center = (raw[..., :2].sigmoid() * grid_scale - (grid_scale - 1) / 2 + cells) * stride
    size = anchors_wh[:, None, None, :] * raw[..., 2:4].clamp(-MAX_LOG_SIZE, MAX_LOG_SIZE).exp()
    return torch.cat((center - size / 2, center + size / 2), dim=-1)


def decode(raw: Sequence[Tensor], anchors_wh: Tensor) -> tuple[Tensor, Tensor]:
    """All scales to boxes (B, N, 4) in input pixels and class scores (B, N, C), objectness times class."""
    boxes, scores = [], []
    for scale, level in enumerate(raw):
        level = level.float()
        boxes.append(decode_boxes(level, anchors_wh[scale], scale).flatten(1, 3))
        scores.append((level[..., 4:5].sigmoid() * level[..., 5:].sigmoid()).flatten(1, 3))
    return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
