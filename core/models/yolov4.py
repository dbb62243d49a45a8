"""YOLOv4 and YOLOv4-GS: backbone, neck and heads, with width and depth presets of the same code.

YOLOv4: CSPDarknet53 (stages 1-2-8-8-4, Mish), SPP, PANet, heads at strides 8, 16, 32. YOLOv4-GS rebuilds the
backbone of Ghost convolutions and GS modules, and takes Ghost convolutions in the neck's lateral, upsampling
and top-down 1x1 and in the whole bottom-up path; that choice of places is a reconstruction from the paper's
-33.12 % volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.anchors import DARKNET_ANCHORS_608, STRIDES
from core.errors import RecipeError
from core.models.blocks import (
    ConvBlock,
    ConvFactory,
    CrossStage,
    GhostConv,
    GSModule,
    Residual,
    SpatialPyramidPooling,
)

ANCHORS_PER_SCALE = 3
STAGE_DEPTHS = (1, 2, 8, 8, 4)
STAGE_CHANNELS = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Preset:
    """Width and depth multipliers, as the YOLO family has them; (1, 1) is the paper's model."""

    width: float
    depth: float

    def __post_init__(self) -> None:
        if not (0 < self.width <= 2 and 0 < self.depth <= 2):
            raise RecipeError(f"width and depth multipliers lie in (0, 2], got {self.width} and {self.depth}")

    def channels(self, full: int) -> int:
        """Channels of a layer that has ``full`` at width 1: a multiple of 8, at least 8."""
        return max(8, round(full * self.width / 8) * 8)

    def repeats(self, full: int) -> int:
        """Units in a stage that has ``full`` at depth 1, at least one."""
        return max(1, round(full * self.depth))


PRESETS = {
    "full": Preset(1.0, 1.0),
    "medium": Preset(0.75, 0.67),
    "small": Preset(0.5, 0.33),
    "tiny": Preset(0.375, 0.33),
    "nano": Preset(0.25, 0.33),
    "pico": Preset(0.125, 0.125),
}


