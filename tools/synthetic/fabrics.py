"""What garments are made of: colours, woven and printed patterns, and the noise that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

Colour = tuple[float, float, float]
"""Red, green and blue in 0..1."""

PALETTE: tuple[str, ...] = (
    "#1b1b1f", "#f4f2ec", "#e6dcc6", "#8d8f94", "#4a4d55", "#1f2a48", "#2f4f86", "#8fb3d9", "#2c7f86",
    "#b8d8cf", "#2f5a3c", "#6f7445", "#a8b47a", "#d9a62e", "#f1dc78", "#d9722e", "#c23b33", "#7a2030",
    "#e79aa8", "#f3ccd0", "#c7548b", "#8d6bb0", "#c9b6e0", "#6a4632", "#b58a5e", "#d8b896", "#3a2a24",
)  # fmt: skip
DENIM: tuple[str, ...] = ("#24344f", "#34507a", "#5878a3", "#8aa6c8", "#2a2d35", "#b5c6da")
LEATHER: tuple[str, ...] = (
    "#201a18",
    "#4b2f20",
    "#7d4b2a",
    "#a8703f",
    "#c49a6c",
    "#5e1f22",
    "#ece4d8",
    "#394048",
)


def colour_from(text: str) -> Colour:
    """The colour that ``#rrggbb`` names."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def rgb(colour: Colour) -> np.ndarray:
    """The colour as (3,) float32."""
    return np.array(colour, dtype=np.float32)


def pick_colour(rng: np.random.Generator, palette: tuple[str, ...] = PALETTE) -> Colour:
    """A colour near one of the palette's."""
    base = np.array(colour_from(palette[rng.integers(len(palette))]))
    red, green, blue = np.clip(base * rng.uniform(0.85, 1.12) + rng.uniform(-0.03, 0.03, 3), 0.03, 0.97)
    return float(red), float(green), float(blue)


def distance(one: Colour, other: Colour) -> float:
    """How far two colours lie apart: 0 for the same, 1 for black and white."""
    return float(np.sqrt(np.mean((np.array(one) - np.array(other)) ** 2)))


def pick_apart(
    rng: np.random.Generator, others: tuple[Colour, ...], palette: tuple[str, ...] = PALETTE
) -> Colour:
    """A colour that can be told from the others: the farthest of several, or the first that is far enough."""
    tried = [pick_colour(rng, palette) for _ in range(8)]
    return next(
        (colour for colour in tried if all(distance(colour, other) > 0.25 for other in others)),
        max(tried, key=lambda colour: min((distance(colour, other) for other in others), default=1.0)),
    )


