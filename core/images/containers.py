"""What a photo's file is made of: its kind, size and orientation, and the parts that make the picture.

Of a JPEG, PNG or WebP file only these parts go on to the decoder. Metadata (EXIF, GPS, XMP, ICC, comments,
thumbnails, further frames) is left behind before any decoder sees it, so it can neither leak nor cost time or
memory, however absurd it is. TIFF, GIF and BMP are in ``raster_files``, HEIC and AVIF in ``heif``.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from core.errors import PhotoError
from core.images.container import MAX_PARTS, Container, damaged_header, too_many_parts
from core.images.heif import heif_kind, read_avif, read_heif
from core.images.orientation import XMP_IN_JPEG, Orientation
from core.images.raster_files import read_bmp, read_gif, read_tiff

PHOTO_KINDS = frozenset({"JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "GIF", "BMP"})
"""The kinds of files that are photos, as ``kind_of`` names them."""

PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"),
    *(".heic", ".heif", ".hif", ".avif", ".tif", ".tiff", ".gif"),
)
"""The endings of their names in small letters, the usual ones first."""

KINDS_IN_WORDS = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP"

MAX_JPEG_TABLES_BYTES = 2**17  # before the picture; 1 KB is usual, and Pillow takes seconds for 50 MB of them

VIDEOS_ARE_READ = ": `core label` reads videos, and so does the demo's page Video; out of a zip, unpack it."

_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_OTHERS = (
    (b"\x1a\x45\xdf\xa3", "a video"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
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
_WHAT_TO_DO = {
    "a video": VIDEOS_ARE_READ,
    "a PDF": ": save its page as JPEG.",
    "an SVG drawing": ": export it as PNG.",
    "an HTML page": ": save the photo itself.",
    "an empty file": ": copy it again.",
    **dict.fromkeys(("a BigTIFF picture", "a JPEG XL picture", "a JPEG 2000 picture"), ": save it as JPEG."),
    **dict.fromkeys(("a Photoshop file", "a file of another kind"), ": save it as JPEG."),
    **dict.fromkeys(("a gzip archive", "a RAR archive", "a 7z archive"), ": unpack it, or pack a zip."),
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


def read_container(data: bytes) -> Container:
    """Take a photo's file apart without decoding it; its bytes decide, not its name.

    Raises PhotoError for any other kind of file and for one that is damaged before its picture begins.
    """
    kind = kind_of(data)
    if kind not in PHOTO_KINDS:
        raise PhotoError(f"Expected a photo ({KINDS_IN_WORDS}), got {kind}{_WHAT_TO_DO.get(kind, '.')}")
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise PhotoError("The photo is damaged: its header ends too soon.") from error


def kind_of(data: bytes) -> str:
    """One of ``PHOTO_KINDS`` by the first bytes, else what the file seems to be, in words for a person."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return "a video"
    if not data:
        return "an empty file"
    if data[4:8] == b"ftyp":
        return heif_kind(data) or "a video"
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
    raise too_many_parts()


def _read_png(data: bytes) -> Container:
    size_wh, depth, colors = struct.unpack_from(">II", data, 16), data[24], data[25]
    if data[12:16] != b"IHDR" or depth not in (1, 2, 4, 8, 16):
        raise damaged_header("a PNG's")
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
    raise too_many_parts()


def _png_transparency(body: bytes, depth: int, colors: int) -> bytes:
    """A tRNS chunk whose transparent gray or color has eight bits, as Pillow's pixels have."""
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
    raise too_many_parts()


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height in pixels of a canvas (VP8X), a lossless (VP8L) or a lossy (VP8) picture: RFC 9649."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


_READERS = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "WEBP": _read_webp,
    "HEIF": read_heif,
    "AVIF": read_avif,
    "TIFF": read_tiff,
    "GIF": read_gif,
    "BMP": read_bmp,
}
