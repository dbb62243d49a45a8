"""MobileNet V1 (Howard et al. 2017) and its version with multi-head attention (Fernando and Ramanan).

The poster gives parameter counts, not sizes; one layout meets them exactly: MobileNet without its top, an
attention-augmented 3x3 convolution (1024 to 1024, 8 heads, dk 160, dv 200), batch norm, global average
pooling, dense 3072, dense to the classes. The activations after batch norm and after dense 3072 (ReLU)
are reconstructions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import RecipeError, WeightsError
from core.models.attention import AttentionAugmentedConv
from core.models.classifier import ClassifierNetwork
from core.models.weights import read_tensors

POINTWISE_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
INPUT_SIZE = 224
STRIDE = 32
FEATURES = 1024
BATCH_NORM_EPS = 1e-3


class PaddedConv(nn.Sequential):
    """3x3 or 1x1 convolution, batch norm, ReLU6; padded as TensorFlow does ("same")."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride, padding=padding, groups=groups, bias=False),
            nn.BatchNorm2d(c_out, eps=BATCH_NORM_EPS, momentum=0.01),
            nn.ReLU6(inplace=True),
        )
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.pad(x))

    def pad(self, x: Tensor) -> Tensor:
        """The convolution's input: at stride 2 an even side gets a zero behind it, an odd one around it."""
        height, width = x.shape[2:]
        return F.pad(x, (width % 2, 1, height % 2, 1)) if self.stride == 2 else x


