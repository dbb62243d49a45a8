"""Distilling an ImageNet network's features into the detector's backbone, and the networks that teach."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core.models.mobilenet import MobileNetFeatures, load_imagenet
from core.models.yolov4 import Backbone
from tools.efficientnet_lite import load_lite
from tools.eight_bit_weights import restored_file
from tools.gpu_trainer import say


def standardized(features: Tensor) -> Tensor:
    """Each channel to mean 0 and variance 1 over the batch and its places (B, C, H, W), in float32."""
    features = features.float()
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True)
    return (features - mean) / (variance + 1e-3).sqrt()


class Distiller(nn.Module):
    """A backbone with 1x1 adapters to the channels of a teacher's features at strides 8, 16 and 32."""

    def __init__(self, backbone: Backbone, channels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapters = nn.ModuleList(
            nn.Conv2d(own, theirs, 1) for own, theirs in zip(backbone.out_channels, channels, strict=True)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        features = self.backbone(pictures)
        return [adapter(own) for adapter, own in zip(self.adapters, features, strict=True)]


def load_teacher(pack: Path) -> nn.Module | None:
    """EfficientNet-Lite2, or MobileNet, with ImageNet's weights; None where the pack has neither."""
    lite, mobilenet = (
        pack / "weights" / f"{name}.safetensors" for name in ("efficientnet-lite2", "mobilenet")
    )
    if lite.is_file():
        try:
            return load_lite(lite)
        except Exception:
            say(f"EfficientNet-Lite2 cannot teach:\n{traceback.format_exc()}")
    if mobilenet.is_file():
        teacher = MobileNetFeatures()
        with tempfile.TemporaryDirectory() as folder:
            load_imagenet(teacher, restored_file(mobilenet, Path(folder)))
        return teacher
    return None
