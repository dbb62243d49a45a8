"""VGG-16 (Simonyan and Zisserman 2015), configuration D without batch norm, and with global average pooling.

The preset ``full`` is the published network: two dense layers of 4096 over a map of 7 x 7. ``gap`` has the
mean over positions and one dense layer in their place (Zhou et al. 2016), a ninth of the weights. Parameters
have torchvision's names, so that its ImageNet weights fit. Inputs lie in -1..1, as those of the other
classifiers, and are normalized to ImageNet's mean and deviation inside.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from core.errors import RecipeError, WeightsError
from core.models.classifier import ClassifierNetwork
from core.models.weights import IMAGENET_MEAN, IMAGENET_STD, read_tensors

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of 3 x 3 convolutions of each block, which a 2 x 2 max pooling ends."""

CHANNELS = 512
PLACES = 7
HIDDEN = 4096
DROPOUT = 0.5
FROZEN_LATE = 10
"""Layers of the first two blocks."""


def _convolutions() -> nn.Sequential:
    layers: list[nn.Module] = []
    c_in = 3
    for c_out, count in BLOCKS:
        for _ in range(count):
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(inplace=True)]
            c_in = c_out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class VGG16(ClassifierNetwork):
    """VGG-16: (B, 3, S, S) in -1..1 to logits (B, classes); S is 224 as published, or 32 and more.

    The embedding is the last layer's input: (B, 4096), or (B, 512) with the preset ``gap``.
    """

    def __init__(self, classes: int = 1000, preset: str = "full") -> None:
        super().__init__()
        if preset not in ("full", "gap"):
            raise RecipeError(f"expected a preset of full, gap for vgg16, got {preset!r}")
        self.features = _convolutions()
        self.avgpool = nn.AdaptiveAvgPool2d(PLACES if preset == "full" else 1)
        dense: list[nn.Module] = [nn.Linear(CHANNELS, classes)]
        if preset == "full":
            dense = [
                nn.Linear(CHANNELS * PLACES**2, HIDDEN), nn.ReLU(inplace=True), nn.Dropout(DROPOUT),
                nn.Linear(HIDDEN, HIDDEN), nn.ReLU(inplace=True), nn.Dropout(DROPOUT),
                nn.Linear(HIDDEN, classes),
            ]  # fmt: skip
        self.classifier = nn.Sequential(*dense)
        self.last_layer = f"classifier.{len(dense) - 1}"
        self._initialize()

    def _initialize(self) -> None:
        """As torchvision does: He et al. 2015 for convolutions, small normal values for dense layers."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    def convolutions(self) -> nn.Module:
        return self.features

    @property
    def head_parts(self) -> tuple[nn.Module, ...]:
        return (self.classifier[-1],)

    def frozen_parts(self, trainable: str) -> tuple[nn.Module, ...]:
        return (self.features[:FROZEN_LATE],) if trainable == "late" else ()

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        mean, std = (x.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
        return (self.features((x * 0.5 + 0.5 - mean) / std),)  # (B, 512, S / 32, S / 32)

    def embed_maps(self, maps: Tensor) -> Tensor:
        return self.classifier[:-1](self.avgpool(maps).flatten(1))

    def head(self, embedding: Tensor) -> Tensor:
        return self.classifier[-1](embedding)

    def channel_weights(self, maps: Tensor, rows: Tensor) -> Tensor:
        """The class's row, taken back through the dense layers' ReLUs, summed over the pooled positions."""
        gradient, inputs = self._last_weight[rows], self.avgpool(maps).flatten(1)
        active, dense = [], []
        for layer in self.classifier[:-1]:
            inputs = layer(inputs)
            if isinstance(layer, nn.Linear):
                dense.append(layer.weight)
                active.append(inputs > 0)
        for weight, is_active in zip(reversed(dense), reversed(active), strict=True):
            gradient = (gradient * is_active) @ weight
        return gradient.unflatten(1, (CHANNELS, -1)).sum(dim=2)  # (B, 512)

    @property
    def _last_weight(self) -> Tensor:
        weight = self.classifier[-1].weight
        assert isinstance(weight, Tensor)
        return weight

    @torch.no_grad()
    def load_imagenet(self, path: Path) -> None:
        """torchvision's VGG-16 as safetensors: all but the last layer. Raises WeightsError."""
        tensors = read_tensors(path)
        own = {k: v for k, v in self.state_dict().items() if not k.startswith(self.last_layer)}
        for name, value in own.items():
            if name not in tensors or tensors[name].shape != value.shape:
                raise WeightsError(f"{path.name} holds no VGG-16: {name} is missing or of another shape")
        self.load_state_dict({name: tensors[name] for name in own}, strict=False)


def vgg16(classes: int = 1000, preset: str = "full") -> VGG16:
    """VGG-16 with random weights."""
    return VGG16(classes, preset)
