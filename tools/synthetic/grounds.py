"""What garments lie on, hang before, and what people stand in front of: (H, W, 3) pixels in 0..1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.synthetic.canvas import blur, creases, shading
from tools.synthetic.fabrics import PALETTE, Colour, Fabric, noise, pick_apart, pick_colour, rgb, weave

SOFT = ("#f4f2ec", "#e6dcc6", "#d9d4cc", "#c8ccd2", "#b9b2a6", "#e7d9d3", "#cfd8d3", "#9a958d", "#6f6b69")
BLANKET = (
    "#a32638",
    "#7a2030",
    "#e79aa8",
    "#2f4f86",
    "#f4f2ec",
    "#d8b896",
    "#6a4632",
    "#2f5a3c",
    "#8d8f94",
    "#c9b6e0",
)
WOOD = ("#b98a5a", "#8b5e3a", "#d2ab7c", "#6b4630", "#c9b394", "#a9714b")

Shape = tuple[int, int]


def _filled(shape: Shape, colour: Colour) -> np.ndarray:
    return np.ones((*shape, 3), dtype=np.float32) * rgb(colour)


def _grain(shape: Shape, size: float, rng: np.random.Generator) -> np.ndarray:
    """Noise with cells of about ``size`` pixels, (h, w, 1)."""
    cells = (max(1, int(shape[0] / size)), max(1, int(shape[1] / size)))
    return noise(shape, cells, rng)[..., None]


def paper(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A plain sheet with a gradient."""
    ground = _filled(shape, pick_apart(rng, (apart,), SOFT))
    return ground * (1 + 0.08 * _grain(shape, shape[1], rng)) + 0.012 * _grain(shape, 3, rng)


