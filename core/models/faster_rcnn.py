"""Faster R-CNN (Ren et al. 2015): torchvision's on ResNet-50 with a feature pyramid, light sizes on YOLOv4's.

Two stages: a region proposal network (RPN), then a category and a box for each of its regions. Proposals,
sampling and RoI pooling are torchvision's. The light ones have narrower pyramids and heads, fewer regions,
and anchors from 20 px on, as photos are smaller. :mod:`core.models.r_fcn` has the same two stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from core.models.detection import (
    STRIDES_A_BOX,
    UNLABELED_SCORE,
    LightPyramid,
    Targets,
    by_picture,
    category_loss,
    padded,
    preset_named,
    with_sum,
)
from core.models.yolov4 import Preset

BACKGROUND = 1
BOX = 4
BOX_LOSS_BETA = 1 / 9
ASPECT_RATIOS = (0.5, 1.0, 2.0)
LIGHT_STRIDES = (8, 16, 32, 64)
LIGHT_SIZES = (1.0, 1.6)
"""Of a level's anchors, times its smallest: up to 256 px at stride 64."""

LIGHT_REGIONS = 300
POOLED = 7

MAYBE_GARMENT = -2.0
"""Marks, until their scores are known, background anchors of photos of which not everything is labeled."""


@dataclass(frozen=True)
class TwoStageFeatures:
    """Pictures and their feature maps by name, float32: what both stages take."""

    images: ImageList
    maps: dict[str, Tensor]


