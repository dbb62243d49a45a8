"""Crops of garments for the classifier, and pictures as arrays and tensors. Labeling loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

CROP_SIZE = 224
"""The classifier's input in pixels, the same as ``core.models.mobilenet.INPUT_SIZE``."""


CROP_MARGIN = 0.1


def to_square(image: Image.Image, size: int = CROP_SIZE) -> Image.Image:
    """Resize to a square without keeping the aspect: what the classifier sees in training and in use."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def crop_rectangle(
    photo_wh: tuple[int, int], box_xyxy: Sequence[float], margin: float = CROP_MARGIN
) -> tuple[int, int, int, int]:
    """A garment's box with ``margin`` of its size around it: whole pixels inside the photo, at least one."""
    x0, y0, x1, y1 = box_xyxy
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left = min(max(0, int(x0 - dx)), photo_wh[0] - 1)
    top = min(max(0, int(y0 - dy)), photo_wh[1] - 1)
    right = max(min(photo_wh[0], int(np.ceil(x1 + dx))), left + 1)
    bottom = max(min(photo_wh[1], int(np.ceil(y1 + dy))), top + 1)
    return left, top, right, bottom


def crop_garment(image: Image.Image, box_xyxy: Sequence[float], margin: float = CROP_MARGIN) -> Image.Image:
    """Cut a garment out with ``margin`` of its size around it: what the classifier is shown."""
    return image.crop(crop_rectangle(image.size, box_xyxy, margin))


def center_crop(image: Image.Image, share: float) -> Image.Image:
    """The middle of a picture: ``share`` in (0, 1] of its width and of its height, at least one pixel.

    Random crops in a classifier's training show a garment larger than the whole photo does (Touvron et al.
    2019, "Fixing the train-test resolution discrepancy"), and so does the labeler's crop of a box.
    """
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def on_white(image: Image.Image, box_xyxy: Sequence[float], side: int, margin: float = 0.05) -> Image.Image:
    """A garment in the middle of a white square of ``side`` pixels, as large as it fits with its margin."""
    cut = crop_garment(image, box_xyxy, margin).convert("RGB")
    scale = side / max(cut.size)
    size_wh = max(1, round(cut.width * scale)), max(1, round(cut.height * scale))
    square = Image.new("RGB", (side, side), "white")
    fitted = cut.resize(size_wh, Image.Resampling.LANCZOS, reducing_gap=2.0)
    square.paste(fitted, ((side - size_wh[0]) // 2, (side - size_wh[1]) // 2))
    return square


def to_array(image: Image.Image) -> np.ndarray:
    """RGB picture to (3, H, W) uint8."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def to_tensor(image: Image.Image) -> Tensor:
    """RGB picture to a tensor (3, H, W) uint8."""
    import torch

    return torch.from_numpy(to_array(image))


def normalize_pixels(pictures: Tensor) -> Tensor:
    """uint8 0..255 to float32 -1..1, MobileNet's input."""
    return pictures.float() / 127.5 - 1.0
