"""R-FCN (Dai et al. 2016): position-sensitive score maps on a dilated backbone; light sizes on YOLOv4's.

Proposals, sampling, losses and post-processing are torchvision's; what R-FCN adds is here: the dilated
backbone, proposals from conv4 alone, and the position-sensitive maps with their votes. It deviates from Dai
et al. in that torchvision samples 128 regions a photo at 1:3 where the authors mine hard examples, that the
proposal head is 1024 wide (theirs 512), and that the anchors begin at 32 px (light: 20) because photos are
smaller here.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50, resnet101
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import PSRoIPool

from core.errors import RecipeError
from core.models.blocks import ConvBlock
from core.models.detection import STRIDES_A_BOX, preset_named
from core.models.faster_rcnn import ASPECT_RATIOS, BOX, Proposals, TwoStage, light_transform, proposal_network
from core.models.weights import IMAGENET_MEAN, IMAGENET_STD
from core.models.yolov4 import Backbone, Preset

RESNETS = {"resnet50": resnet50, "resnet101": resnet101}
STRIDE = 16
BINS = 3  # k: a region is cut into 3 x 3 bins, each with maps of its own
REDUCED = 1024
REGIONS, BEFORE_NMS = 300, 6000
LIGHT_BEFORE_NMS = 1000
ANCHOR_SIZES = (32.0, 64.0, 128.0, 256.0, 512.0)
LIGHT_SIZES = tuple(8 * STRIDES_A_BOX * 2**octave for octave in range(5))


class DilatedResNet(nn.Module):
    """ResNet with conv5 dilated, not strided: (B, 3, H, W) to conv4 and a 1x1-reduced conv5, at stride 16."""

    conv4_channels = 1024

    def __init__(self, name: str = "resnet101") -> None:
        super().__init__()
        if name not in RESNETS:
            raise RecipeError(f"expected a backbone of {', '.join(RESNETS)}, got {name!r}")
        resnet = RESNETS[name](weights=None, replace_stride_with_dilation=[False, False, True])
        self.body = IntermediateLayerGetter(resnet, {"layer3": "conv4", "layer4": "conv5"})
        self.reduce = nn.Sequential(nn.Conv2d(2048, REDUCED, 1), nn.ReLU(inplace=True))
        self.out_channels = REDUCED

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        features = self.body(images)
        # (B, 1024, H/16, W/16) each
        return OrderedDict(conv4=features["conv4"], maps=self.reduce(features["conv5"]))


class DilatedDarknet(nn.Module):
    """YOLOv4's backbone of a size, its last stage dilated: (B, 3, H, W) to two maps at stride 16.

    Weights have the names and shapes of the backbone that is not dilated.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.body = Backbone(preset, ghost=False)
        last_stage: Any = self.body.stages[4]
        entry, stage = last_stage
        entry[0].stride = (1, 1)
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (2, 2)
        _, conv4, last = self.body.out_channels
        self.conv4_channels = conv4
        self.out_channels = preset.channels(REDUCED)
        self.reduce = ConvBlock(last, self.out_channels, 1, act="leaky")

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        _, conv4, conv5 = self.body(images)
        return OrderedDict(conv4=conv4, maps=self.reduce(conv5))


class Conv4Proposals(Proposals):
    """A region proposal network on conv4 alone, which is not dilated."""

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> Any:
        return super().forward(images, {"conv4": features["conv4"]}, targets)


class PositionSensitiveVotes(nn.Module):
    """Score and box maps, pooled bin by bin and averaged: regions to votes (R, C + 1 + 4), background first.

    Takes the place of torchvision's RoI pooling; there is no layer after it, which is the point of R-FCN.
    """

    def __init__(self, classes: int, channels: int = REDUCED) -> None:
        super().__init__()
        self.scores = nn.Conv2d(channels, BINS * BINS * (classes + 1), 1)
        self.boxes = nn.Conv2d(channels, BINS * BINS * BOX, 1)  # one box for all classes
        self.pool = PSRoIPool(BINS, spatial_scale=1 / STRIDE)

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        maps = [convolve(features["maps"]) for convolve in (self.scores, self.boxes)]
        # torchvision pools neither the last row and column nor regions that round to past them: slivers there
        # would have no votes, which reads as all classes alike. With two more cells every place counts.
        votes = [self.pool(F.pad(each, (0, 2, 0, 2), mode="replicate"), proposals) for each in maps]
        return torch.cat(votes, dim=1).mean(dim=(2, 3))  # (R, C + 1 + 4, 3, 3) to (R, C + 1 + 4)


class SplitVotes(nn.Module):
    """Votes to class logits (R, C + 1) and box offsets (R, 4 (C + 1)), the same box for every class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, votes: Tensor) -> tuple[Tensor, Tensor]:
        logits, offsets = votes[:, : self.classes + 1], votes[:, self.classes + 1 :]
        return logits, offsets.repeat(1, self.classes + 1)


class RFCN(TwoStage):
    """Both stages of R-FCN: the second is the votes."""

    @property
    def _classes(self) -> int:
        classes: int = self.roi_heads.box_predictor.classes
        return classes


def r_fcn(preset: str = "full", classes: int = 13, size: int = 416, backbone: str = "resnet101") -> RFCN:
    """R-FCN with random weights, also used as torchvision's detectors are.

    Training: ``model(images, targets)`` gives a dict of four losses; else a list of ``boxes`` (N, 4) in
    pixels, ``scores`` (N,) and ``labels`` (N,). Labels are 1..classes, 0 is the background. ``size`` bounds
    both sides of the resized photo. ``backbone`` of the full one is ``resnet101``, as in Dai et al., or
    ``resnet50``. Raises RecipeError on another.
    """
    multipliers = preset_named(preset)
    if preset == "full":
        body: Any = DilatedResNet(backbone)
        sizes, before = ANCHOR_SIZES, BEFORE_NMS
        transform = GeneralizedRCNNTransform(size, size, list(IMAGENET_MEAN), list(IMAGENET_STD))
    else:
        body, transform = DilatedDarknet(multipliers), light_transform(size)
        sizes, before = LIGHT_SIZES, LIGHT_BEFORE_NMS
    anchors = AnchorGenerator((sizes,), (ASPECT_RATIOS,))
    kept: dict[str, Any] = {"before_nms": before, "after_nms": REGIONS, "cls": Conv4Proposals}
    rpn = proposal_network(anchors, body.conv4_channels, **kept)
    model = RFCN(body, rpn, _votes(classes, body.out_channels), transform)
    for module in (model.backbone.reduce, model.roi_heads):
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
    return model


def _votes(classes: int, channels: int) -> RoIHeads:
    return RoIHeads(
        PositionSensitiveVotes(classes, channels),
        nn.Identity(),
        SplitVotes(classes),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=128,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=0.3,
        detections_per_img=100,
    )
