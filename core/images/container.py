"""Container: what is known of a picture file before it is decoded, and what of it a decoder gets."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import PhotoError

MAX_PARTS = 20_000  # segments or chunks in one file; a 50 MB photo in pieces of 4 KB has 12,000


@dataclass(frozen=True)
class Container:
    """A picture file without its metadata.

    ``format`` is Pillow's name (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF) or HEIF; ``size_wh`` is in pixels as
    the decoder gives them, before ``orientation`` (1..8) is applied; ``scans`` is how often a decoder passes
    over the pixels; ``data`` is what the decoder gets.
    """

    format: str
    size_wh: tuple[int, int]
    orientation: int
    scans: int
    data: bytes


def too_many_parts() -> PhotoError:
    """The refusal of a file in more than ``MAX_PARTS`` parts."""
    return PhotoError(f"The photo is refused: its file has more than {MAX_PARTS:,} parts.")


def damaged_header(kind: str) -> PhotoError:
    """The refusal of a file that does not begin as one of its kind ("a PNG's") does."""
    return PhotoError(f"The photo is damaged: its header does not say what {kind} header says.")
