"""SSD (Liu et al. 2016): torchvision's SSD300 on VGG-16, and light sizes on YOLOv4's backbone.

The full one warps its input to 300 x 300, as the authors do. The light ones take the canvas as it is: maps at
strides 8 to 128, each cell with six default boxes of sizes in pixels, so that a portrait canvas has the
default boxes of a landscape one. Loss and hard negative mining are the authors'.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.ops import box_iou, clip_boxes_to_image

from core.models.blocks import ConvBlock
from core.models.detection import (
    STRIDES_A_BOX,
    Targets,
    by_picture,
    category_loss,
    padded,
    preset_named,
    with_sum,
)
from core.models.yolov4 import Backbone, Preset

BACKGROUND = 1
SIDE = 300
LIGHT_STRIDES = (8, 16, 32, 64, 128)
RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
"""Width by height of a cell's default boxes; a sixth one is a square, larger."""


@dataclass(frozen=True)
class SSDOutputs:
    """Offsets (B, N, 4) and logits (B, N, 1 + C) of default boxes (N, 4), which are in pixels of the map's
    own canvas; ``scale_xy`` (2,) makes them pixels of the input.
    """

    offsets: Tensor
    logits: Tensor
    default_boxes: Tensor
    canvas_hw: tuple[int, int]
    scale_xy: Tensor


class TrainableSSD(SSD):  # type: ignore[misc]  # torchvision has no types
    """torchvision's SSD as a :class:`core.models.detection.DetectionNetwork`; ``warps`` to its fixed size."""

    warps = True

    def encode(self, pictures: Tensor) -> SSDOutputs:
        given_hw = pictures.shape[2:]
        inputs = self.transform.normalize(pictures)
        if self.warps:
            inputs = F.interpolate(inputs, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        height, width = inputs.shape[2:]
        maps = list(self.backbone(inputs).values())
        raw = self.head(maps)
        boxes = self.anchor_generator(ImageList(inputs, [(height, width)] * len(inputs)), maps)[0]
        scale_xy = boxes.new_tensor((given_hw[1] / width, given_hw[0] / height))
        offsets, logits = raw["bbox_regression"].float(), raw["cls_logits"].float()
        return SSDOutputs(offsets, logits, boxes, (height, width), scale_xy)

    def losses(self, encoded: SSDOutputs, targets: Targets) -> dict[str, Tensor]:
        """``box`` and ``class``, each over the matched default boxes' number."""
        logits, boxes = encoded.logits, encoded.default_boxes
        pictures = by_picture(targets, len(logits), logits.shape[2] - BACKGROUND)
        labels = torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device)  # (B, N)
        box_loss = logits.new_zeros(())
        for index, picture in enumerate(pictures):
            if not len(picture["boxes"]):
                continue
            wanted = picture["boxes"] / encoded.scale_xy.repeat(2)
            matched = self.proposal_matcher(box_iou(wanted, boxes))  # (N,), -1: none
            mine = matched >= 0
            labels[index, mine] = picture["labels"][matched[mine]]
            offsets = self.box_coder.encode_single(wanted[matched[mine]], boxes[mine])
            box_loss = box_loss + F.smooth_l1_loss(encoded.offsets[index, mine], offsets, reduction="sum")
        labeled = torch.stack([picture["labeled"] for picture in pictures])
        rows = labeled[:, None].expand(-1, logits.shape[1], -1).flatten(0, 1)
        losses = category_loss(logits.flatten(0, 1), labels.flatten(), rows).view_as(labels)
        is_garment = labels > 0
        counted = is_garment | self._hard_negatives(losses.detach(), is_garment)
        count = is_garment.sum().clamp(min=1)
        return with_sum({"box": box_loss / count, "class": (losses * counted).sum() / count})

    def _hard_negatives(self, losses: Tensor, is_garment: Tensor) -> Tensor:
        """The worst negatives of each picture (B, N), three for each default box that is matched."""
        order = losses.masked_fill(is_garment, float("-inf")).argsort(dim=1, descending=True)
        most = self.neg_to_pos_ratio * is_garment.sum(dim=1, keepdim=True)
        return (order.argsort(dim=1) < most) & ~is_garment

    def candidates(self, encoded: SSDOutputs) -> tuple[Tensor, Tensor]:
        """Every default box with its softmax over the categories, without the background's share."""
        decoded = [
            clip_boxes_to_image(
                self.box_coder.decode_single(offsets, encoded.default_boxes), encoded.canvas_hw
            )
            for offsets in encoded.offsets
        ]
        boxes = [each * encoded.scale_xy.repeat(2) for each in decoded]
        return padded(boxes, list(encoded.logits.softmax(dim=2)[..., BACKGROUND:]))


