"""Whole drawn photos with their boxes: a garment laid out or hung up, or a person who wears several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.synthetic import accessories, bottoms, coats, tops
from tools.synthetic.canvas import Canvas, Part, Stroke
from tools.synthetic.curves import Placement, curve, limb
from tools.synthetic.fabrics import dyed
from tools.synthetic.figures import Figure, Mark, Piece, flat_figure, hung_figure
from tools.synthetic.grounds import HANGING, LYING, STANDING
from tools.synthetic.persons import draw_person

CATEGORIES: tuple[str, ...] = (
    "bag", "belt", "boots", "footwear", "outerwear", "dress", "sunglasses", "pants", "top", "shorts", "skirt",
    "headwear", "scarf_tie",
)  # fmt: skip
"""The names that drawn garments go by, in the order of the street photos' category set."""

GARMENTS: dict[str, Callable[[Figure, np.random.Generator], Piece]] = {
    **tops.TOPS, **coats.COATS, **bottoms.BOTTOMS, **accessories.ACCESSORIES,
}  # fmt: skip
KINDS: tuple[str, ...] = ("flat", "hanger", "person", *GARMENTS)
"""What ``draw_scene`` takes as its kind; a garment's name lays that garment out."""

OVERSAMPLING = 2
SMALLEST_AREA = 60
"""Garments of which fewer pixels can be seen have no box."""


@dataclass(frozen=True)
class DrawnScene:
    """A drawn photo, RGB, with its N garments.

    ``boxes_xyxy`` (N, 4) float32 in pixels and ``masks`` (N, H, W) bool hold what can be seen of each;
    ``categories`` names it, ``labels`` is its catalog label (None for what the catalog lacks).
    """

    image: Image.Image
    boxes_xyxy: np.ndarray
    categories: tuple[str, ...]
    labels: tuple[str | None, ...]
    masks: np.ndarray


