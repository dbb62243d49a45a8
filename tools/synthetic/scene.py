"""Whole synthetic photos with their boxes: a garment laid out or hung up, or a person who wears several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from core.progress import Progress, ignore_progress
from tools.synthetic.canvas import Canvas, Mark, Part
from tools.synthetic.cuts import Piece, line, strip
from tools.synthetic.fabrics import dyed
from tools.synthetic.garments import GARMENTS, TOPS
from tools.synthetic.grounds import HANGING, LYING, STANDING
from tools.synthetic.outlines import Placement, ellipse
from tools.synthetic.people import NOBODY, draw_person, flat_figure, hung_figure

CATEGORIES: tuple[str, ...] = (
    "bag", "belt", "boots", "footwear", "outerwear", "dress", "sunglasses", "pants", "top", "shorts", "skirt",
    "headwear", "scarf_tie",
)  # fmt: skip
"""The names that drawn garments go by, in the order of the street photos' category set."""

KINDS: tuple[str, ...] = ("flat", "hanger", "person", *GARMENTS)
"""What ``draw_scene`` takes as its kind; a garment's name lays that garment out."""

OVERSAMPLING = 2
SMALLEST_AREA = 60
"""Garments of which fewer pixels can be seen have no box."""

JPEG_QUALITY = 92


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
    else:
        names = {"flat": tuple(GARMENTS), "hanger": tuple(TOPS)}.get(chosen, (chosen,))
        canvas, pieces = _single_scene(rng, shape, names[rng.integers(len(names))], hung=chosen == "hanger")
    return _finish(canvas, pieces, size_wh, rng)


def _single_scene(
    rng: np.random.Generator, shape: tuple[int, int], name: str, hung: bool
) -> tuple[Canvas, list[Piece]]:
    """A garment that lies on the ground, or hangs before a wall."""
    piece = GARMENTS[name]((hung_figure if hung else flat_figure)(rng), rng)
    grounds = HANGING if hung else LYING
    canvas = Canvas(grounds[rng.integers(len(grounds))](shape, rng, piece.fabric.color), rng)
    layers = (piece.back, piece.parts, piece.sleeves) if hung else (piece.back, piece.sleeves, piece.parts)
    marks = [mark for layer in layers for mark in layer]
    placement = _fitted(marks, shape, rng.normal(0.0, 0.02 if hung else 0.09), rng.uniform(0.66, 0.85), rng)
    if hung:
        hook = line((0.0, 1.2), (0.0, 0.62), (0.12, 0.42), (0.0, 0.26), (-0.12, 0.36), width=0.05)
        bar = strip([(-0.8, 1.56), (-0.3, 1.28), (0.0, 1.2), (0.3, 1.28), (0.8, 1.56)], 0.07)
        for mark in (hook, bar):
            canvas.paint(mark, placement, dyed("#8c5c33", 0.05, 0.4), NOBODY)
    outlines = [placement.to_pixels(mark.points) for mark in marks if isinstance(mark, Part)]
    reach = (0.16 if hung else 0.05) * placement.scale
    canvas.drop_shadow(outlines, (0.5 * reach, 0.8 * reach), reach, 0.5)
    canvas.drop_shadow(outlines, (0.0, 0.0), 0.3 * reach + 2, 0.3)
    for mark in marks:
        canvas.paint(mark, placement, piece.fabric, 1)
    return canvas, [piece]


def _fitted(
    marks: Sequence[Mark], shape: tuple[int, int], turn: float, share: float, rng: np.random.Generator
) -> Placement:
    """The placement that lets the marks fill a share of the picture, somewhere near its middle."""
    turned = Placement(1.0, turn).to_pixels(np.concatenate([mark.points for mark in marks]))
    low, high = turned.min(axis=0), turned.max(axis=0)
    room = np.array([shape[1], shape[0]])
    scale = float((room * share / (high - low)).min())
    spare = (room - scale * (high - low)) / 2
    x, y = room / 2 - scale * (low + high) / 2 + rng.uniform(-0.6, 0.6, 2) * spare
    return Placement(scale, turn, (float(x), float(y)))


