"""A photo's size from its header alone, for formats whose annotations do not tell it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from core.errors import DatasetError

ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)
"""EXIF's tag, and its values that swap width and height."""


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright photo, without decoding it; raises ``DatasetError`` for no
    photo.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(ORIENTATION) in SIDEWAYS
    except FileNotFoundError as error:
        raise DatasetError(
            f"the size of {path.name} is needed, but there is no such photo in {path.parent}"
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged header provokes
        raise DatasetError(f"the size of {path.name} is needed, but it cannot be read as a photo") from error
    return (height, width) if sideways else (width, height)
