"""The first paper's baselines with random weights: SSD, RetinaNet, Faster R-CNN and R-FCN.

All but R-FCN are torchvision's. The papers name the models and not their layouts: SSD300 on VGG-16, and
ResNet-50 with a feature pyramid for RetinaNet and Faster R-CNN, are reconstructions by what those names
usually meant.

R-FCN (Dai et al. 2016) takes proposals, sampling, losses and post-processing from torchvision; what it adds
is here: the dilated backbone, proposals from conv4 alone, and the position-sensitive maps with their votes.
It deviates from Dai et al. in that torchvision samples 128 regions a photo at 1:3 where the authors mine hard
examples, that the proposal head is 1024 wide (theirs 512), and that the anchors begin at 32 px because photos
are smaller here.

The detectors keep torchvision's interface: lists of photos (3, H, W) in 0..1; targets and results name boxes
``boxes`` (N, 4) in pixels and ``labels`` (N,) from 1 to ``classes``, 0 being the background.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50, resnet101
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import fasterrcnn_resnet50_fpn, retinanet_resnet50_fpn, ssd300_vgg16
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import PSRoIPool

from core.errors import RecipeError

BACKGROUND = 1
RESNETS = {"resnet50": resnet50, "resnet101": resnet101}
STRIDE = 16
BINS = 3  # k: a region is cut into 3 x 3 bins, each with maps of its own
BOX = 4
PROPOSALS = 300
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ssd(classes: int = 13) -> nn.Module:
    """SSD300 on VGG-16 (Liu et al. 2016); photos are resized to 300 x 300."""
    model: nn.Module = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes + BACKGROUND)
    return model


def retinanet(classes: int = 13, size: int = 416) -> nn.Module:
    """RetinaNet on ResNet-50 with a feature pyramid (Lin et al. 2017); ``size`` bounds both sides."""
    model: nn.Module = retinanet_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=classes + BACKGROUND, min_size=size, max_size=size
    )
    return model


def faster_rcnn(classes: int = 13, size: int = 416) -> nn.Module:
    """Faster R-CNN on ResNet-50 with a feature pyramid (Ren et al. 2015); ``size`` bounds both sides."""
    model: nn.Module = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=classes + BACKGROUND, min_size=size, max_size=size
    )
    return model


class DilatedResNet(nn.Module):
    """ResNet with conv5 dilated, not strided: (B, 3, H, W) to conv4 and a 1x1-reduced conv5, at stride 16."""

    def __init__(self, name: str = "resnet101") -> None:
        super().__init__()
        if name not in RESNETS:
            raise RecipeError(f"expected a backbone of {', '.join(RESNETS)}, got {name!r}")
        resnet = RESNETS[name](weights=None, replace_stride_with_dilation=[False, False, True])
        self.body = IntermediateLayerGetter(resnet, {"layer3": "conv4", "layer4": "conv5"})
        self.reduce = nn.Sequential(nn.Conv2d(2048, 1024, 1), nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        features = self.body(images)
        # (B, 1024, H/16, W/16) each
        return OrderedDict(conv4=features["conv4"], maps=self.reduce(features["conv5"]))


class Conv4Proposals(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """A region proposal network on conv4 alone, which is not dilated."""

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> Any:
        return super().forward(images, {"conv4": features["conv4"]}, targets)


class PositionSensitiveVotes(nn.Module):
    """Score and box maps, pooled bin by bin and averaged: regions to votes (R, C + 1 + 4), background first.

    Takes the place of torchvision's RoI pooling; there is no layer after it, which is the point of R-FCN.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scores = nn.Conv2d(1024, BINS * BINS * (classes + 1), 1)
        self.boxes = nn.Conv2d(1024, BINS * BINS * BOX, 1)  # one box for all classes
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


def r_fcn(classes: int = 13, size: int = 416, backbone: str = "resnet101") -> GeneralizedRCNN:
    """R-FCN with random weights, as torchvision's detectors are used.

    Training: ``model(images, targets)`` gives a dict of four losses; else a list of ``boxes`` (N, 4) in
    pixels, ``scores`` (N,) and ``labels`` (N,). Labels are 1..classes, 0 is the background. ``size`` bounds
    both sides of the resized photo. ``backbone`` is ``resnet101``, as in Dai et al., or ``resnet50``. Raises
    RecipeError on another.
    """
    transform = GeneralizedRCNNTransform(size, size, list(IMAGENET_MEAN), list(IMAGENET_STD))
    model = GeneralizedRCNN(DilatedResNet(backbone), _proposals(), _votes(classes), transform)
    for module in (model.backbone.reduce, model.roi_heads):
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
    return model


def _proposals() -> Conv4Proposals:
    anchors = AnchorGenerator(sizes=((32, 64, 128, 256, 512),), aspect_ratios=((0.5, 1.0, 2.0),))
    return Conv4Proposals(
        anchors,
        RPNHead(1024, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 6000, "testing": 6000},
        post_nms_top_n={"training": PROPOSALS, "testing": PROPOSALS},
        nms_thresh=0.7,
    )


def _votes(classes: int) -> RoIHeads:
    return RoIHeads(
        PositionSensitiveVotes(classes),
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
