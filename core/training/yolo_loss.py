"""YOLOv4's loss: CIoU on boxes, binary cross-entropy on objectness and classes, several anchors a garment.

Everything is computed on tensors of fixed shape, targets padded to the fullest picture's count: no loop over
pictures, and nothing that makes a GPU wait for the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import complete_box_iou_loss

from core.anchors import STRIDES
from core.models.decode import decode_boxes
from core.models.detection import UNLABELED_SCORE, Targets

ASSIGN_IOU = 0.213
IGNORE_IOU = 0.7
UNLABELED_IOU = 0.5
"""Above this IoU with a garment a confident box counts, whatever the photo's dataset does not box."""


@dataclass(frozen=True)
class PaddedTargets:
    """A batch's garments by picture: class ids (B, M), boxes xyxy (B, M, 4) in pixels of the input, and which
    of the M places hold one (B, M). Boxes of empty places have an area above 0.
    """

    classes: Tensor
    boxes_xyxy: Tensor
    valid: Tensor

    @classmethod
    def of(cls, targets: Targets, pictures: int) -> PaddedTargets:
        """The garments of ``pictures`` pictures, padded to the fullest picture's count."""
        counts = torch.bincount(targets.images, minlength=pictures)
        places = max(int(counts.max()), 1) if pictures else 1
        order = targets.images.argsort(stable=True)
        rows = targets.images[order]
        columns = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        valid = torch.zeros(pictures, places, dtype=torch.bool, device=rows.device)
        classes = torch.zeros(pictures, places, dtype=torch.long, device=rows.device)
        boxes = targets.boxes_xyxy.new_tensor((0.0, 0.0, 1.0, 1.0)).repeat(pictures, places, 1)
        valid[rows, columns], classes[rows, columns] = True, targets.classes[order]
        boxes[rows, columns] = targets.boxes_xyxy[order]
        return cls(classes, boxes, valid)


@dataclass(frozen=True)
class LabeledCategories:
    """What a picture's dataset labels, for sets that label only some categories.

    ``known`` (B, C): the class terms that are taken of its garments. ``complete`` (B, C): categories of which
    every garment is boxed; where the detector sees one of another category with a score above
    ``ignore_score`` (B,), and not in a labeled garment's place, the objectness loss is left out.
    """

    known: Tensor
    complete: Tensor
    ignore_score: Tensor

    @classmethod
    def of(cls, labeled: Tensor, ignore_score: float = UNLABELED_SCORE) -> LabeledCategories:
        """One mask (B, C) of the labeled categories for both."""
        return cls(labeled, labeled, torch.full((len(labeled),), ignore_score, device=labeled.device))


@dataclass(frozen=True)
class Assignment:
    """One scale's positives: which target, anchor and cell (row, column) answer for each other."""

    targets: Tensor
    anchors: Tensor
    rows: Tensor
    columns: Tensor


def size_iou(sizes_a: Tensor, sizes_b: Tensor) -> Tensor:
    """IoU of boxes that share a corner: (..., N, 2) and (M, 2) to (..., N, M)."""
    inter = torch.minimum(sizes_a[..., None, :], sizes_b).prod(dim=-1)
    return inter / (sizes_a.prod(dim=-1)[..., None] + sizes_b.prod(dim=-1) - inter)


def chosen_anchors(boxes_xyxy: Tensor, anchors_wh: Tensor) -> Tensor:
    """The best of nine anchors of each box (..., 4), and any other whose IoU by size is above 0.213.

    (..., 9); 0.213 is YOLOv4's iou_thresh.
    """
    overlap = size_iou(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], anchors_wh.flatten(0, 1))
    best = F.one_hot(overlap.argmax(dim=-1), overlap.shape[-1]).bool()
    return (overlap > ASSIGN_IOU) | best


