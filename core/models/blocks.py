"""Convolution blocks of YOLOv4 and YOLOv4-GS: plain, residual, Ghost, SimAM and the cross-stage modules.

Sources: YOLOv4 (Bochkovskiy et al. 2020), Ghost (Han et al. 2020), SimAM (Yang et al. 2021) and the YOLOv4-GS
paper. Where that paper leaves a size open, the layout here is a reconstruction that meets its
published savings.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.models.fused import add_simam, ghost, norm_activate

ConvFactory = Callable[..., nn.Module]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "mish": lambda: nn.Mish(inplace=True),
    "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
    "linear": nn.Identity,
}
SIMAM_LAMBDA = 1e-4


class ConvBlock(nn.Sequential):
    """Convolution without bias, batch norm, activation ("CBM" with Mish, "CBL" with LeakyReLU 0.1)."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, act: str = "mish", groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(c_out),
            ACTIVATIONS[act](),
        )

    def forward(self, x: Tensor) -> Tensor:
        conv, norm, activation = self
        return norm_activate(conv(x), norm, activation)


class GhostConv(nn.Module):
    """Ghost convolution (Han et al. 2020, s=2, d=3): half the channels by an ordinary convolution, the other
    half by a depthwise 3x3 on those, then concatenation. ``c_out`` is even."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, act: str = "mish") -> None:
        super().__init__()
        half = c_out // 2
        self.primary = ConvBlock(c_in, half, kernel, stride, act)
        self.cheap = ConvBlock(half, half, 3, act=act, groups=half)

    def forward(self, x: Tensor) -> Tensor:
        return ghost(self.primary[0](x), self.primary, self.cheap)  # (B, c_out, H, W)


class SimAM(nn.Module):
    """Parameter-free 3-D attention (Yang et al. 2021).

    With d = (x - mean)^2 over H, W and v = sum(d) / (HW - 1), a neuron's inverse energy is
    y = d / (4 (v + lambda)) + 0.5; the output is x * sigmoid(y).
    """

    def __init__(self, regularizer: float = SIMAM_LAMBDA) -> None:
        super().__init__()
        self.regularizer = regularizer

    def energy(self, x: Tensor) -> Tensor:
        """Inverse energy of each neuron: the larger, the more it stands out. (B, C, H, W) to the same."""
        deviation = (x - x.mean(dim=(2, 3), keepdim=True)).square()
        neighbors = max(x.shape[2] * x.shape[3] - 1, 1)
        variance = deviation.sum(dim=(2, 3), keepdim=True) / neighbors
        return deviation / (4 * (variance + self.regularizer)) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.energy(x))


class Residual(nn.Module):
    """CSPDarknet53's residual unit: 1x1, 3x3, summed with the input."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvBlock(channels, hidden, 1), ConvBlock(hidden, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class GSModule(nn.Module):
    """The YOLOv4-GS paper's GS module: Ghost 1x1, Ghost 3x3, SimAM, summed with the input."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(GhostConv(channels, hidden, 1), GhostConv(hidden, channels, 3))
        self.attention = SimAM()

    def forward(self, x: Tensor) -> Tensor:
        return add_simam(x, self.body(x), self.attention, self.attention.regularizer)


class CrossStage(nn.Module):
    """CSP module: one branch runs ``depth`` units between two 1x1, the other is one 1x1; concat, 1x1 out.

    With ``conv=GhostConv`` and ``unit=GSModule`` it is the paper's GS-CSP.
    """

    def __init__(
        self,
        channels: int,
        depth: int,
        *,
        branch: int,
        hidden: int,
        conv: ConvFactory = ConvBlock,
        unit: ConvFactory = Residual,
    ) -> None:
        super().__init__()
        self.shortcut = conv(channels, branch, 1)
        self.enter = conv(channels, branch, 1)
        self.units = nn.Sequential(*(unit(branch, hidden) for _ in range(depth)))
        self.leave = conv(branch, branch, 1)
        self.merge = conv(2 * branch, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.leave(self.units(self.enter(x)))
        return self.merge(torch.cat((deep, self.shortcut(x)), dim=1))


class SpatialPyramidPooling(nn.Module):
    """SPP: max pooling 13, 9, 5 at stride 1 beside the identity, concatenated (B, 4C, H, W).

    Two and three chained 5x5 poolings equal one 9x9 and one 13x13, at a fraction of the work.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        five = self.pool(x)
        nine = self.pool(five)
        return torch.cat((self.pool(nine), nine, five, x), dim=1)
