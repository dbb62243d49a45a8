"""YOLOv4's raw maps to boxes and back, and non-maximum suppression.

b_xy = stride * (s * sigmoid(t_xy) - (s - 1) / 2 + cell), b_wh = anchor * exp(t_wh), s = 1.2, 1.1, 1.05 at
strides 8, 16, 32 (YOLOv4's scale_x_y).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from core.models.yolov4 import STRIDES

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
    centre = (raw[..., :2].sigmoid() * grid_scale - (grid_scale - 1) / 2 + cells) * stride
    size = anchors_wh[:, None, None, :] * raw[..., 2:4].clamp(-MAX_LOG_SIZE, MAX_LOG_SIZE).exp()
    return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


def encode_boxes(boxes_xyxy: Tensor, anchors_wh: Tensor, cells_xy: Tensor, scale: int) -> Tensor:
    """The inverse of :func:`decode_boxes` for boxes (N, 4) at given cells (N, 2) and anchors (N, 2): (N, 4).

    A centre outside what the cell can reach is clamped to just inside it.
    """
    stride, grid_scale = STRIDES[scale], GRID_SCALES[scale]
    centre = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    fraction = (centre / stride - cells_xy + (grid_scale - 1) / 2) / grid_scale
    return torch.cat((torch.logit(fraction, eps=1e-6), torch.log(size / anchors_wh)), dim=1)


class Kept(NamedTuple):
    """One photo's boxes (N, 4) xyxy, scores (N,) in 0..1 and category ids (N,), best first."""

    boxes_xyxy: Tensor
    scores: Tensor
    category_ids: Tensor


def decode(raw: Sequence[Tensor], anchors_wh: Tensor) -> tuple[Tensor, Tensor]:
    """All scales to boxes (B, N, 4) in input pixels and class scores (B, N, C), objectness times class."""
    boxes, scores = [], []
    for scale, level in enumerate(raw):
        level = level.float()
        boxes.append(decode_boxes(level, anchors_wh[scale], scale).flatten(1, 3))
        scores.append((level[..., 4:5].sigmoid() * level[..., 5:].sigmoid()).flatten(1, 3))
    return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)


def suppress(
    boxes_xyxy: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float = 0.5,
    limit: int = 100,
) -> Kept:
    """Non-maximum suppression of one photo's candidates (N, 4) with class scores (N, C), to ``limit`` boxes.

    Suppression is by category and from the best score down, so raising the score threshold afterwards gives
    the same boxes as a new run with that threshold.
    """
    candidate, category = (scores > score_threshold).nonzero(as_tuple=True)
    kept_scores, kept_boxes = scores[candidate, category], boxes_xyxy[candidate]
    if len(kept_scores) > 3000:  # a flood of candidates says nothing more than its best
        top = kept_scores.topk(3000).indices
        kept_scores, kept_boxes, category = kept_scores[top], kept_boxes[top], category[top]
    keep = batched_nms(kept_boxes, kept_scores, category, iou_threshold)[:limit]
    return Kept(kept_boxes[keep], kept_scores[keep], category[keep])


def discount_doubles(kept: Kept, *, overlap: float = 0.8, weight: float = 0.5) -> Kept:
    """Halve the score of a box whose place a better box of another category holds already (IoU above 0.8).

    A jacket is otherwise shown as a top as well. On the street's training photos two of 3,300 boxes share a
    place like that; dropping the second guess outright would cost the photos where it is the right one. Takes
    boxes best first and gives them best first.
    """
    if not len(kept.scores):
        return kept
    better = torch.ones(len(kept.scores), len(kept.scores)).tril(-1).bool()  # (box, better box)
    other = kept.category_ids[:, None] != kept.category_ids[None]
    doubled = ((box_iou(kept.boxes_xyxy, kept.boxes_xyxy) > overlap) & other & better).any(dim=1)
    scores = torch.where(doubled, kept.scores * weight, kept.scores)
    order = scores.argsort(descending=True, stable=True)
    return Kept(kept.boxes_xyxy[order], scores[order], kept.category_ids[order])
