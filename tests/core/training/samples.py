"""What the training tests share: pictures of colored rectangles with their boxes, and quick recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.training.recipes import DetectorRecipe

COLORS = ((200, 40, 40), (40, 60, 200))
CATEGORIES = ("red", "blue")
ANCHORS_WH = [(w, w * 1.4) for w in (8, 12, 16, 20, 26, 32, 38, 46, 56)]


def draw_rectangles(
    folder: Path, count: int, size_wh: tuple[int, int] = (96, 96), seed: int = 0
) -> DetectionDataset:
    """Pictures with a red and a blue rectangle each, as PNGs in ``folder``, and their boxes."""
    rng = np.random.default_rng(seed)
    photos = []
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = Image.new("RGB", size_wh, (230, 230, 220))
        boxes = []
        for half, color in enumerate(COLORS):
            x0 = int(rng.integers(4, 12)) + half * size_wh[0] // 2
            y0 = int(rng.integers(4, size_wh[1] // 3))
            x1, y1 = x0 + int(rng.integers(18, 34)), y0 + int(rng.integers(24, size_wh[1] // 2))
            ImageDraw.Draw(image).rectangle((x0, y0, x1 - 1, y1 - 1), fill=color)
            boxes.append((x0, y0, x1, y1))
        image.save(folder / f"{index}.png")
        photos.append(BoxedPhoto(f"{index}.png", *size_wh, np.array(boxes), np.array([0, 1])))
    return DetectionDataset(CATEGORIES, tuple(photos), folder)


def pico_recipe(**changes: Any) -> DetectorRecipe:
    """The smallest detector on 64 x 64 pixels, without any mixing unless asked for."""
    settings: dict[str, Any] = {
        "preset": "pico",
        "input_wh": (64, 64),
        "batch": 2,
        "epochs": 3,
        "clean_epochs": 1,
        "mosaic": 0.0,
        "masking": 0.0,
        "rotation_degrees": 0.0,
        "ema_decay": 0.9,
        "rebalance": 0.0,
    }
    return DetectorRecipe("test", **(settings | changes))
