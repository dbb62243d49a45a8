"""What is kept of a photo's picture: re-encoded pixels without metadata, and a small one for lists."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from core.photos import MAX_BYTES

THUMBNAIL_SIDE = 256
_QUALITIES = (95, 85, 70)


def cleaned(image: Image.Image) -> bytes:
    """The picture as a JPEG of quality 95 with nothing but pixels in it; less where it would be too large.

    Fifty megapixels of noise are beyond what is read again at 95.
    """
    for quality in _QUALITIES:
        data = _jpeg(image, quality)
        if len(data) <= MAX_BYTES:
            break
    return data


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG with the longer side at most 256 pixels."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _jpeg(small, quality=80)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
