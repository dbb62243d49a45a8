"""What a JPEG, PNG or WebP file is made of: its size and orientation, and the parts that make the picture.

Only these parts go on to the decoder. Metadata (EXIF, GPS, XMP, ICC, comments, thumbnails, further frames) is
left behind before any decoder sees it, so it can neither leak nor cost time or memory, however absurd it is.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import PhotoError
from core.images.orientation import XMP_IN_JPEG, Orientation

MAX_PARTS = 20_000  # segments or chunks in one file; a 50 MB photo in pieces of 4 KB has 12,000
MAX_JPEG_TABLES_BYTES = 2**17  # before the picture; 1 KB is usual, and Pillow takes seconds for 50 MB of them

VIDEOS_ARE_READ = ": `core label` reads videos, and so does the demo's page Video; out of a zip, unpack it."

_OTHERS = (
    (b"\x1a\x45\xdf\xa3", "a video"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF or raw camera picture"),
    (b"MM\0*", "a TIFF or raw camera picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"PK", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_MARKUP = (
    (b"<svg", "an SVG drawing"),
    (b"<html", "an HTML page"),
    (b"<!doctype html", "an HTML page"),
    (b"<", "a text with markup"),
)
_BRANDS = {
    b"avif": "an AVIF picture",
    b"heic": "a HEIC photo",
    b"heix": "a HEIC photo",
    b"mif1": "a HEIC photo",
}

# The next JPEG marker: neither a stuffed zero nor a restart, which belong to the picture's own data.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]", re.DOTALL)
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL_FRAME = frozenset({0xC0, 0xC1, 0xC9})
_END_OF_IMAGE, _START_OF_SCAN, _METADATA, _COMMENT = 0xD9, 0xDA, 0xE1, 0xFE
_SIZELESS = frozenset({0x01, 0xD8})
_APPLICATION = range(0xE0, 0xF0)
_COLOR_MARKS = {
    0xE0: b"JFIF\0",
    0xEE: b"Adobe",
}  # the two application segments that tell how to read colors

_PNG_KEPT = frozenset({b"PLTE", b"IDAT", b"IEND"})
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM"})
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # ICC, EXIF, XMP


@dataclass(frozen=True)
class Container:
    """A picture file without its metadata.

    ``format`` is Pillow's name (JPEG, PNG, WEBP); ``size_wh`` is in pixels as stored, before ``orientation``
    (1..8, by EXIF or XMP) is applied; ``scans`` is how often a decoder passes over the pixels; ``data`` is
    the rest.
    """

    format: str
    size_wh: tuple[int, int]
    orientation: int
    scans: int
    data: bytes


def read_container(data: bytes) -> Container:
    """Take a JPEG, PNG or WebP file apart without decoding it; its bytes decide, not its name.

    Raises PhotoError for any other kind of file and for one that is damaged before its picture begins.
    """
    kind = kind_of(data)
    readers = {"JPEG": _read_jpeg, "PNG": _read_png, "WEBP": _read_webp}
    if kind not in readers:
        more = VIDEOS_ARE_READ if kind == "a video" else "."
        raise PhotoError(f"Expected a JPEG, PNG or WebP photo, got {kind}{more}")
    try:
        return readers[kind](data)
    except (struct.error, IndexError) as error:
        raise PhotoError("The photo is damaged: its header ends too soon.") from error


def kind_of(data: bytes) -> str:
    """JPEG, PNG or WEBP by the first bytes, else what the file seems to be, in words for a person."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return "a video"
    if not data:
        return "an empty file"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "a video")
    text = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return "an SVG drawing"
    found = [words for start, words in _OTHERS if data.startswith(start)]
    found += [words for start, words in _MARKUP if text.startswith(start)]
    return found[0] if found else "a file of another kind"


def _read_jpeg(data: bytes) -> Container:
    kept, marks = bytearray(data[:2]), dict(_COLOR_MARKS)
    size_wh, layers, sequential, orientation = (0, 0), 0, False, Orientation()
    for marker, start, end in _jpeg_segments(data, 2):
        body = data[start + 4 : end]
        if marker == _START_OF_SCAN:
            single = sequential and body[0] == layers
            scans = 1 if single else 1 + sum(m == _START_OF_SCAN for m, _, _ in _jpeg_segments(data, end))
            return Container("JPEG", size_wh, orientation.value, scans, bytes(kept) + data[start:])
        if marker in _START_OF_FRAME:
            height, width, layers = struct.unpack_from(">HHB", body, 1)
            size_wh, sequential = (width, height), marker in _SEQUENTIAL_FRAME
        if marker == _METADATA and body.startswith(b"Exif\0\0"):
            orientation.see_exif(body)
        if marker == _METADATA and body.startswith(XMP_IN_JPEG):
            orientation.see_xmp(body)
        if marker in marks and body.startswith(marks[marker]):
            kept += data[start:end]
            del marks[marker]
        elif marker not in _APPLICATION and marker != _COMMENT:
            kept += data[start:end]
        if len(kept) > MAX_JPEG_TABLES_BYTES:
            raise PhotoError("The photo is refused: its decoding tables are too large.")
    raise PhotoError("The photo is damaged: it ends before its picture begins.")