class LightSSD(TrainableSSD):
    """SSD on YOLOv4's backbone, on a canvas of any size."""

    warps = False


class ExtendedBackbone(nn.Module):
    """YOLOv4's backbone of a size, with two more maps at strides 64 and 128: a dict of five."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.body = Backbone(preset, ghost=False)
        last, narrow, extra = self.body.out_channels[2], preset.channels(256), preset.channels(512)
        self.extra = nn.ModuleList(
            nn.Sequential(
                ConvBlock(c_in, narrow, 1, act="leaky"), ConvBlock(narrow, extra, 3, 2, act="leaky")
            )
            for c_in in (last, extra)
        )
        self.out_channels = [*self.body.out_channels, extra, extra]

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        maps = list(self.body(pictures))
        for layer in self.extra:
            maps.append(layer(maps[-1]))
        return OrderedDict((str(level), found) for level, found in enumerate(maps))


class DefaultBoxes(nn.Module):
    """Six default boxes in every cell, centered there, of 2.5 strides and more, the same for all pictures."""

    aspect_ratios = [RATIOS] * len(LIGHT_STRIDES)

    def num_anchors_per_location(self) -> list[int]:
        """Of each level."""
        return [len(RATIOS) + 1] * len(LIGHT_STRIDES)

    def forward(self, images: ImageList, maps: Sequence[Tensor]) -> list[Tensor]:
        height, width = images.tensors.shape[2:]
        levels = []
        for level, stride in zip(maps, LIGHT_STRIDES, strict=True):
            rows, columns = level.shape[2:]
            like: dict[str, Any] = {"device": level.device, "dtype": torch.float32}
            y = (torch.arange(rows, **like) + 0.5) * (height / rows)
            x = (torch.arange(columns, **like) + 0.5) * (width / columns)
            center = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[
                :, :, None
            ]  # (h, w, 1, 2)
            half = torch.tensor(_sizes(stride * STRIDES_A_BOX), **like) / 2  # (6, 2)
            levels.append(torch.cat((center - half, center + half), dim=-1).view(-1, 4))
        return [torch.cat(levels)] * len(images.image_sizes)


def _sizes(side: float) -> list[tuple[float, float]]:
    """Width and height of a cell's default boxes: ratios of one area, and a square between two levels'."""
    return [*((side * sqrt(ratio), side / sqrt(ratio)) for ratio in RATIOS), (side * sqrt(2), side * sqrt(2))]


def ssd(preset: str = "full", classes: int = 13, size: int = SIDE) -> TrainableSSD:
    """SSD300 on VGG-16, or a light one; ``size`` bounds the photos of torchvision's own interface."""
    multipliers = preset_named(preset)
    if preset == "full":
        whole = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes + BACKGROUND)
        normalization = {"image_mean": whole.transform.image_mean, "image_std": whole.transform.image_std}
        parts = (whole.backbone, whole.anchor_generator, (SIDE, SIDE), classes + BACKGROUND)
        return TrainableSSD(*parts, head=whole.head, **normalization)
    backbone, boxes = ExtendedBackbone(multipliers), DefaultBoxes()
    head = SSDHead(backbone.out_channels, boxes.num_anchors_per_location(), classes + BACKGROUND)
    as_they_are: dict[str, Any] = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    return LightSSD(backbone, boxes, (size, size), classes + BACKGROUND, head=head, **as_they_are)
