"""What garments lie on, hang before, and what people stand in front of: (H, W, 3) pixels in 0..1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.synthetic.canvas import blur, creases, shading
from tools.synthetic.fabrics import PALETTE, Color, Fabric, noise, pick_color

SOFT = "#f4f2ec #e6dcc6 #d9d4cc #c8ccd2 #b9b2a6 #e7d9d3 #cfd8d3 #9a958d #6f6b69"
BLANKET = "#a32638 #7a2030 #e79aa8 #2f4f86 #f4f2ec #d8b896 #6a4632 #2f5a3c #8d8f94 #c9b6e0"
WOOD = "#b98a5a #8b5e3a #d2ab7c #6b4630 #c9b394 #a9714b"

Shape = tuple[int, int]
Ground = Callable[[Shape, np.random.Generator, Color], np.ndarray]
"""Draws (H, W, 3) in a color that stands out from the one given."""


def wall(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """Paper or plaster with a gradient."""
    rough = 0.08 * noise(shape, shape[1], rng) + rng.uniform(0.005, 0.03) * noise(shape, 4, rng)
    return pick_color(rng, SOFT, (apart,)) * (1 + rough)[..., None]


def blanket(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """A crumpled sheet, blanket or carpet, plain or patterned."""
    color = pick_color(rng, BLANKET, (apart,))
    second = np.clip(color * rng.uniform(0.75, 1.25), 0, 1)
    pattern = ("plain", "plain", "plain", "floral", "tartan", "dots")[rng.integers(6)]
    v, u = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / 160
    light = shading(rng.uniform(0.1, 0.8) * creases(shape, rng.uniform(180, 330), rng))
    pile = 1 + rng.uniform(0.04, 0.16) * noise(shape, 5, rng)
    return Fabric(color, second, pattern, 0.5).colors(u, v) * (light * pile)[..., None]


def planks(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """A wooden floor: boards of slightly different colors, with veins and gaps."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    wide, tall = int(rng.uniform(0.09, 0.18) * shape[1]), int(rng.uniform(0.5, 0.9) * shape[0])
    y = y + rng.integers(0, tall, shape[1] // wide + 1)[x // wide]
    tone = rng.uniform(0.82, 1.08, (shape[1] // wide + 1, 4))[x // wide, y // tall]
    tone += 0.08 * noise((1, shape[1]), 5, rng)
    tone *= np.where((x % wide < 3) | (y % tall < 3), 0.55, 1.0)
    return pick_color(rng, WOOD, (apart,)) * tone[..., None]


def tiles(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """A tiled floor with joints."""
    size = int(rng.uniform(0.16, 0.34) * shape[1])
    y, x = np.mgrid[: shape[0], : shape[1]]
    tone = rng.uniform(0.93, 1.05, (shape[0] // size + 1, shape[1] // size + 1))[y // size, x // size]
    tone *= np.where((x % size < 5) | (y % size < 5), 0.72, 1.0)
    return pick_color(rng, SOFT, (apart,)) * tone[..., None]


def street(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """A house front with windows or a hedge, out of focus above a pavement."""
    horizon = int(rng.uniform(0.52, 0.72) * shape[0])
    y, x = np.mgrid[:horizon, : shape[1]]
    across, down = (x / shape[1] * rng.integers(3, 6)) % 1.0, (y / horizon * rng.integers(2, 4)) % 1.0
    pane = (np.abs(across - 0.5) < 0.25) & (np.abs(down - 0.45) < 0.28)
    house = pick_color(rng, f"{SOFT} #c9a98a #9c4f3a #8fa0ad", (apart,))
    front = np.where(pane[..., None], pick_color(rng, "#28323b #5c6f7d #93a9b5"), house)
    leaves = 0.85 + 0.5 * (noise(pane.shape, 31, rng) + noise(pane.shape, 113, rng))
    hedge = pick_color(rng, "#4c6b3c #6d8a4c #3d5a3e") * leaves[..., None]
    behind, focus = (front, hedge)[rng.integers(2)], rng.uniform(5, 12)
    upper = np.stack([blur(channel, focus) for channel in np.moveaxis(behind, 2, 0)], axis=2)
    depth = np.linspace(0.0, 1.0, shape[0] - horizon)[:, None] ** 2
    middle = (np.arange(shape[1]) - shape[1] / 2) / (0.4 + depth)
    joint = ((depth * 4) % 1.0 < 0.02) | ((middle / 220) % 1.0 < 0.015)
    stone = np.where(joint, 0.75, 0.86 + 0.14 * depth)[..., None]
    return np.concatenate([upper, pick_color(rng, "#a9a6a1 #8c8a88 #c4beb4 #77736f", (apart,)) * stone])


def studio(shape: Shape, rng: np.random.Generator, apart: Color) -> np.ndarray:
    """A backdrop that runs into the floor, brighter in the middle."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    glow = 1.06 - 0.22 * (x**2 + (y + 0.2) ** 2) - 0.1 * np.clip(1 - np.abs(y - 0.62) * 6, 0, 1)
    return pick_color(rng, f"{SOFT} {PALETTE}", (apart,)) * glow[..., None]


LYING: tuple[Ground, ...] = (wall, wall, blanket, blanket, blanket, planks, tiles)
HANGING: tuple[Ground, ...] = (wall, wall, wall, planks)
STANDING: tuple[Ground, ...] = (street, street, street, studio, wall)
