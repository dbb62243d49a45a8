"""The models that the papers compare theirs with, at random weights: VGG-16 and four detectors.

All but R-FCN are torchvision's. The papers name the models and not their layouts: SSD300 on VGG-16, and
ResNet-50 with a feature pyramid for RetinaNet and Faster R-CNN, are reconstructions by what those names
usually meant.

The detectors keep torchvision's interface: lists of photos (3, H, W) in 0..1; targets and results name boxes
``boxes`` (N, 4) in pixels and ``labels`` (N,) from 1 to ``classes``, 0 being the background.
"""

from __future__ import annotations

from torch import nn
from torchvision.models import vgg16 as torchvision_vgg16
from torchvision.models.detection import fasterrcnn_resnet50_fpn, retinanet_resnet50_fpn, ssd300_vgg16

from core.models.rfcn import r_fcn

__all__ = ["SSD_SIZE", "faster_rcnn", "r_fcn", "retinanet", "ssd", "vgg16"]

SSD_SIZE = 300
BACKGROUND = 1


def vgg16(classes: int = 1000) -> nn.Module:
    """VGG-16 (Simonyan and Zisserman 2015) without batch norm: (B, 3, 224, 224) to logits (B, classes)."""
    model: nn.Module = torchvision_vgg16(weights=None, num_classes=classes)
    return model


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