def noise(shape_hw: tuple[int, int], cells_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about -1..1, (h, w), from a random grid of the given number of cells."""
    grid = rng.uniform(-1.0, 1.0, (cells_hw[0] + 3, cells_hw[1] + 3)).astype(np.float32)
    picture = Image.fromarray(grid).resize((shape_hw[1], shape_hw[0]), Image.Resampling.BICUBIC)
    return np.asarray(picture)


@lru_cache(maxsize=16)
def _tile(seed: int) -> np.ndarray:
    """A 1024 x 1024 tile of smooth noise that repeats without a seam, 16 cells wide."""
    grid = np.random.default_rng(seed).uniform(-1.0, 1.0, (16, 16)).astype(np.float32)
    picture = Image.fromarray(np.tile(grid, (3, 3))).resize((3072, 3072), Image.Resampling.BICUBIC)
    return np.asarray(picture)[1024:2048, 1024:2048].copy()


def _field(u: np.ndarray, v: np.ndarray, cell: float, seed: int) -> np.ndarray:
    """Smooth noise fixed to the cloth: the same (u, v) always has the same value."""
    pixels_a_unit = 64.0 / cell
    column = (u * pixels_a_unit).astype(np.int64) % 1024
    row = (v * pixels_a_unit).astype(np.int64) % 1024
    return _tile(seed % 16)[row, column]


def _band(x: np.ndarray, period: float, share: float = 0.5) -> np.ndarray:
    return ((x / period) % 1.0 < share).astype(np.float32)


def _plain(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    return 0.03 * _field(u, v, 0.05, seed)


def _heather(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    return 0.15 + 0.1 * _field(u, v * 2.0, 0.03, seed)


def _stripes(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    return _band(v, period, (0.5, 0.3, 0.65, 0.18)[seed % 4])


def _pinstripes(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    return _band(u, period * 0.6, (0.12, 0.3, 0.45)[seed % 3])


def _gingham(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    return (_band(u, period * 0.7) + _band(v, period * 0.7)) / 2


def _tartan(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    def warp(x: np.ndarray) -> np.ndarray:
        return 0.5 * _band(x, period * 1.6, 0.35) + 0.35 * _band(x + period * 0.5, period * 1.6, 0.07)

    return np.clip(warp(u) + warp(v), 0.0, 1.0)


def _dots(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    row = np.floor(v / period)
    x = (u / period + 0.5 * (row % 2)) % 1.0 - 0.5
    y = (v / period) % 1.0 - 0.5
    return (x**2 + y**2 < 0.05 + 0.02 * (seed % 3)).astype(np.float32)


def _floral(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    """Five petals a cell, each cell's flower shifted, turned and sized by a hash of the cell."""
    size = period * 1.5
    column, row = np.floor(u / size).astype(np.int64), np.floor(v / size).astype(np.int64)
    code = (column * 73856093 ^ row * 19349663 ^ (seed * 83492791)) & 0xFFFF
    x = (u / size) % 1.0 - 0.5 + ((code & 15) / 15.0 - 0.5) * 0.3
    y = (v / size) % 1.0 - 0.5 + (((code >> 4) & 15) / 15.0 - 0.5) * 0.3
    petals = 0.2 + 0.09 * np.cos(5 * np.arctan2(y, x) + ((code >> 8) & 7))
    radius = np.sqrt(x**2 + y**2)
    return np.where(radius < 0.07, 0.45, (radius < petals).astype(np.float32)).astype(np.float32)


def _spots(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    """Leopard-like rings: a band of the noise's values, broken by a coarser noise."""
    field = _field(u, v, period * 0.6, seed)
    ring = (np.abs(field - 0.22) < 0.13) & (_field(u, v, period * 0.45, seed + 5) > -0.35)
    return np.where(ring, 1.0, np.where(field > 0.3, 0.35, 0.0)).astype(np.float32)


def _camouflage(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    field = _field(u, v * 1.3, period * 1.6, seed) + 0.5 * _field(u, v, period * 0.6, seed + 3)
    return (np.digitize(field, [-0.35, 0.05, 0.4]) / 3.0).astype(np.float32)


def _denim(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    twill = 0.07 * _band(u + v, 0.03) + 0.06 * _field(u * 2.0, v, 0.06, seed)
    return (twill + 0.2 * _field(u, v * 0.6, 1.1, seed + 1)).astype(np.float32)


def _knit(u: np.ndarray, v: np.ndarray, period: float, seed: int) -> np.ndarray:
    rib = np.sin(2 * np.pi * u / 0.09)
    return (0.12 * rib + 0.08 * np.sin(2 * np.pi * (v + 0.02 * rib) / 0.05)).astype(np.float32)


Pattern = Callable[[np.ndarray, np.ndarray, float, int], np.ndarray]
PATTERNS: dict[str, Pattern] = {
    "plain": _plain, "heather": _heather, "stripes": _stripes, "pinstripes": _pinstripes, "gingham": _gingham,
    "tartan": _tartan, "dots": _dots, "floral": _floral, "spots": _spots, "camouflage": _camouflage,
    "denim": _denim, "knit": _knit,
}  # fmt: skip


@dataclass(frozen=True)
class Fabric:
    """A cloth: two colours, how they alternate (``period`` in the outline's units), and how it takes light.

    ``wrinkle`` is the strength of creases (0 for a board, 1 for crumpled linen), ``gloss`` adds highlights.
    """

    colour: Colour
    second: Colour
    pattern: str = "plain"
    period: float = 0.3
    wrinkle: float = 0.4
    gloss: float = 0.0
    seed: int = 0

    def colours(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The cloth's colour at the outline units (u, v): (h, w) each to (h, w, 3), about 0..1."""
        share = PATTERNS[self.pattern](u, v, self.period, self.seed)[..., None]
        first, second = rgb(self.colour), rgb(self.second)
        return first + (second - first) * share


def dyed(colour: Colour, wrinkle: float = 0.15, gloss: float = 0.0) -> Fabric:
    """A plain material of one colour."""
    return Fabric(colour, tuple(min(1.0, c + 0.1) for c in colour), wrinkle=wrinkle, gloss=gloss)  # type: ignore[arg-type]


def weave(rng: np.random.Generator, patterns: tuple[str, ...], palette: tuple[str, ...] = PALETTE) -> Fabric:
    """A cloth of one of the patterns, in colours that can be told apart."""
    pattern = patterns[rng.integers(len(patterns))]
    if pattern == "denim":
        palette = DENIM
    colour = pick_colour(rng, palette)
    second = pick_apart(rng, (colour,))
    if pattern in ("denim", "knit", "plain"):
        second = dyed(colour).second if pattern != "denim" else (0.8, 0.84, 0.9)
    return Fabric(
        colour,
        second,
        pattern,
        rng.uniform(0.14, 0.42),
        rng.uniform(0.2, 0.6),
        0.0,
        int(rng.integers(1 << 16)),
    )