def blanket(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A crumpled sheet or blanket, plain or patterned."""
    plain = rng.random() < 0.7
    colour = pick_apart(rng, (apart,), BLANKET)
    pattern = weave(rng, ("floral", "tartan", "stripes", "dots")).pattern if not plain else "plain"
    second = tuple(float(c) for c in np.clip(np.array(colour) * rng.uniform(0.75, 1.25), 0, 1))
    fabric = Fabric(colour, (second[0], second[1], second[2]), pattern, 0.5, seed=int(rng.integers(99)))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / 160
    turn = rng.uniform(0, 3.14)
    ground = fabric.colours(x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn))
    light = shading(float(rng.uniform(0.25, 0.8)) * creases(shape, rng.uniform(180, 330), rng))
    return ground * light[..., None] * (1 + 0.05 * _grain(shape, 3, rng))


def planks(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A wooden floor: boards of slightly different colours, with grain and gaps, along or across."""
    if rng.random() < 0.5:
        return planks_along(shape, rng, apart)
    return np.ascontiguousarray(planks_along((shape[1], shape[0]), rng, apart).transpose(1, 0, 2))


def planks_along(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """Boards from left to right."""
    colour = rgb(pick_apart(rng, (apart,), WOOD))
    board = int(rng.uniform(0.09, 0.18) * shape[0])
    row = np.arange(shape[0]) // board
    length = shape[1] * rng.uniform(0.5, 0.9)
    shift = rng.uniform(0, length, row.max() + 1)[row]
    column = ((np.arange(shape[1])[None, :] + shift[:, None]) // length).astype(int)
    tone = rng.uniform(0.82, 1.08, (int(row.max()) + 1, int(column.max()) + 1))[row[:, None], column]
    veins = noise(shape, (shape[0] // 5, 3), rng) * 0.07 + noise(shape, (shape[0] // 14, 6), rng) * 0.07
    gap = (np.arange(shape[0]) % board < 3)[:, None] | (
        (np.arange(shape[1])[None, :] + shift[:, None]) % length < 3
    )
    value = (tone + veins) * np.where(gap, 0.55, 1.0)
    return (colour * value[..., None]).astype(np.float32)


def tiles(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A tiled floor with joints."""
    size = int(rng.uniform(0.16, 0.34) * shape[1])
    y, x = np.mgrid[: shape[0], : shape[1]]
    joint = (x % size < 5) | (y % size < 5)
    tone = rng.uniform(0.93, 1.05, (shape[0] // size + 1, shape[1] // size + 1))[y // size, x // size]
    stone = 1 + 0.06 * _grain(shape, 60, rng)[..., 0] + 0.03 * _grain(shape, 8, rng)[..., 0]
    colour = rgb(pick_apart(rng, (apart,), SOFT))
    return (colour * (tone * stone * np.where(joint, 0.72, 1.0))[..., None]).astype(np.float32)


def carpet(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A carpet: coarse pile, sometimes with a woven pattern."""
    colour = pick_apart(rng, (apart,), BLANKET + SOFT)
    second = tuple(float(c) for c in np.clip(np.array(colour) * rng.uniform(0.6, 1.3), 0, 1))
    pattern = ("plain", "plain", "gingham", "floral", "camouflage")[rng.integers(5)]
    fabric = Fabric(colour, (second[0], second[1], second[2]), pattern, 0.8, seed=int(rng.integers(99)))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / 150
    return fabric.colours(x, y) * (1 + 0.16 * _grain(shape, 5, rng) + 0.08 * _grain(shape, 14, rng))


def plaster(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A painted wall."""
    colour = pick_apart(rng, (apart,), SOFT)
    rough = 0.02 * _grain(shape, 6, rng) + 0.03 * _grain(shape, 40, rng) + 0.06 * _grain(shape, shape[1], rng)
    return _filled(shape, colour) * (1 + rough)


def street(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A house front or a hedge out of focus above a pavement."""
    horizon = int(rng.uniform(0.52, 0.72) * shape[0])
    upper = (_front, _bricks, _hedge)[rng.integers(3)]((horizon, shape[1]), rng, apart)
    focus = rng.uniform(5, 12)
    upper = np.stack([blur(np.ascontiguousarray(upper[..., c]), focus) for c in range(3)], axis=2)
    lower_shape = (shape[0] - horizon, shape[1])
    paving = _filled(lower_shape, pick_apart(rng, (apart,), ("#a9a6a1", "#8c8a88", "#c4beb4", "#77736f")))
    depth = np.linspace(0.0, 1.0, lower_shape[0])[:, None] ** 2
    joints = (((depth * 4) % 1.0) < 0.02).astype(np.float32) * np.ones((1, shape[1]), np.float32)
    middle = (np.arange(shape[1]) - shape[1] / 2)[None, :] / (0.4 + depth)
    joints = np.maximum(joints, ((middle / 220) % 1.0 < 0.015).astype(np.float32))
    paving = paving * (0.86 + 0.14 * depth[..., None]) * (1 - 0.18 * joints[..., None]) + 0.03 * _grain(
        lower_shape, 4, rng
    )
    kerb = np.ones((10, shape[1], 3), np.float32) * rgb((0.42, 0.41, 0.4))
    return np.concatenate([upper, np.concatenate([kerb, paving])[: lower_shape[0]]])


def _front(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    wall = _filled(shape, pick_apart(rng, (apart,), (*SOFT, "#c9a98a", "#a98d74", "#8fa0ad")))
    y, x = np.mgrid[: shape[0], : shape[1]]
    wide, tall = shape[1] / rng.integers(3, 6), shape[0] / rng.integers(2, 4)
    column, row = (x / wide) % 1.0, (y / tall) % 1.0
    frame = (column > 0.2) & (column < 0.8) & (row > 0.12) & (row < 0.78)
    pane = (column > 0.25) & (column < 0.75) & (row > 0.17) & (row < 0.73) & (np.abs(column - 0.5) > 0.02)
    wall[frame] *= 1.12
    wall[pane] = pick_colour(rng, ("#28323b", "#5c6f7d", "#3b3a38", "#93a9b5"))
    return wall * (1 + 0.05 * _grain(shape, 120, rng))


def _bricks(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    colour = rgb(pick_apart(rng, (apart,), ("#9c4f3a", "#7d4434", "#b98a6a", "#8e8a86")))
    y, x = np.mgrid[: shape[0], : shape[1]]
    row = y // 26
    x = x + (row % 2) * 34
    tone = rng.uniform(0.8, 1.12, (shape[0] // 26 + 1, shape[1] // 68 + 2))[row, x // 68]
    joint = (y % 26 < 4) | (x % 68 < 4)
    return np.where(joint[..., None], rgb((0.72, 0.69, 0.65)), colour * tone[..., None]).astype(np.float32)


def _hedge(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    leaves = (
        0.85 + 0.3 * _grain(shape, 13, rng) + 0.28 * _grain(shape, 31, rng) + 0.3 * _grain(shape, 113, rng)
    )
    sky = np.linspace(1.25, 0.85, shape[0])[:, None, None]
    return (_filled(shape, pick_colour(rng, ("#4c6b3c", "#6d8a4c", "#3d5a3e"))) * leaves * sky).astype(
        np.float32
    )


def studio(shape: Shape, rng: np.random.Generator, apart: Colour) -> np.ndarray:
    """A backdrop that runs into the floor, brighter in the middle."""
    ground = _filled(shape, pick_apart(rng, (apart,), SOFT + PALETTE[8:16]))
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]  # type: ignore[misc]
    glow = 1.06 - 0.22 * (x**2 + (y + 0.2) ** 2) - 0.1 * np.clip(1 - np.abs(y - 0.62) * 6, 0, 1)
    return (ground * glow[..., None]).astype(np.float32)


Ground = Callable[[Shape, np.random.Generator, Colour], np.ndarray]
LYING: tuple[Ground, ...] = (paper, paper, blanket, blanket, planks, tiles, carpet)
HANGING: tuple[Ground, ...] = (plaster, plaster, paper, planks)
STANDING: tuple[Ground, ...] = (street, street, street, studio, plaster)