def cells_of(boxes_xyxy: Tensor, scale: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Row and column of the cell that a box's center lies in, the nearest one for centers outside."""
    cell = ((boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2 / STRIDES[scale]).long()
    return cell[..., 1].clamp(0, grid[0] - 1), cell[..., 0].clamp(0, grid[1] - 1)


def assign(targets: Targets, anchors_wh: Tensor, grids: Sequence[tuple[int, int]]) -> list[Assignment]:
    """Which anchors and cells answer for which garment, one assignment a scale.

    ``anchors_wh`` is (3, 3, 2), ``grids`` each scale's (rows, columns).
    """
    chosen = chosen_anchors(targets.boxes_xyxy, anchors_wh)  # (N, 9)
    found = []
    for scale, grid in enumerate(grids):
        target, anchor = chosen[:, 3 * scale : 3 * scale + 3].nonzero(as_tuple=True)
        row, column = cells_of(targets.boxes_xyxy[target], scale, grid)
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

    def __call__(
        self,
        raw: Sequence[Tensor],
        anchors_wh: Tensor,
        targets: Targets | PaddedTargets,
        labeled: LabeledCategories | None = None,
    ) -> dict[str, Tensor]:
        """Raw maps, anchors (3, 3, 2) and garments to ``box``, ``class``, ``objectness`` and ``loss``.

        Each is summed over what it covers and divided by the batch's positives, at least one a picture.
        ``labeled`` is by default what the targets say; without either all categories are labeled.
        """
        raw = [level.float() for level in raw]
        pictures = raw[0].shape[0]
        if labeled is None and isinstance(targets, Targets) and targets.labeled is not None:
            labeled = LabeledCategories.of(targets.labeled)
        padded = targets if isinstance(targets, PaddedTargets) else PaddedTargets.of(targets, pictures)
        chosen = chosen_anchors(padded.boxes_xyxy, anchors_wh) & padded.valid[..., None]  # (B, M, 9)
        positives = chosen.sum().clamp(min=pictures)
        totals = {name: raw[0].new_zeros(()) for name in ("box", "class", "objectness")}
        for scale, level in enumerate(raw):
            mine = chosen[..., 3 * scale : 3 * scale + 3]
            for name, value in self._scale(level, anchors_wh[scale], scale, mine, padded, labeled).items():
                totals[name] = totals[name] + value / positives
        weights = {"box": self.box_weight, "class": self.class_weight, "objectness": self.objectness_weight}
        loss = sum((totals[name] * weight for name, weight in weights.items()), raw[0].new_zeros(()))
        return totals | {"loss": loss}

    def _scale(
        self,
        level: Tensor,
        anchors_wh: Tensor,
        scale: int,
        chosen: Tensor,
        targets: PaddedTargets,
        labeled: LabeledCategories | None,
    ) -> dict[str, Tensor]:
        """One scale's sums; ``chosen`` (B, M, 3) says which of its anchors answer for which garment."""
        boxes = decode_boxes(level, anchors_wh, scale)  # (B, 3, h, w, 4)
        place = _places(chosen, targets.boxes_xyxy, scale, (level.shape[2], level.shape[3]))  # (B, M, 3)
        predicted = boxes.reshape(-1, 4)[place]
        wanted = targets.boxes_xyxy[:, :, None].expand_as(predicted)
        box_losses = complete_box_iou_loss(predicted, wanted) * chosen  # (B, M, 3)
        objectness, weight = self._objectness_targets(
            level.detach(), boxes.detach(), targets, chosen, place, box_losses.detach(), labeled
        )
        objectness_loss = F.binary_cross_entropy_with_logits(
            level[..., 4], objectness, weight=weight, reduction="sum"
        )
        logits = level[..., 5:].reshape(-1, level.shape[-1] - 5)[place]  # (B, M, 3, C)
        return {
            "box": box_losses.sum(),
            "class": self._class_loss(logits, chosen, targets, labeled),
            "objectness": objectness_loss,
        }

    def _class_loss(
        self, logits: Tensor, chosen: Tensor, targets: PaddedTargets, labeled: LabeledCategories | None
    ) -> Tensor:
        wanted = F.one_hot(targets.classes, logits.shape[-1]).float()  # (B, M, C)
        wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / logits.shape[-1]
        weight = chosen[..., None].to(logits.dtype)
        if labeled is not None:
            weight = weight * labeled.known[:, None, None]
        return F.binary_cross_entropy_with_logits(
            logits, wanted[:, :, None].expand_as(logits), weight=weight.expand_as(logits), reduction="sum"
        )

    def _objectness_targets(
        self,
        level: Tensor,
        boxes: Tensor,
        targets: PaddedTargets,
        chosen: Tensor,
        place: Tensor,
        box_losses: Tensor,
        labeled: LabeledCategories | None,
    ) -> tuple[Tensor, Tensor]:
        """Targets and weights (B, 3, h, w); a box that overlaps a garment above 0.7 unassigned is ignored."""
        best = best_iou(boxes.flatten(1, 3), targets).view(boxes.shape[:-1])
        counted = best <= IGNORE_IOU
        if labeled is not None:
            counted &= ~_maybe_unlabeled(level, best, labeled)
        value = chosen.to(boxes.dtype)
        assigned = torch.zeros_like(best).view(-1).scatter_reduce(0, place.view(-1), value.view(-1), "amax")
        if self.objectness_target == "iou":
            value = value * (1 - box_losses).clamp(0, 1)
        # Two garments in one place: the larger target stays.
        objectness = torch.zeros_like(best).view(-1).scatter_reduce(0, place.view(-1), value.view(-1), "amax")
        return objectness.view_as(best), torch.maximum(counted.to(best.dtype), assigned.view_as(best))


def _places(chosen: Tensor, boxes_xyxy: Tensor, scale: int, grid: tuple[int, int]) -> Tensor:
    """Flat index into (B, 3, h, w) of each garment's cell under each anchor: (B, M, 3)."""
    row, column = cells_of(boxes_xyxy, scale, grid)
    picture = torch.arange(chosen.shape[0], device=chosen.device)[:, None, None]
    anchor = torch.arange(chosen.shape[2], device=chosen.device)
    return ((picture * chosen.shape[2] + anchor) * grid[0] + row[..., None]) * grid[1] + column[..., None]


def best_iou(boxes_xyxy: Tensor, targets: PaddedTargets) -> Tensor:
    """Each box's (B, N, 4) largest IoU with a garment of its picture (B, N); 0 where there is none."""
    left_top = torch.maximum(boxes_xyxy[:, :, None, :2], targets.boxes_xyxy[:, None, :, :2])
    right_bottom = torch.minimum(boxes_xyxy[:, :, None, 2:], targets.boxes_xyxy[:, None, :, 2:])
    inter = (right_bottom - left_top).clamp(min=0).prod(dim=-1)  # (B, N, M)
    areas, theirs = (
        (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) for boxes in (boxes_xyxy, targets.boxes_xyxy)
    )
    overlap = inter / (areas[:, :, None] + theirs[:, None] - inter)
    return overlap.masked_fill(~targets.valid[:, None], 0.0).amax(dim=-1)


def _maybe_unlabeled(level: Tensor, best: Tensor, labeled: LabeledCategories) -> Tensor:
    """Where a garment of a category may be that the picture's dataset does not box (B, 3, h, w)."""
    likeliest, category = level[..., 5:].max(dim=-1)
    score = level[..., 4].sigmoid() * likeliest.sigmoid()
    pictures = torch.arange(len(level), device=level.device)[:, None, None, None]
    unboxed = ~labeled.complete[pictures, category]
    return unboxed & (score > labeled.ignore_score[:, None, None, None]) & (best < UNLABELED_IOU)