class SeparableBlock(nn.Module):
    """Depthwise 3x3, then pointwise 1x1."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = PaddedConv(c_in, c_in, 3, stride, groups=c_in)
        self.pointwise = PaddedConv(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class MobileNetFeatures(nn.Module):
    """MobileNet V1 without its top: (B, 3, 224, 224) in -1..1 to (B, 1024, 7, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = PaddedConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        c_in = 32
        for c_out, stride in zip(POINTWISE_CHANNELS, STRIDES, strict=True):
            self.blocks.append(SeparableBlock(c_in, c_out, stride))
            c_in = c_out

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 8, 16 and 32 (256, 512 and 1024 channels), for distillation."""
        x = self.stem(x)
        kept = []
        for index, block in enumerate(self.blocks, start=1):
            x = block(x)
            if index in (5, 11, 13):
                kept.append(x)
        return kept[0], kept[1], kept[2]


class _OnMobileNet(ClassifierNetwork):
    """What both classifiers on MobileNet's features share."""

    backbone: MobileNetFeatures

    @property
    def convolutions(self) -> nn.Module:
        return self.backbone

    def load_imagenet(self, path: Path) -> None:
        load_imagenet(self.backbone, path)

    def calibrate(self, inputs: Tensor) -> None:
        calibrate_batch_norm(self.backbone, inputs)

    def frozen_parts(self, trainable: str) -> tuple[nn.Module, ...]:
        """With "late" the stem and five blocks."""
        return (self.backbone.stem, *self.backbone.blocks[:5]) if trainable == "late" else ()


class MobileNet(_OnMobileNet):
    """MobileNet V1 with a dense top: (B, 3, 224, 224) in -1..1 to logits (B, classes).

    The embedding is the mean of the last maps (B, 1024).
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.backbone = MobileNetFeatures()
        self.classifier = nn.Linear(FEATURES, classes)

    @property
    def head_parts(self) -> tuple[nn.Module, ...]:
        return (self.classifier,)

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.backbone(x),)

    def head(self, embedding: Tensor) -> Tensor:
        return self.classifier(embedding)

    def channel_weights(self, maps: Tensor, rows: Tensor) -> Tensor:
        return self.classifier.weight[rows]


class MobileNetMHA(_OnMobileNet):
    """MobileNet with multi-head attention: (B, 3, size, size) in -1..1 to logits (B, classes).

    ``size`` is a multiple of 32; the tables of relative positions fit its map of ``size / 32``. The embedding
    is the mean of the last maps (B, 1024). ``attention`` (B, heads, H*W, H*W) is of each position (rows) to
    each position (columns).
    """

    maps = ("class_activation", "attention")
    sized = ("attention.relative_height", "attention.relative_width")

    def __init__(self, classes: int = 50, dropout: float = 0.0, size: int = INPUT_SIZE) -> None:
        super().__init__()
        if classes < 2:
            raise RecipeError(f"a classifier needs two classes or more, got {classes}")
        self.backbone = MobileNetFeatures()
        self.attention = AttentionAugmentedConv(FEATURES, FEATURES, size=size // STRIDE)
        self.norm = nn.BatchNorm2d(FEATURES, eps=BATCH_NORM_EPS, momentum=0.01)
        self.hidden = nn.Linear(FEATURES, 3072)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(3072, classes)

    @property
    def head_parts(self) -> tuple[nn.Module, ...]:
        return (self.hidden, self.classifier)

    def frozen_parts(self, trainable: str) -> tuple[nn.Module, ...]:
        """With "poster" up to and including the 12th depthwise convolution's batch norm, as counts imply."""
        blocks = self.backbone.blocks
        poster = (self.backbone.stem, *blocks[:11], cast(SeparableBlock, blocks[11]).depthwise)
        return poster if trainable == "poster" else super().frozen_parts(trainable)

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last maps before pooling (B, 1024, 7, 7), and the attention that they come from."""
        mixed, attention = self.attention.forward_with_weights(self.backbone(x))
        return F.relu(self.norm(mixed)), attention

    def head(self, embedding: Tensor) -> Tensor:
        return self.classifier(self.dropout(F.relu(self.hidden(embedding))))

    def channel_weights(self, maps: Tensor, rows: Tensor) -> Tensor:
        """``W2[class] * (hidden > 0) @ W1``: the top is two dense layers."""
        hidden = self.hidden(self.embed_maps(maps))
        return (self.classifier.weight[rows] * (hidden > 0)) @ self.hidden.weight


def mobilenet(classes: int = 1000) -> MobileNet:
    """MobileNet V1 as published."""
    return MobileNet(classes)


def mobilenet_mha(classes: int = 50, size: int = INPUT_SIZE) -> MobileNetMHA:
    """MobileNet with multi-head attention, frozen as in the poster."""
    model = MobileNetMHA(classes, size=size)
    model.freeze("poster")
    return model


def imagenet_layers(backbone: MobileNetFeatures) -> dict[str, PaddedConv]:
    """MobileNet's layers in order, by their names in folded weights: ``stem`` to ``block13.pointwise``."""
    parts = ("depthwise", "pointwise")
    names = ["stem", *(f"block{i}.{part}" for i in range(1, len(backbone.blocks) + 1) for part in parts)]
    layers = (module for module in backbone.modules() if isinstance(module, PaddedConv))
    return dict(zip(names, layers, strict=True))


@torch.no_grad()
def load_imagenet(backbone: MobileNetFeatures, path: Path) -> None:
    """Put folded ImageNet weights into MobileNet's layers: batch norm becomes the identity plus the bias.

    Gamma 1, beta the bias, running mean 0, running variance 1 - eps. The function is exact in eval mode;
    before training with batch statistics call :func:`calibrate_batch_norm`. Raises WeightsError, and leaves
    the backbone as it was, when the file holds something else.
    """
    tensors = read_tensors(path)
    layers = imagenet_layers(backbone)
    for name, layer in layers.items():
        shape = cast(Tensor, layer[0].weight).shape
        wanted = {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        if any(key not in tensors or tensors[key].shape != size for key, size in wanted.items()):
            raise WeightsError(f"{path.name} holds no MobileNet V1: {name} is missing or of another shape")
    for name, layer in layers.items():
        conv: Any = layer[0]
        norm: Any = layer[1]
        conv.weight.copy_(tensors[f"{name}.weight"])
        norm.weight.fill_(1.0)
        norm.bias.copy_(tensors[f"{name}.bias"])
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)


@torch.no_grad()
def calibrate_batch_norm(backbone: MobileNetFeatures, pictures: Tensor) -> None:
    """Give batch norm the statistics of ``pictures`` (B, 3, H, W); what the network computes stays.

    Folded weights leave running mean 0 and variance 1, so training with batch statistics would start from
    another function. Mean and variance are measured layer by layer; gamma and beta absorb them.
    """
    x = pictures
    for layer in imagenet_layers(backbone).values():
        norm: Any = layer[1]
        raw = layer[0](layer.pad(x))
        variance, mean = torch.var_mean(raw, dim=(0, 2, 3), unbiased=False)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - scale * norm.running_mean
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        x = layer[2](raw * scale[:, None, None] + shift[:, None, None])