def _person_scene(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Canvas, list[Piece]]:
    layers = draw_person(rng)
    pieces = list({id(piece): piece for piece, _, _ in layers if piece}.values())
    canvas = Canvas(STANDING[rng.integers(len(STANDING))](shape, rng, pieces[0].fabric.color), rng)
    scale = min(shape[0] / rng.uniform(8.5, 9.8), shape[1] / 4.4)
    top = shape[0] - scale * rng.uniform(8.1, 8.45)
    placement = Placement(scale, rng.normal(0, 0.015), (shape[1] * rng.uniform(0.4, 0.6), top))
    canvas.drop_shadow([placement.to_pixels(ellipse(0.5, 7.9, 1.2, 0.18))], (0.0, 0.0), 0.16 * scale, 0.5)
    for piece, fabric, marks in layers:
        owner = next((n for n, other in enumerate(pieces, start=1) if other is piece), NOBODY)
        for mark in marks:
            canvas.paint(mark, placement, fabric, owner)
    return canvas, pieces


def _finish(
    canvas: Canvas, pieces: Sequence[Piece], size_wh: tuple[int, int], rng: np.random.Generator
) -> DrawnScene:
    """Light falls off, the camera adds a cast and noise, and the picture shrinks to its size."""

    def downscaled(values: np.ndarray) -> np.ndarray:
        return values.reshape(size_wh[1], OVERSAMPLING, size_wh[0], OVERSAMPLING, -1).mean(axis=(1, 3))

    height, width = canvas.owner.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    lean = rng.uniform(-0.08, 0.08, 2)
    light = 1 + lean[0] * x + lean[1] * y - rng.uniform(0.0, 0.12) * (x**2 + y**2)
    pixels = (
        downscaled(canvas.pixels * light[..., None]) * rng.uniform(0.96, 1.04, 3) * rng.uniform(0.9, 1.06)
    )
    pixels += rng.normal(0.0, rng.uniform(0.002, 0.012), pixels.shape)
    image = Image.fromarray((np.clip(pixels, 0.0, 1.0) * 255 + 0.5).astype(np.uint8))
    masks = [downscaled(canvas.owner == number)[..., 0] > 0.5 for number in range(1, len(pieces) + 1)]
    seen = [(piece, mask) for piece, mask in zip(pieces, masks, strict=True) if mask.sum() >= SMALLEST_AREA]
    return DrawnScene(
        image,
        np.array([_tight(mask) for _, mask in seen], dtype=np.float32).reshape(-1, 4),
        tuple(piece.category for piece, _ in seen),
        tuple(piece.label for piece, _ in seen),
        np.array([mask for _, mask in seen], dtype=bool).reshape(-1, size_wh[1], size_wh[0]),
    )


def _tight(mask: np.ndarray) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def draw_dataset(
    folder: Path,
    count: int,
    seed: int = 0,
    size_wh: tuple[int, int] = (480, 640),
    kind: str | None = None,
    progress: Progress = ignore_progress,
) -> DetectionDataset:
    """Draw ``count`` photos into ``folder/photos`` and write ``folder/train.json`` (COCO).

    Photo n is drawn with the seed ``seed * 1_000_003 + n``, so that sets of different seeds share none.
    ``progress`` is called with (photos done, photos in all). Raises ``DatasetError`` for a count below one.
    """
    if count < 1:
        raise DatasetError(f"at least one photo is expected, got a count of {count}")
    photos_folder = Path(folder) / "photos"
    photos_folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for n in range(count):
        scene = draw_scene(seed * 1_000_003 + n, size_wh, kind)
        name = f"drawn-{seed}-{n:05d}.jpg"
        scene.image.save(photos_folder / name, quality=JPEG_QUALITY)
        ids = np.array([CATEGORIES.index(category) for category in scene.categories], dtype=np.int64)
        photos.append(BoxedPhoto(name, *size_wh, scene.boxes_xyxy, ids, scene.labels))
        progress(n + 1, count)
    dataset = DetectionDataset(CATEGORIES, tuple(photos), photos_folder)
    write_coco(dataset, Path(folder) / "train.json")
    return dataset