def _jpeg_segments(data: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the image's end; picture data between them is skipped."""
    for _ in range(MAX_PARTS):
        found = _JPEG_MARKER.search(data, position)
        if found is None or data[found.end() - 1] == _END_OF_IMAGE:
            return
        marker, start, position = data[found.end() - 1], found.start(), found.end()
        if marker in _SIZELESS:
            continue
        position += max(2, struct.unpack_from(">H", data, position)[0])
        if position > len(data):
            return
        yield marker, start, position
    raise _too_many_parts()


def _read_png(data: bytes) -> Container:
    size_wh, depth, colors = struct.unpack_from(">II", data, 16), data[24], data[25]
    if data[12:16] != b"IHDR" or depth not in (1, 2, 4, 8, 16):
        raise PhotoError("The photo is damaged: its header does not say what a PNG's header says.")
    kept, orientation, picture_begun = [data[:33]], Orientation(), False
    for kind, start, end in _png_chunks(data, 33):
        picture_begun = picture_begun or kind == b"IDAT"
        if kind in _PNG_KEPT:
            kept.append(data[start:end])
        elif kind == b"tRNS" and not picture_begun:
            kept.append(_png_transparency(data[start + 8 : end - 4], depth, colors))
        elif kind == b"eXIf":
            orientation.see_exif(data[start + 8 : end - 4])
        elif kind == b"iTXt":
            orientation.see_png_text(data[start + 8 : end - 4])
    return Container("PNG", (size_wh[0], size_wh[1]), orientation.value, 1, b"".join(kept))


def _png_chunks(data: bytes, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each chunk up to IEND; the last one of a truncated file ends beyond it."""
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, position, position + 12 + length
        position += 12 + length
        if kind == b"IEND":
            return
    raise _too_many_parts()


def _png_transparency(body: bytes, depth: int, colors: int) -> bytes:
    """A tRNS chunk whose transparent grey or color has eight bits, as Pillow's pixels have."""
    if colors == 0 or colors == 2:
        values = struct.unpack_from(">H" if colors == 0 else ">3H", body)
        scaled = [v >> 8 if depth == 16 else min(255, v * 255 // (2**depth - 1)) for v in values]
        body = struct.pack(f">{len(scaled)}H", *scaled)
    elif colors != 3:
        return b""  # a picture with an alpha channel has no use for it
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))


def _read_webp(data: bytes) -> Container:
    kept, size_wh, orientation, framed = [], (0, 0), Orientation(), False
    for kind, start, end in _webp_chunks(data):
        body = data[start + 8 : end]
        if kind == b"VP8X":
            flags = bytes([body[0] & ~_WEBP_METADATA_FLAGS])
            kept.append(data[start : start + 8] + flags + body[1:])
        elif kind in _WEBP_KEPT or (kind == b"ANMF" and not framed):
            framed = framed or kind == b"ANMF"
            kept.append(data[start:end])
        elif kind == b"EXIF":
            orientation.see_exif(body)
        elif kind == b"XMP ":
            orientation.see_xmp(body)
        if size_wh == (0, 0) and kind in (b"VP8X", b"VP8 ", b"VP8L"):
            size_wh = _webp_size(kind, body)
    body = b"WEBP" + b"".join(kept)
    return Container("WEBP", size_wh, orientation.value, 1, b"RIFF" + struct.pack("<I", len(body)) + body)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end (with padding) of each chunk; the last one of a truncated file ends beyond it."""
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + length % 2
        yield kind, position, end
        position = end
    raise _too_many_parts()


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height in pixels of a canvas (VP8X), a lossless (VP8L) or a lossy (VP8) picture: RFC 9649."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _too_many_parts() -> PhotoError:
    return PhotoError(f"The photo is refused: its file has more than {MAX_PARTS:,} parts.")