def draw_scene(seed: int, size_wh: tuple[int, int] = (480, 640), kind: str | None = None) -> DrawnScene:
    """Draw one photo; the same seed, size and kind give the same pixels.

    ``kind`` is one of ``KINDS``, by default any. Raises ValueError for another kind or a size below 32.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"expected one of the kinds {', '.join(KINDS)}; got {kind!r}")
    if min(size_wh) < 32:
        raise ValueError(f"a drawn photo has at least 32 x 32 pixels, got {size_wh}")
    rng = np.random.default_rng(seed)
    chosen = kind or ("flat", "flat", "hanger", "person", "person")[rng.integers(5)]
    shape = (size_wh[1] * OVERSAMPLING, size_wh[0] * OVERSAMPLING)
    if chosen == "person":
        canvas, pieces = _person_scene(rng, shape)
    elif chosen == "hanger":
        canvas, pieces = _hanger_scene(rng, shape)
    else:
        canvas, pieces = _flat_scene(rng, shape, None if chosen == "flat" else chosen)
    return _finish(canvas, pieces, size_wh, rng)


def _flat_scene(
    rng: np.random.Generator, shape: tuple[int, int], name: str | None
) -> tuple[Canvas, tuple[Piece, ...]]:
    names = tuple(GARMENTS)
    piece = GARMENTS[name or names[rng.integers(len(names))]](flat_figure(rng), rng)
    canvas = Canvas(LYING[rng.integers(len(LYING))](shape, rng, piece.fabric.colour), rng)
    marks = (*piece.back, *piece.sleeves, *piece.parts)
    placement = _fitted(marks, shape, float(rng.normal(0.0, 0.09)), float(rng.uniform(0.7, 0.94)), rng)
    _lay_down(canvas, marks, piece, placement, 0.05)
    return canvas, (piece,)


def _hanger_scene(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Canvas, tuple[Piece, ...]]:
    makers = (*tops.TOPS.values(), *coats.COATS.values())
    piece = makers[rng.integers(len(makers))](hung_figure(rng), rng)
    canvas = Canvas(HANGING[rng.integers(len(HANGING))](shape, rng, piece.fabric.colour), rng)
    marks = (*piece.back, *piece.parts, *piece.sleeves)
    placement = _fitted(marks, shape, float(rng.normal(0.0, 0.02)), float(rng.uniform(0.66, 0.82)), rng)
    wood = dyed((0.55, 0.36, 0.2) if rng.random() < 0.6 else (0.12, 0.12, 0.13), 0.05, 0.4)
    hook = curve([(0.0, 1.2), (0.0, 0.62), (0.12, 0.42), (0.0, 0.26), (-0.12, 0.36)], closed=False)
    bar = limb(
        curve([(-0.8, 1.56), (-0.3, 1.28), (0.0, 1.2), (0.3, 1.28), (0.8, 1.56)], closed=False), [0.07] * 2, 4
    )
    for mark in (Stroke(hook, 0.05, colour=(0.62, 0.62, 0.64)), Part(bar, relief=0.6)):
        canvas.paint(mark, placement, wood, 0)
    _lay_down(canvas, marks, piece, placement, 0.16)
    return canvas, (piece,)


def _person_scene(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Canvas, tuple[Piece, ...]]:
    person = draw_person(rng)
    canvas = Canvas(STANDING[rng.integers(len(STANDING))](shape, rng, person.pieces[0].fabric.colour), rng)
    scale = min(shape[0] / rng.uniform(8.5, 9.8), shape[1] / 4.4)
    feet = shape[0] - scale * rng.uniform(0.2, 0.55)
    placement = Placement(
        scale, float(rng.normal(0, 0.015)), (shape[1] * rng.uniform(0.4, 0.6), feet - 7.9 * scale)
    )
    angle = np.linspace(0, 2 * np.pi, 40)
    pool = np.stack([np.cos(angle) * 1.2 + 0.5, np.sin(angle) * 0.18 + 7.9], axis=1)
    canvas.drop_shadow([placement.to_pixels(pool)], (0.0, 0.0), 0.16 * scale, 0.5)
    for layer in person.layers:
        for mark in layer.marks:
            canvas.paint(mark, placement, layer.fabric, layer.piece)
    return canvas, person.pieces


def _fitted(
    marks: tuple[Mark, ...], shape: tuple[int, int], turn: float, share: float, rng: np.random.Generator
) -> Placement:
    """The placement that lets the marks fill a share of the picture, somewhere near its middle."""
    points = np.concatenate([mark.outline if isinstance(mark, Part) else mark.path for mark in marks])
    turned = Placement(1.0, turn).to_pixels(points)
    low, high = turned.min(axis=0), turned.max(axis=0)
    room = np.array([shape[1], shape[0]])
    scale = float((room * share / (high - low)).min())
    spare = (room - scale * (high - low)) / 2
    origin = room / 2 - scale * (low + high) / 2 + rng.uniform(-0.6, 0.6, 2) * spare
    return Placement(scale, turn, (float(origin[0]), float(origin[1])))


def _lay_down(
    canvas: Canvas, marks: tuple[Mark, ...], piece: Piece, placement: Placement, height: float
) -> None:
    """Throw the garment's shadow on what lies below and paint it; ``height`` above the ground in heads."""
    outlines = [placement.to_pixels(mark.outline) for mark in marks if isinstance(mark, Part)]
    reach = height * placement.scale
    canvas.drop_shadow(outlines, (0.5 * reach, 0.8 * reach), reach, 0.5)
    canvas.drop_shadow(outlines, (0.0, 0.0), 0.3 * reach + 2, 0.3)
    for mark in marks:
        canvas.paint(mark, placement, piece.fabric, 1)


def _finish(
    canvas: Canvas, pieces: tuple[Piece, ...], size_wh: tuple[int, int], rng: np.random.Generator
) -> DrawnScene:
    """Light falls off, the camera adds a cast and noise, and the picture shrinks to its size."""
    pixels = canvas.pixels
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]  # type: ignore[misc]
    lean = rng.uniform(-0.08, 0.08, 2)
    light = 1 + lean[0] * x + lean[1] * y - rng.uniform(0.0, 0.12) * (x**2 + y**2)
    pixels = pixels * light[..., None] * rng.uniform(0.96, 1.04, 3) * rng.uniform(0.9, 1.06)
    pixels = pixels.reshape(size_wh[1], OVERSAMPLING, size_wh[0], OVERSAMPLING, 3).mean(axis=(1, 3))
    pixels += rng.normal(0.0, rng.uniform(0.002, 0.012), pixels.shape)
    image = Image.fromarray((np.clip(pixels, 0.0, 1.0) * 255 + 0.5).astype(np.uint8))
    masks, boxes, kept = [], [], []
    for number, piece in enumerate(pieces, start=1):
        shown = canvas.owner == number
        mask = shown.reshape(size_wh[1], OVERSAMPLING, size_wh[0], OVERSAMPLING).mean(axis=(1, 3)) > 0.5
        if mask.sum() >= SMALLEST_AREA:
            masks.append(mask)
            boxes.append(_tight(mask))
            kept.append(piece)
    return DrawnScene(
        image,
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        tuple(piece.category for piece in kept),
        tuple(piece.label for piece in kept),
        np.array(masks, dtype=bool).reshape(-1, size_wh[1], size_wh[0]),
    )


def _tight(mask: np.ndarray) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
