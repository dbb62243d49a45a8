"""RetinaNet (Lin et al. 2017, "Focal Loss"): torchvision's on ResNet-50, light sizes on YOLOv4's backbone.

The light ones have narrower pyramids and heads, group normalization in the heads, which learn from random
weights here, and anchors from 20 px on, as photos are smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import retinanet_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.ops import box_iou, clip_boxes_to_image, sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from core.models.detection import (
    STRIDES_A_BOX,
    LightPyramid,
    Targets,
    by_picture,
    padded,
    preset_named,
    with_sum,
)

BACKGROUND = 1
"""torchvision's labels begin at 1: the first column of the logits stays unused."""

LIGHT_STRIDES = (8, 16, 32, 64, 128)
OCTAVES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
GROUPS = 8


@dataclass(frozen=True)
class RetinaNetOutputs:
    """Offsets (B, N, 4) and logits (B, N, 1 + C) of anchors (N, 4) in pixels of the input."""

    offsets: Tensor
    logits: Tensor
    anchors: Tensor
    canvas_hw: tuple[int, int]


class TrainableRetinaNet(RetinaNet):  # type: ignore[misc]  # torchvision has no types
    """torchvision's RetinaNet as a :class:`core.models.detection.DetectionNetwork`."""

    def encode(self, pictures: Tensor) -> RetinaNetOutputs:
        inputs = self.transform.normalize(pictures)
        height, width = inputs.shape[2:]
        maps = list(self.backbone(inputs).values())
        raw = self.head(maps)
        anchors = self.anchor_generator(ImageList(inputs, [(height, width)] * len(inputs)), maps)[0]
        offsets, logits = raw["bbox_regression"].float(), raw["cls_logits"].float()
        return RetinaNetOutputs(offsets, logits, anchors.float(), (height, width))

    def losses(self, encoded: RetinaNetOutputs, targets: Targets) -> dict[str, Tensor]:
        """``box`` (L1 of offsets) and ``class`` (focal loss), the mean of the pictures'.

        Class terms of categories that a picture's dataset does not label are left out.
        """
        logits = encoded.logits
        pictures = by_picture(targets, len(logits), logits.shape[2] - BACKGROUND)
        boxes, classes = [], []
        for index, picture in enumerate(pictures):
            matched = self._matched(picture["boxes"], encoded.anchors)
            mine = matched >= 0
            count = mine.sum().clamp(min=1)
            wanted = torch.zeros_like(logits[index])
            wanted[mine, picture["labels"][matched[mine]]] = 1.0
            counted = (matched != self.proposal_matcher.BETWEEN_THRESHOLDS)[:, None]
            known = torch.cat((picture["labeled"].new_ones(BACKGROUND), picture["labeled"]))
            terms = sigmoid_focal_loss(logits[index], wanted, reduction="none")
            classes.append((terms * (counted & known)).sum() / count)
            offsets = self.box_coder.encode_single(picture["boxes"][matched[mine]], encoded.anchors[mine])
            boxes.append((encoded.offsets[index, mine] - offsets).abs().sum() / count)
        return with_sum({"box": torch.stack(boxes).mean(), "class": torch.stack(classes).mean()})

    def _matched(self, boxes_xyxy: Tensor, anchors: Tensor) -> Tensor:
        """Which box each anchor is matched with (N,); below 0: background, or between both thresholds."""
        if not len(boxes_xyxy):
            return torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
        matched: Tensor = self.proposal_matcher(box_iou(boxes_xyxy, anchors))
        return matched

    def candidates(self, encoded: RetinaNetOutputs) -> tuple[Tensor, Tensor]:
        """Every anchor's box with the categories' probabilities."""
        boxes = [
            clip_boxes_to_image(self.box_coder.decode_single(offsets, encoded.anchors), encoded.canvas_hw)
            for offsets in encoded.offsets
        ]
        return padded(boxes, list(encoded.logits[..., BACKGROUND:].sigmoid()))


def retinanet(preset: str = "full", classes: int = 13, size: int = 416) -> TrainableRetinaNet:
    """RetinaNet on ResNet-50 with a feature pyramid, or a light one.

    ``size`` bounds both sides of the photos of torchvision's own interface.
    """
    multipliers = preset_named(preset)
    bounds = {"min_size": size, "max_size": size}
    if preset == "full":
        whole = retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=classes + BACKGROUND, **bounds
        )
        parts = {"anchor_generator": whole.anchor_generator, "head": whole.head}
        return TrainableRetinaNet(whole.backbone, classes + BACKGROUND, **parts, **bounds)
    channels = multipliers.channels(256)
    backbone = LightPyramid(multipliers, lambda width: LastLevelP6P7(width, width))
    sizes = tuple(tuple(stride * STRIDES_A_BOX * octave for octave in OCTAVES) for stride in LIGHT_STRIDES)
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    norm = partial(nn.GroupNorm, GROUPS)
    head = RetinaNetHead(
        channels, anchors.num_anchors_per_location()[0], classes + BACKGROUND, norm_layer=norm
    )
    as_they_are: dict[str, Any] = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    return TrainableRetinaNet(
        backbone, classes + BACKGROUND, anchor_generator=anchors, head=head, **bounds, **as_they_are
    )
