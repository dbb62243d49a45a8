"""Distillation from the champion: learning without forgetting (Li and Hoiem 2016).

The champion's outputs are soft targets wherever the annotations do not contradict them. Where they do (a
garment it missed, a box that was removed, a category that was changed) they are left out, so that the loss
never pulls against a correction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from core.boxes import MATCH_IOU
from core.models.decode import decode_boxes
from core.models.detection import Targets
from core.training.yolo_loss import assign

OBJECT_THRESHOLD = 0.2
"""The objectness from which the champion counts as seeing a garment."""

TEMPERATURE = 2.0


def detector_distillation_loss(
    raw: Sequence[Tensor],
    teacher_raw: Sequence[Tensor],
    anchors_wh: Tensor,
    targets: Targets,
    teacher_wh: Tensor | None = None,
) -> Tensor:
    """The loss between raw maps (B, 3, h, w, 5 + C) and the champion's (B, 3, h, w, 5 + K), K at most C.

    KL divergence of the objectness wherever the annotations do not contradict it; of the classes, with the
    CIoU loss of the boxes, where champion and annotations agree on a garment (its category, IoU above 0.5).
    Summed over cells, and divided by the batch's number of garments. ``teacher_wh`` are the champion's
    anchors where it has others than ``anchors_wh`` (3, 3, 2).
    """
    teacher_wh = anchors_wh if teacher_wh is None else teacher_wh
    grids = [(level.shape[2], level.shape[3]) for level in raw]
    positives = [(a.targets, (a.anchors, a.rows, a.columns)) for a in assign(targets, anchors_wh, grids)]
    total = raw[0].new_zeros((), dtype=torch.float32)
    for scale, (level, teacher) in enumerate(zip(raw, teacher_raw, strict=True)):
        level, teacher = level.float()[..., : teacher.shape[-1]], teacher.float()
        assigned = torch.zeros(level.shape[:-1], dtype=torch.bool, device=level.device)
        found, place = positives[scale]
        assigned[(targets.images[found], *place)] = True
        anchors = (anchors_wh[scale], teacher_wh[scale])
        total = total + _scale(level, teacher, anchors, scale, targets, assigned)
    return total / max(len(targets.classes), raw[0].shape[0])


def _scale(
    level: Tensor,
    teacher: Tensor,
    anchors: tuple[Tensor, Tensor],
    scale: int,
    targets: Targets,
    assigned: Tensor,
) -> Tensor:
    """One scale's sum; ``assigned`` (B, 3, h, w) marks the cells that annotated garments are assigned to.

    ``anchors`` are the scale's own and the champion's, (3, 2) each.
    """
    teacher_boxes = decode_boxes(teacher, anchors[1], scale)  # (B, 3, h, w, 4)
    overlap, category = _annotated(teacher_boxes, targets)
    objectness = teacher[..., 4].sigmoid()
    is_object = objectness > OBJECT_THRESHOLD
    agreed = is_object & (overlap > MATCH_IOU) & (teacher[..., 5:].argmax(dim=-1) == category)
    uncontradicted = ~assigned & (~is_object | (overlap > MATCH_IOU))
    loss = _binary_kl(level[..., 4], teacher[..., 4])[uncontradicted].sum()
    loss = loss + _binary_kl(level[..., 5:], teacher[..., 5:])[agreed].sum()
    boxes = decode_boxes(level, anchors[0], scale)
    return loss + complete_box_iou_loss(boxes[agreed], teacher_boxes[agreed], reduction="sum")


def _binary_kl(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL divergence of Bernoulli distributions given as logits; 0 where both agree."""
    share = teacher_logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(teacher_logits, share, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, share, reduction="none") - entropy


def _annotated(boxes: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """The best IoU with a garment of each box (B, 3, h, w, 4), and that garment's category (-1: none)."""
    overlap = boxes.new_zeros(boxes.shape[:-1])
    category = torch.full(boxes.shape[:-1], -1, dtype=torch.long, device=boxes.device)
    for image in range(len(boxes)):
        mine = targets.images == image
        if bool(mine.any()):
            best, which = box_iou(boxes[image].flatten(0, 2), targets.boxes_xyxy[mine]).max(dim=1)
            overlap[image] = best.view_as(overlap[image])
            category[image] = targets.classes[mine][which].view_as(category[image])
    return overlap, category


def classifier_distillation_loss(
    logits: Tensor, teacher_logits: Tensor, targets: Tensor | None, temperature: float = TEMPERATURE
) -> Tensor:
    """Softened KL divergence (Hinton et al. 2015) of logits (B, C) to the champion's (B, K) over its labels.

    The mean over pictures; those where the champion's first label is not the target count 0. Without
    ``targets`` (B,), for mixup, all count.
    """
    known = teacher_logits.shape[1]
    own = F.log_softmax(logits[:, :known].float() / temperature, dim=1)
    wanted = F.log_softmax(teacher_logits.float() / temperature, dim=1)
    divergence = F.kl_div(own, wanted, reduction="none", log_target=True).sum(dim=1) * temperature**2
    if targets is not None:
        divergence = divergence * (teacher_logits.argmax(dim=1) == targets)
    return divergence.mean()
