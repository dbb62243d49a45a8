"""Pictures made smaller, and as JPEG."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def downscaled(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side at most ``side`` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return small


def jpeg(image: Image.Image, quality: int) -> bytes:
    """The picture as a JPEG, ``quality`` 1 to 95."""
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
