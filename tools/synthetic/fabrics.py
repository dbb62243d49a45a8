"""What garments are made of: colors, woven and printed patterns, and the noise that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageColor

Color = np.ndarray
"""(3,) float64: red, green and blue in 0..1."""

PALETTE = (
    "#1b1b1f #f4f2ec #e6dcc6 #8d8f94 #4a4d55 #1f2a48 #2f4f86 #8fb3d9 #2c7f86 #b8d8cf #2f5a3c #6f7445 #a8b47a "
    "#d9a62e #f1dc78 #d9722e #c23b33 #7a2030 #e79aa8 #f3ccd0 #c7548b #8d6bb0 #c9b6e0 #6a4632 #b58a5e #d8b896"
)
DENIM = "#24344f #34507a #5878a3 #8aa6c8 #2a2d35 #b5c6da"
LEATHER = "#201a18 #4b2f20 #7d4b2a #a8703f #c49a6c #5e1f22 #ece4d8 #394048"
SOLES = "#f4f2ec #201a18 #b58a5e"


def color_from(name: str) -> Color:
    """The color that ``#rrggbb`` or a name such as ``white`` stands for."""
    return np.array(ImageColor.getrgb(name)) / 255


def pick_color(rng: np.random.Generator, palette: str = PALETTE, apart: tuple[Color, ...] = ()) -> Color:
    """A color near one of the palette's: of eight tried, one that stands out from those in ``apart``."""
    names = palette.split()
    tried = [
        np.clip(color_from(names[rng.integers(len(names))]) + rng.uniform(-0.05, 0.05, 3), 0.03, 0.97)
        for _ in range(8 if apart else 1)
    ]
    far = [color for color in tried if all(distance(color, other) > 0.25 for other in apart)]
    return far[0] if far else max(tried, key=lambda color: min(distance(color, other) for other in apart))


def distance(one: Color, other: Color) -> float:
    """How far two colors lie apart: 0 for the same, 1 for black and white."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def noise(shape_hw: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about -1..1, (h, w) float32, from a random grid with cells of so many pixels."""
    cells = [int(side / cell) + 3 for side in shape_hw]
    grid = Image.fromarray(rng.uniform(-1.0, 1.0, cells).astype(np.float32))
    return np.asarray(grid.resize((shape_hw[1], shape_hw[0]), Image.Resampling.BICUBIC))


@lru_cache(maxsize=8)
def _tile(seed: int) -> np.ndarray:
    """A 1024 x 1024 tile of smooth noise that repeats without a seam, 16 cells wide."""
    grid = np.random.default_rng(seed).uniform(-1.0, 1.0, (16, 16)).astype(np.float32)
    tiled = Image.fromarray(np.tile(grid, (3, 3))).resize((3072, 3072), Image.Resampling.BICUBIC)
    return np.asarray(tiled)[1024:2048, 1024:2048].copy()


def _field(u: np.ndarray, v: np.ndarray, cell: float, seed: int) -> np.ndarray:
    """Smooth noise fixed to the cloth: the same (u, v) always has the same value."""
    row, column = ((axis * (64.0 / cell)).astype(np.int64) % 1024 for axis in (v, u))
    return _tile(seed % 8)[row, column]


def _band(x: np.ndarray, share: float = 0.5) -> np.ndarray:
    return (x % 1.0 < share).astype(np.float32)


