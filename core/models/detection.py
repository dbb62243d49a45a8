"""What all detectors have in common: the interface, targets, partly labeled photos, and the light backbone.

A detector is a module with three methods (:class:`DetectionNetwork`). Its losses leave out what a dataset
does not label. The presets below ``full`` of the papers' other detectors have YOLOv4's backbone of that size,
so that detectors are compared on backbones of one cost and one pretraining.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from core.errors import RecipeError
from core.models.yolov4 import PRESETS, Backbone, Preset

UNLABELED_SCORE = 0.3
"""The score from which a prediction of an unlabeled category may be right: it isn't taught to be none."""

SMALLEST_TARGET = 1.0
"""Pixels: boxes that are narrower or lower are no targets of offsets, which are logarithms of sizes."""

STRIDES_A_BOX = 2.5
"""The smallest default box of a level, in strides, in the light presets: 20 px at stride 8."""


@dataclass(frozen=True)
class Targets:
    """A batch's garments: image index (N,), class id (N,), boxes xyxy (N, 4) in pixels of the input.

    ``labeled`` (B, C) bool says which categories each picture's dataset labels; None: all.
    """

    images: Tensor
    classes: Tensor
    boxes_xyxy: Tensor
    labeled: Tensor | None = None

    def to(self, device: torch.device) -> Targets:
        labeled = None if self.labeled is None else self.labeled.to(device)
        return Targets(self.images.to(device), self.classes.to(device), self.boxes_xyxy.to(device), labeled)


class DetectionNetwork(Protocol):
    """What a detector is to trainer and engine; ``encode`` is what losses and candidates share.

    - ``encode``: pictures (B, 3, H, W) in 0..1, H and W multiples of 32, to whatever the others take.
    - ``losses``: the loss terms of the pictures with :class:`Targets`, and their weighted sum as ``loss``.
    - ``candidates``: boxes (B, N, 4) xyxy in pixels of the input and their class scores (B, N, C) in 0..1,
      before NMS; in evaluation mode.
    """

    def encode(self, pictures: Tensor) -> Any: ...

    def losses(self, encoded: Any, targets: Targets) -> dict[str, Tensor]: ...

    def candidates(self, encoded: Any) -> tuple[Tensor, Tensor]: ...


def with_sum(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """The terms and their sum as ``loss``."""
    return losses | {"loss": torch.stack(list(losses.values())).sum()}


def by_picture(targets: Targets, pictures: int, classes: int) -> list[dict[str, Tensor]]:
    """Targets as torchvision's detectors have them: ``boxes`` (N, 4), ``labels`` (N,) from 1, a dict each.

    ``labeled`` (C,) bool is beside them. Boxes below a pixel are left out.
    """
    sides = targets.boxes_xyxy[:, 2:] - targets.boxes_xyxy[:, :2]
    large = (sides >= SMALLEST_TARGET).all(dim=1)
    labeled = targets.labeled
    if labeled is None:
        labeled = torch.ones(pictures, classes, dtype=torch.bool, device=targets.boxes_xyxy.device)
    found = []
    for index in range(pictures):
        mine = (targets.images == index) & large
        found.append(
            {
                "boxes": targets.boxes_xyxy[mine],
                "labels": targets.classes[mine] + 1,
                "labeled": labeled[index],
            }
        )
    return found


def category_loss(logits: Tensor, labels: Tensor, labeled: Tensor) -> Tensor:
    """Cross-entropy (N,) of logits (N, 1 + C), background first, with labels (N,) from 0.

    Where the picture's dataset does not label a category (``labeled`` (N, C) is False), background means
    "background or such a category", and a garment of such a category "any of them": what may be right is not
    taught to be wrong (as the background of Cermelli et al. 2020, "Modeling the Background").
    """
    unlabeled = torch.cat((torch.zeros_like(labeled[:, :1]), ~labeled), dim=1)  # (N, 1 + C)
    own = torch.zeros_like(unlabeled).scatter(1, labels[:, None], True)
    either = (labels == 0) | unlabeled.gather(1, labels[:, None])[:, 0]
    right = own | (unlabeled & either[:, None])
    return logits.logsumexp(dim=1) - logits.masked_fill(~right, float("-inf")).logsumexp(dim=1)


def padded(boxes: Sequence[Tensor], scores: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Each picture's boxes (N, 4) and scores (N, C) as one batch, filled up with scores of 0."""
    return pad_sequence(list(boxes), batch_first=True), pad_sequence(list(scores), batch_first=True)


def preset_named(name: str) -> Preset:
    """Width and depth multipliers of a size. Raises RecipeError with the names there are."""
    if name not in PRESETS:
        raise RecipeError(f"expected a preset of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]


def backbone_body(model: nn.Module) -> nn.Module:
    """The part of a detector that a pretrained backbone's file fits, without pyramid or extra layers."""
    backbone: Any = model.backbone
    trunk: nn.Module = getattr(backbone, "body", backbone)
    return trunk


class LightPyramid(nn.Module):
    """YOLOv4's backbone of a size, and a feature pyramid (Lin et al. 2017) on its strides 8, 16, 32.

    (B, 3, H, W) to a dict of maps of ``out_channels``, and those that ``coarser`` adds.
    """

    def __init__(self, preset: Preset, coarser: Callable[[int], ExtraFPNBlock]) -> None:
        super().__init__()
        self.out_channels = preset.channels(256)
        self.body = Backbone(preset, ghost=False)
        own = list(self.body.out_channels)
        self.fpn = FeaturePyramidNetwork(
            own, self.out_channels, coarser(self.out_channels), norm_layer=nn.BatchNorm2d
        )

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        maps = OrderedDict(zip("012", self.body(pictures), strict=True))
        found: dict[str, Tensor] = self.fpn(maps)
        return found
