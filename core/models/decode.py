"""YOLOv4's raw maps to boxes and back, non-maximum suppression (NMS) and cross-class suppression.

b_xy = stride * (s * sigmoid(t_xy) - (s - 1) / 2 + cell), b_wh = anchor * exp(t_wh), s = 1.2, 1.1, 1.05 at
strides 8, 16, 32 (YOLOv4's scale_x_y).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from core.boxes import Detections, box_iou
from core.models.yolov4 import STRIDES

NMS_IOU_THRESHOLD = 0.5
"""Two boxes of one category with a greater IoU are one garment: the worse is dropped."""

CROSS_CLASS_IOU_THRESHOLD = 0.8
CROSS_CLASS_SCORE_FACTOR = 0.5
"""Two boxes of different categories with a greater IoU are one garment: the worse one's score is halved."""

MAX_DETECTIONS = 100
MAX_NMS_CANDIDATES = 3000
"""More candidates than that come from a detector that has learned nothing; the best of them are enough."""

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


def calibrated(scores: Tensor, slope: float, intercept: float) -> Tensor:
    """Platt scaling, elementwise: sigmoid(slope * logit(score) + intercept); 1 and 0 change nothing.

    Fitted on held-back photos so that of the boxes with a score of 0.8 four in five are right.
    """
    if slope == 1.0 and intercept == 0.0:
        return scores
    return torch.sigmoid(slope * torch.logit(scores, eps=1e-6) + intercept)


def nms_indices(
    boxes_xyxy: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float = NMS_IOU_THRESHOLD,
    limit: int = MAX_DETECTIONS,
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression of one photo's candidates (N, 4) with class scores (N, C).

    Gives the candidates (K,) and the category (K,) that each stays with, best first, K at most ``limit``.
    Suppression is within a category and from the best score down, so raising the score threshold afterwards
    gives the same boxes as a new run with that threshold.
    """
    candidates, categories = (scores > score_threshold).nonzero(as_tuple=True)
    class_scores = scores[candidates, categories]
    if len(class_scores) > MAX_NMS_CANDIDATES:
        top = class_scores.topk(MAX_NMS_CANDIDATES).indices
        class_scores, candidates, categories = class_scores[top], candidates[top], categories[top]
    kept = batched_nms(boxes_xyxy[candidates], class_scores, categories, iou_threshold)[:limit]
    return candidates[kept], categories[kept]


def nms(
    boxes_xyxy: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float = NMS_IOU_THRESHOLD,
    limit: int = MAX_DETECTIONS,
) -> Detections:
    """The same as detections, best first."""
    rows, categories = nms_indices(
        boxes_xyxy, scores, score_threshold=score_threshold, iou_threshold=iou_threshold, limit=limit
    )
    found = (boxes_xyxy[rows], scores[rows, categories], categories)
    return Detections(*(part.cpu().numpy() for part in found))


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