def _tartan(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    warp, weft = (0.5 * _band(x / 1.6, 0.35) + 0.35 * _band(x / 1.6 + 0.3, 0.07) for x in (u, v))
    return np.clip(warp + weft, 0.0, 1.0)


def _dots(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    x, y = (u + 0.5 * (np.floor(v) % 2)) % 1.0 - 0.5, v % 1.0 - 0.5
    return (x**2 + y**2 < 0.05 + 0.02 * (seed % 3)).astype(np.float32)


def _floral(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    """Five petals a cell, each cell's flower shifted and turned by a hash of the cell."""
    u, v = u / 1.5, v / 1.5
    column, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    code = (column * 73856093 ^ row * 19349663 ^ (seed * 83492791)) & 0xFFFF
    x = u % 1.0 - 0.5 + ((code & 15) / 15.0 - 0.5) * 0.3
    y = v % 1.0 - 0.5 + (((code >> 4) & 15) / 15.0 - 0.5) * 0.3
    radius, petals = np.hypot(x, y), 0.2 + 0.09 * np.cos(5 * np.arctan2(y, x) + ((code >> 8) & 7))
    return np.where(radius < 0.07, 0.45, radius < petals)


def _camouflage(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    field = _field(u, v * 1.3, 1.6, seed) + 0.5 * _field(u, v, 0.6, seed + 3)
    return np.digitize(field, [-0.35, 0.05, 0.4]) / 3.0


Pattern = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
PATTERNS: dict[str, Pattern] = {
    "plain": lambda u, v, seed: 0.05 * _field(u, v, 0.2, seed),
    "heather": lambda u, v, seed: 0.15 + 0.1 * _field(u, v * 2.0, 0.1, seed),
    "stripes": lambda u, v, seed: _band(v, (0.5, 0.3, 0.65, 0.18)[seed % 4]),
    "pinstripes": lambda u, v, seed: _band(u / 0.6, (0.12, 0.3, 0.45)[seed % 3]),
    "gingham": lambda u, v, seed: (_band(u / 0.7) + _band(v / 0.7)) / 2,
    "tartan": _tartan,
    "dots": _dots,
    "floral": _floral,
    "camouflage": _camouflage,
    "denim": lambda u, v, seed: 0.07 * _band((u + v) * 9) + 0.2 * _field(u, v * 0.6, 4.0, seed),
    "knit": lambda u, v, seed: 0.12 * np.sin(20 * u) + 0.08 * np.sin(35 * v + 0.7 * np.sin(20 * u)),
}
"""How much of a cloth's second color, (h, w) of about 0..1, there is at (u, v) in periods."""


@dataclass(frozen=True)
class Fabric:
    """A cloth: two colors, how they alternate (``period`` in heads), and how it takes light.

    ``wrinkle`` is the strength of creases (0 for a board, 1 for crumpled linen), ``gloss`` adds highlights.
    """

    color: Color
    second: Color
    pattern: str = "plain"
    period: float = 0.3
    wrinkle: float = 0.4
    gloss: float = 0.0
    seed: int = 0

    def colors(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The cloth's color at (u, v) in heads: (h, w) each to (h, w, 3) float32, about 0..1."""
        share = PATTERNS[self.pattern](u / self.period, v / self.period, self.seed)[..., None]
        return (self.color + (self.second - self.color) * share).astype(np.float32)


def dyed(color: Color | str, wrinkle: float = 0.15, gloss: float = 0.0) -> Fabric:
    """A plain material of one color."""
    color = color_from(color) if isinstance(color, str) else color
    return Fabric(color, np.minimum(1.0, color + 0.1), wrinkle=wrinkle, gloss=gloss)


def weave(rng: np.random.Generator, patterns: str, gloss: float = 0.0) -> Fabric:
    """A cloth of one of the patterns (names with spaces between), in two colors that differ well."""
    pattern = patterns.split()[rng.integers(len(patterns.split()))]
    color = pick_color(rng, DENIM if pattern == "denim" else PALETTE)
    second = pick_color(rng, apart=(color,))
    if pattern in ("plain", "knit", "denim"):
        second = color_from("#ccd6e6") if pattern == "denim" else np.minimum(1.0, color + 0.1)
    period, wrinkle = rng.uniform(0.14, 0.42), rng.uniform(0.2, 0.6)
    return Fabric(color, second, pattern, period, wrinkle, gloss, int(rng.integers(1 << 16)))
