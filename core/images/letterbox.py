"""Letterboxing: a photo scaled onto a canvas of the network's multiples, and boxes back to its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

GRAY = (114, 114, 114)


@dataclass(frozen=True, eq=False)
class Letterboxed:
    """The canvas picture, the photo's offset and size on it, and the photo's own size, all in pixels.

    Both sides are rounded to whole pixels, so each axis has a factor of its own.
    """

    image: Image.Image
    offset_xy: tuple[int, int]
    placed_wh: tuple[int, int]
    photo_wh: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """The factors from the photo to the canvas, across and down."""
        return self.placed_wh[0] / self.photo_wh[0], self.placed_wh[1] / self.photo_wh[1]

    def to_canvas(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) in pixels of the photo to pixels of the canvas."""
        boxes: np.ndarray = boxes_xyxy * np.array([*self.scale_xy] * 2) + np.array([*self.offset_xy] * 2)
        return boxes

    def to_photo(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) in pixels of the canvas to pixels of the photo, clipped to it."""
        boxes = (boxes_xyxy - np.array([*self.offset_xy] * 2)) / np.array([*self.scale_xy] * 2)
        return np.clip(boxes, 0, [*self.photo_wh] * 2)


def letterbox(image: Image.Image, canvas_wh: tuple[int, int]) -> Letterboxed:
    """Scale a picture to fit the canvas, centered, gray around it."""
    factor = min(canvas_wh[0] / image.width, canvas_wh[1] / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    offset = ((canvas_wh[0] - size[0]) // 2, (canvas_wh[1] - size[1]) // 2)
    canvas = Image.new("RGB", canvas_wh, GRAY)
    canvas.paste(image.resize(size, Image.Resampling.BILINEAR), offset)
    return Letterboxed(canvas, offset, size, image.size)


def tight_canvas(photo_wh: tuple[int, int], long_side: int, multiple: int = 32) -> tuple[int, int]:
    """The smallest canvas of a given long side whose short side is a multiple that holds the photo.

    ``long_side`` is itself a multiple. A portrait photo then costs two thirds of a square's work.
    """
    factor = long_side / max(photo_wh)
    width, height = (max(multiple, -(-round(side * factor) // multiple) * multiple) for side in photo_wh)
    return min(width, long_side), min(height, long_side)
