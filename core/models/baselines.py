"""VGG-16 with random weights, the classifiers' baseline; the detectors' have modules of their own."""

from __future__ import annotations

from torch import nn
from torchvision.models import vgg16 as torchvision_vgg16


def vgg16(classes: int = 1000) -> nn.Module:
    """VGG-16 (Simonyan and Zisserman 2015) without batch norm: (B, 3, 224, 224) to logits (B, classes)."""
    model: nn.Module = torchvision_vgg16(weights=None, num_classes=classes)
    return model
