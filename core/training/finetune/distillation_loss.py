"""Learning without forgetting: the champion's answers as soft targets (Li and Hoiem 2016) where it may speak.

People's annotations come first. Where they contradict the champion (a garment it missed, a box they removed,
a category they changed) its answer is left out, so the guard never pulls against a correction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from core.models.decode import decode_boxes
from core.training.yolo_loss import Targets, assign

CLAIM = 0.2
"""The objectness from which the champion claims that there is a garment."""

SAME_PLACE_IOU = 0.5
TEMPERATURE = 2.0


def detector_guard(
    raw: Sequence[Tensor], taught: Sequence[Tensor], anchors_wh: Tensor, targets: Targets
) -> Tensor:
    """How far raw maps (B, 3, h, w, 5 + C) are from the champion's (B, 3, h, w, 5 + K), K at most C.

    Objectness wherever the annotations do not contradict; classes and boxes where champion and annotations
    see a garment of the same category in the same place. Summed, and divided by the batch's garments.
    """
    grids = [(level.shape[2], level.shape[3]) for level in raw]
    positives = [(a.targets, (a.anchors, a.rows, a.columns)) for a in assign(targets, anchors_wh, grids)]
    total = raw[0].new_zeros((), dtype=torch.float32)
    for scale, (level, teacher) in enumerate(zip(raw, taught, strict=True)):
        level, teacher = level.float()[..., : teacher.shape[-1]], teacher.float()
        answered = torch.zeros(level.shape[:-1], dtype=torch.bool, device=level.device)
        found, place = positives[scale]
        answered[(targets.images[found], *place)] = True
        total = total + _scale(level, teacher, anchors_wh[scale], scale, targets, answered)
    return total / max(len(targets.classes), raw[0].shape[0])


def _scale(
    level: Tensor, teacher: Tensor, anchors_wh: Tensor, scale: int, targets: Targets, answered: Tensor
) -> Tensor:
    """One scale's sum; ``answered`` (B, 3, h, w) are the cells that answer for a garment themselves."""
    wanted_boxes = decode_boxes(teacher, anchors_wh, scale)  # (B, 3, h, w, 4)
    overlap, category = _annotated(wanted_boxes, targets)
    objectness = teacher[..., 4].sigmoid()
    claimed = objectness > CLAIM
    agreed = claimed & (overlap > SAME_PLACE_IOU) & (teacher[..., 5:].argmax(dim=-1) == category)
    heard = ~answered & (~claimed | (overlap > SAME_PLACE_IOU))
    loss = _divergence(level[..., 4], teacher[..., 4])[heard].sum()
    loss = loss + _divergence(level[..., 5:], teacher[..., 5:])[agreed].sum()
    boxes = decode_boxes(level, anchors_wh, scale)
    return loss + complete_box_iou_loss(boxes[agreed], wanted_boxes[agreed], reduction="sum")


def _divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """The KL divergence of yes-or-no answers: 0 where both give the same."""
    share = wanted.sigmoid()
    own = F.binary_cross_entropy_with_logits(wanted, share, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, share, reduction="none") - own


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


def classifier_guard(
    logits: Tensor, taught: Tensor, targets: Tensor | None, temperature: float = TEMPERATURE
) -> Tensor:
    """How far logits (B, C) are from the champion's (B, K) over its labels, where it is right.

    The KL divergence of softened answers (Hinton et al. 2015), a picture's mean. Without ``targets`` (B,),
    for mixed pictures, it is heard of all.
    """
    known = taught.shape[1]
    own = F.log_softmax(logits[:, :known].float() / temperature, dim=1)
    wanted = F.log_softmax(taught.float() / temperature, dim=1)
    divergence = F.kl_div(own, wanted, reduction="none", log_target=True).sum(dim=1) * temperature**2
    if targets is not None:
        divergence = divergence * (taught.argmax(dim=1) == targets)
    return divergence.mean()