class Backbone(nn.Module):
    """CSPDarknet53, or GS-CSPDarknet53 with ``ghost``: returns features at strides 8, 16 and 32."""

    def __init__(self, preset: Preset, *, ghost: bool) -> None:
        super().__init__()
        conv: ConvFactory = GhostConv if ghost else ConvBlock
        unit: ConvFactory = GSModule if ghost else Residual
        width = preset.channels
        self.stem = ConvBlock(3, width(32), 3)
        self.stages = nn.ModuleList()
        c_in = width(32)
        for index, (full, depth) in enumerate(zip(STAGE_CHANNELS, STAGE_DEPTHS, strict=True)):
            c_out = width(full)
            # The first stage keeps its full width in both branches and halves inside its unit.
            branch, hidden = (c_out, width(full // 2)) if index == 0 else (width(full // 2), width(full // 2))
            cross = CrossStage(
                c_out, preset.repeats(depth), branch=branch, hidden=hidden, conv=conv, unit=unit
            )
            self.stages.append(nn.Sequential(conv(c_in, c_out, 3, 2), cross))
            c_in = c_out
        self.out_channels = tuple(width(full) for full in STAGE_CHANNELS[-3:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[2], features[3], features[4]  # strides 8, 16, 32


def _five(c_in: int, channels: int, *, point: ConvFactory, spatial: ConvFactory) -> nn.Sequential:
    """PANet's block of five: 1x1 and 3x3 in turn, the 3x3 twice as wide. ``c_in`` to ``channels``."""
    wide = 2 * channels
    return nn.Sequential(
        point(c_in, channels, 1, act="leaky"),
        spatial(channels, wide, 3, act="leaky"),
        point(wide, channels, 1, act="leaky"),
        spatial(channels, wide, 3, act="leaky"),
        point(wide, channels, 1, act="leaky"),
    )


class Neck(nn.Module):
    """SPP and PANet: features at strides 8, 16, 32 to three maps of ``out_channels`` at the same strides."""

    def __init__(self, preset: Preset, in_channels: Sequence[int], *, ghost: bool) -> None:
        super().__init__()
        light: ConvFactory = GhostConv if ghost else ConvBlock
        c3, c4, c5 = preset.channels(128), preset.channels(256), preset.channels(512)
        self.before_spp = _three(in_channels[2], c5)
        self.spp = SpatialPyramidPooling()
        self.after_spp = _three(4 * c5, c5)
        self.up5 = light(c5, c4, 1, act="leaky")
        self.lateral4 = light(in_channels[1], c4, 1, act="leaky")
        self.top_down4 = _five(2 * c4, c4, point=light, spatial=ConvBlock)
        self.up4 = light(c4, c3, 1, act="leaky")
        self.lateral3 = light(in_channels[0], c3, 1, act="leaky")
        self.top_down3 = _five(2 * c3, c3, point=light, spatial=ConvBlock)
        self.down3 = light(c3, c4, 3, 2, act="leaky")
        self.bottom_up4 = _five(2 * c4, c4, point=light, spatial=light)
        self.down4 = light(c4, c5, 3, 2, act="leaky")
        self.bottom_up5 = _five(2 * c5, c5, point=light, spatial=light)
        self.out_channels = (c3, c4, c5)

    def forward(self, features: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        c3, c4, c5 = features
        p5 = self.after_spp(self.spp(self.before_spp(c5)))
        p4 = self.top_down4(torch.cat((self.lateral4(c4), _upsample(self.up5(p5))), dim=1))
        p3 = self.top_down3(torch.cat((self.lateral3(c3), _upsample(self.up4(p4))), dim=1))
        n4 = self.bottom_up4(torch.cat((self.down3(p3), p4), dim=1))
        n5 = self.bottom_up5(torch.cat((self.down4(n4), p5), dim=1))
        return p3, n4, n5


def _three(c_in: int, channels: int) -> nn.Sequential:
    """The ordinary 1x1, 3x3, 1x1 on either side of SPP."""
    return nn.Sequential(
        ConvBlock(c_in, channels, 1, act="leaky"),
        ConvBlock(channels, 2 * channels, 3, act="leaky"),
        ConvBlock(2 * channels, channels, 1, act="leaky"),
    )


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class YOLOv4(nn.Module):
    """The detector: (B, 3, H, W) in 0..1, H and W multiples of 32, to three raw maps (B, 3, h, w, 5 + C).

    The last axis is t_x, t_y, t_w, t_h, objectness logit, class logits; :mod:`core.models.decode` reads it.
    """

    def __init__(
        self,
        preset: str = "full",
        classes: int = 13,
        *,
        ghost: bool,
        anchors_wh: Sequence[Sequence[float]] = DARKNET_ANCHORS_608,
    ) -> None:
        super().__init__()
        if preset not in PRESETS:
            raise RecipeError(f"expected a preset of {', '.join(PRESETS)}, got {preset!r}")
        if classes < 1:
            raise RecipeError(f"a detector needs one class or more, got {classes}")
        self.preset, self.classes, self.ghost = preset, classes, ghost
        self.backbone = Backbone(PRESETS[preset], ghost=ghost)
        self.neck = Neck(PRESETS[preset], self.backbone.out_channels, ghost=ghost)
        outputs = ANCHORS_PER_SCALE * (5 + classes)
        self.heads = nn.ModuleList(
            nn.Sequential(
                ConvBlock(channels, 2 * channels, 3, act="leaky"), nn.Conv2d(2 * channels, outputs, 1)
            )
            for channels in self.neck.out_channels
        )
        self.register_buffer("anchors_wh", _anchor_tensor(anchors_wh), persistent=False)
        self.anchors_wh: Tensor

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.heads_of(self.neck(self.backbone(x)))

    def heads_of(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The heads alone, on the neck's three maps."""
        raw = []
        for feature, head in zip(features, self.heads, strict=True):
            out = head(feature)  # (B, 3 * (5 + C), h, w)
            batch, _, height, width = out.shape
            out = out.view(batch, ANCHORS_PER_SCALE, 5 + self.classes, height, width)
            raw.append(out.permute(0, 1, 3, 4, 2))  # (B, 3, h, w, 5 + C)
        return raw


def _anchor_tensor(anchors_wh: Sequence[Sequence[float]]) -> Tensor:
    # On the CPU whatever the default device: a model built on the meta device has real anchors still.
    tensor = torch.as_tensor(anchors_wh, dtype=torch.float32, device="cpu")
    if tensor.shape != (len(STRIDES) * ANCHORS_PER_SCALE, 2) or not bool((tensor > 0).all()):
        raise RecipeError(f"expected nine anchors of positive width and height, got {tuple(tensor.shape)}")
    return tensor.view(len(STRIDES), ANCHORS_PER_SCALE, 2)  # (scale, anchor, wh)


def yolov4(
    preset: str = "full", classes: int = 13, anchors_wh: Sequence[Sequence[float]] = DARKNET_ANCHORS_608
) -> YOLOv4:
    """YOLOv4 (Bochkovskiy et al. 2020)."""
    return YOLOv4(preset, classes, ghost=False, anchors_wh=anchors_wh)


def yolov4_gs(
    preset: str = "full", classes: int = 13, anchors_wh: Sequence[Sequence[float]] = DARKNET_ANCHORS_608
) -> YOLOv4:
    """YOLOv4-GS, the detector that Lapel ships presets of."""
    return YOLOv4(preset, classes, ghost=True, anchors_wh=anchors_wh)