class Proposals(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """A region proposal network that is not taught that unlabeled garments are background.

    Where a photo's dataset does not label all categories, background anchors that it scores above 0.3 are
    left out.
    """

    def assign_targets_to_anchors(self, anchors: list[Tensor], targets: list[dict[str, Tensor]]) -> Any:
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for own, target in zip(labels, targets, strict=True):
            if "labeled" in target and not bool(target["labeled"].all()):
                own[own == 0] = MAYBE_GARMENT
        return labels, boxes

    def compute_loss(
        self, objectness: Tensor, deltas: Tensor, labels: list[Tensor], offsets: list[Tensor]
    ) -> Any:
        scores = objectness.detach().flatten().sigmoid().split([len(own) for own in labels])
        for own, score in zip(labels, scores, strict=True):
            maybe = own == MAYBE_GARMENT
            own[maybe] = torch.where(score[maybe] > UNLABELED_SCORE, -1.0, 0.0)  # -1: left out
        return super().compute_loss(objectness, deltas, labels, offsets)


class TwoStage(GeneralizedRCNN):  # type: ignore[misc]
    """torchvision's two-stage detector as a :class:`core.models.detection.DetectionNetwork`.

    Everything after the backbone is computed in float32, also in mixed precision.
    """

    def encode(self, pictures: Tensor) -> TwoStageFeatures:
        inputs = self.transform.normalize(pictures)
        maps = {name: found.float() for name, found in self.backbone(inputs).items()}
        return TwoStageFeatures(ImageList(inputs, [tuple(inputs.shape[2:])] * len(inputs)), maps)

    def losses(self, encoded: TwoStageFeatures, targets: Targets) -> dict[str, Tensor]:
        """``objectness`` and ``proposal_box`` of the first stage, ``class`` and ``box`` of the second."""
        count = len(encoded.images.image_sizes)
        with in_float32(encoded), _training(self.rpn):
            classes = self._classes
            wanted = by_picture(targets, count, classes)
            proposals, first = self.rpn(encoded.images, encoded.maps, wanted)
            regions, _, labels, offsets = self.roi_heads.select_training_samples(proposals, wanted)
            logits, deltas = self._second_stage(encoded, regions)
            rows = [
                picture["labeled"].expand(len(own), -1) for picture, own in zip(wanted, labels, strict=True)
            ]
            class_loss = category_loss(logits, torch.cat(labels), torch.cat(rows)).mean()
            box_loss = _box_loss(deltas, torch.cat(labels), torch.cat(offsets))
        return with_sum(
            {
                "objectness": first["loss_objectness"],
                "proposal_box": first["loss_rpn_box_reg"],
                "class": class_loss,
                "box": box_loss,
            }
        )

    def candidates(self, encoded: TwoStageFeatures) -> tuple[Tensor, Tensor]:
        """Every region with its softmax over the categories, in the box of the likeliest one.

        torchvision gives a region one box a category; one with all scores is what the joint decision takes.
        """
        with in_float32(encoded):
            regions, _ = self.rpn(encoded.images, encoded.maps)
            logits, deltas = self._second_stage(encoded, regions)
            scores = logits.softmax(dim=1)[:, BACKGROUND:]
            best = scores.argmax(dim=1) + BACKGROUND
            by_class = deltas.view(len(deltas), logits.shape[1], BOX)  # no -1: there may be no region
            offsets = by_class[torch.arange(len(deltas), device=best.device), best]
            boxes = self.roi_heads.box_coder.decode(offsets, regions).view(-1, BOX)
            counts = [len(own) for own in regions]
            boxes = clip_boxes_to_image(boxes, encoded.images.image_sizes[0])
        return padded(boxes.split(counts), scores.split(counts))

    @property
    def _classes(self) -> int:
        predictor = self.roi_heads.box_predictor
        classes: int = predictor.cls_score.out_features - BACKGROUND
        return classes

    def _second_stage(self, encoded: TwoStageFeatures, regions: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits (R, 1 + C) and box offsets (R, 4 (1 + C)) of all regions."""
        heads = self.roi_heads
        pooled = heads.box_roi_pool(encoded.maps, regions, encoded.images.image_sizes)
        logits, deltas = heads.box_predictor(heads.box_head(pooled))
        return logits, deltas


def _box_loss(deltas: Tensor, labels: Tensor, offsets: Tensor) -> Tensor:
    """Smooth L1 of the garments' offsets, over the number of all regions."""
    garments = labels.nonzero()[:, 0]
    own = deltas.view(len(deltas), deltas.shape[1] // BOX, BOX)[garments, labels[garments]]
    loss = F.smooth_l1_loss(own, offsets[garments], beta=BOX_LOSS_BETA, reduction="sum")
    return loss / max(len(labels), 1)


def in_float32(encoded: TwoStageFeatures) -> torch.autocast:
    """No mixed precision within: pooling and NMS on a CPU have none."""
    return torch.autocast(encoded.images.tensors.device.type, enabled=False)


@contextmanager
def _training(rpn: RegionProposalNetwork) -> Iterator[None]:
    """Within it a proposal network computes its losses, which torchvision's does in training mode only."""
    before, rpn.training = rpn.training, True
    try:
        yield
    finally:
        rpn.training = before


def proposal_network(
    anchors: AnchorGenerator,
    channels: int,
    *,
    before_nms: int,
    after_nms: int,
    in_training: int = 1,
    cls: type[Proposals] = Proposals,
) -> Proposals:
    """A proposal network with the authors' thresholds, which keeps so many regions before and after NMS.

    ``in_training`` is how many times as many that are there.
    """
    return cls(
        anchors,
        RPNHead(channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": in_training * before_nms, "testing": before_nms},
        post_nms_top_n={"training": in_training * after_nms, "testing": after_nms},
        nms_thresh=0.7,
    )


def faster_rcnn(preset: str = "full", classes: int = 13, size: int = 416) -> TwoStage:
    """Faster R-CNN on ResNet-50 with a feature pyramid, or a light one.

    ``size`` bounds both sides of the photos of torchvision's own interface.
    """
    multipliers = preset_named(preset)
    if preset == "full":
        whole = fasterrcnn_resnet50_fpn(
            weights=None,
            weights_backbone=None,
            num_classes=classes + BACKGROUND,
            min_size=size,
            max_size=size,
        )
        kept: dict[str, Any] = {"before_nms": 1000, "after_nms": 1000, "in_training": 2}
        rpn = proposal_network(whole.rpn.anchor_generator, whole.backbone.out_channels, **kept)
        return TwoStage(whole.backbone, rpn, whole.roi_heads, whole.transform)
    backbone = LightPyramid(multipliers, lambda width: LastLevelMaxPool())
    sizes = tuple(tuple(stride * STRIDES_A_BOX * times for times in LIGHT_SIZES) for stride in LIGHT_STRIDES)
    anchors = AnchorGenerator(sizes, (ASPECT_RATIOS,) * len(sizes))
    rpn = proposal_network(
        anchors, backbone.out_channels, before_nms=2 * LIGHT_REGIONS, after_nms=LIGHT_REGIONS
    )
    heads = _light_heads(multipliers, backbone.out_channels, classes)
    return TwoStage(backbone, rpn, heads, light_transform(size))


def _light_heads(preset: Preset, channels: int, classes: int) -> RoIHeads:
    hidden = preset.channels(1024)
    return RoIHeads(
        MultiScaleRoIAlign(["0", "1", "2"], output_size=POOLED, sampling_ratio=2),
        TwoMLPHead(channels * POOLED**2, hidden),
        FastRCNNPredictor(hidden, classes + BACKGROUND),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=128,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=100,
    )


def light_transform(size: int) -> GeneralizedRCNNTransform:
    """torchvision's preparation of photos for YOLOv4's backbone: values stay in 0..1."""
    return GeneralizedRCNNTransform(size, size, [0.0] * 3, [1.0] * 3)
