"""Small pictures for tests, made so that ``tests.fakes.FakeLabeler`` finds what the test wants in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image


def picture(bands: int = 3, size_wh: tuple[int, int] = (90, 120), shade: int = 0) -> Image.Image:
    """A gray picture with stripes in the first ``bands`` of three bands; ``shade`` tells it from others."""
    width, height = size_wh
    pixels = np.full((height, width, 3), 100 + shade % 100, dtype=np.uint8)
    pixels[: bands * height // 3, ::6] = 230
    return Image.fromarray(pixels)


def jpeg(bands: int = 3, size_wh: tuple[int, int] = (90, 120), shade: int = 0) -> bytes:
    """The picture as a JPEG file."""
    return encoded(picture(bands, size_wh, shade), "JPEG")


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The picture as a file of the given kind."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
