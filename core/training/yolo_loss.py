"""YOLOv4's loss: CIoU on boxes, binary cross-entropy on objectness and classes, several anchors a garment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from core.models.decode import decode_boxes
from core.models.yolov4 import STRIDES

ASSIGN_IOU = 0.213
IGNORE_IOU = 0.7


@dataclass(frozen=True)
class Targets:
    """A batch's garments: image index (N,), class id (N,), boxes xyxy (N, 4) in pixels of the input."""

    images: Tensor
    classes: Tensor
    boxes_xyxy: Tensor

    def to(self, device: torch.device) -> Targets:
        return Targets(self.images.to(device), self.classes.to(device), self.boxes_xyxy.to(device))


@dataclass(frozen=True)
class Assignment:
    """One scale's positives: which target, anchor and cell (row, column) answer for each other."""

    targets: Tensor
    anchors: Tensor
    rows: Tensor
    columns: Tensor


def size_iou(sizes_a: Tensor, sizes_b: Tensor) -> Tensor:
    """IoU of boxes that share a corner: (N, 2) and (M, 2) to (N, M)."""
    inter = torch.minimum(sizes_a[:, None], sizes_b[None]).prod(dim=2)
    return inter / (sizes_a.prod(dim=1)[:, None] + sizes_b.prod(dim=1)[None] - inter)


def assign(targets: Targets, anchors_wh: Tensor, grids: Sequence[tuple[int, int]]) -> list[Assignment]:
    """The best anchor of each garment, and any other whose IoU by size is above 0.213 (YOLOv4's iou_thresh).

    ``anchors_wh`` is (3, 3, 2), ``grids`` each scale's (rows, columns). One assignment a scale.
    """
    sizes = targets.boxes_xyxy[:, 2:] - targets.boxes_xyxy[:, :2]
    overlap = size_iou(sizes, anchors_wh.flatten(0, 1))  # (N, 9)
    chosen = overlap > ASSIGN_IOU
    if len(overlap):
        chosen |= F.one_hot(overlap.argmax(dim=1), overlap.shape[1]).bool()
    centres = (targets.boxes_xyxy[:, :2] + targets.boxes_xyxy[:, 2:]) / 2
    found = []
    for scale, (rows, columns) in enumerate(grids):
        target, anchor = chosen[:, 3 * scale : 3 * scale + 3].nonzero(as_tuple=True)
        cell = (centres[target] / STRIDES[scale]).long()
        row, column = cell[:, 1].clamp(0, rows - 1), cell[:, 0].clamp(0, columns - 1)
        found.append(Assignment(target, anchor, row, column))
    return found


@dataclass(frozen=True)
class YoloLoss:
    """The loss with its weights; ``objectness_target`` "one" is Darknet's, "iou" the box's CIoU from 0 on."""

    box_weight: float = 0.07
    class_weight: float = 1.0
    objectness_weight: float = 1.0
    objectness_target: str = "one"
    label_smoothing: float = 0.0

    def __call__(self, raw: Sequence[Tensor], anchors_wh: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Raw maps, anchors (3, 3, 2) and garments to ``box``, ``class``, ``objectness`` and ``loss``.

        Each is summed over what it covers and divided by the batch's positives, at least one a picture.
        """
        raw = [level.float() for level in raw]
        assigned = assign(targets, anchors_wh, [(level.shape[2], level.shape[3]) for level in raw])
        positives = max(sum(len(a.targets) for a in assigned), raw[0].shape[0])
        totals = {name: raw[0].new_zeros(()) for name in ("box", "class", "objectness")}
        for scale, (level, assignment) in enumerate(zip(raw, assigned, strict=True)):
            for name, value in self._scale(level, anchors_wh[scale], scale, assignment, targets).items():
                totals[name] = totals[name] + value / positives
        weights = {"box": self.box_weight, "class": self.class_weight, "objectness": self.objectness_weight}
        loss = sum((totals[name] * weight for name, weight in weights.items()), raw[0].new_zeros(()))
        return totals | {"loss": loss}

    def _scale(
        self, level: Tensor, anchors_wh: Tensor, scale: int, assignment: Assignment, targets: Targets
    ) -> dict[str, Tensor]:
        boxes = decode_boxes(level, anchors_wh, scale)  # (B, 3, h, w, 4)
        place = (targets.images[assignment.targets], assignment.anchors, assignment.rows, assignment.columns)
        predicted, wanted = boxes[place], targets.boxes_xyxy[assignment.targets]
        box_losses = complete_box_iou_loss(predicted, wanted)  # (P,)
        objectness, weight = self._objectness_targets(boxes.detach(), targets, place, box_losses.detach())
        objectness_loss = F.binary_cross_entropy_with_logits(
            level[..., 4], objectness, weight=weight, reduction="sum"
        )
        return {
            "box": box_losses.sum(),
            "class": self._class_loss(level, assignment, targets, place),
            "objectness": objectness_loss,
        }

    def _class_loss(
        self, level: Tensor, assignment: Assignment, targets: Targets, place: tuple[Tensor, ...]
    ) -> Tensor:
        logits = level[place][:, 5:]  # (P, C)
        wanted = F.one_hot(targets.classes[assignment.targets], logits.shape[1]).float()
        wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / logits.shape[1]
        return F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")

    def _objectness_targets(
        self, boxes: Tensor, targets: Targets, place: tuple[Tensor, ...], box_losses: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Targets and weights (B, 3, h, w); a box that overlaps a garment above 0.7 unassigned is ignored."""
        objectness = boxes.new_zeros(boxes.shape[:-1])
        weight = torch.ones_like(objectness)
        for image in range(len(boxes)):
            mine = targets.boxes_xyxy[targets.images == image]
            if len(mine):
                best = box_iou(boxes[image].flatten(0, 2), mine).amax(dim=1)
                weight[image] = (best <= IGNORE_IOU).float().view_as(weight[image])
        value = torch.ones_like(box_losses)
        if self.objectness_target == "iou":
            value = (1 - box_losses).clamp(0, 1)
        # Two garments in one place: the larger target stays.
        flat = objectness.view(-1)
        index = _flat_index(place, objectness.shape)
        flat.scatter_reduce_(0, index, value, reduce="amax")
        weight.view(-1)[index] = 1.0
        return objectness, weight


def _flat_index(place: tuple[Tensor, ...], shape: torch.Size) -> Tensor:
    index = place[0]
    for position, size in zip(place[1:], shape[1:], strict=True):
        index = index * size + position
    return index
