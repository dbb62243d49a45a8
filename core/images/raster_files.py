"""What a TIFF, GIF or BMP file is made of, of which one picture and nothing else goes on to a decoder.

As for ``core.images.containers``: size and orientation are read from the header, and limits hold before
anything is decoded. What is rare and has decoders of its own (old-style JPEG in TIFF, run lengths in BMP) is
refused with what to do about it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from core.errors import PhotoError
from core.images.container import MAX_PARTS, Container, damaged_header, too_many_parts
from core.images.orientation import Orientation

# --- TIFF: a directory of fields, of which those that say how to read the first picture are kept

MAX_FIELD_BYTES = 2**21  # of all fields that are kept; offsets of a strip for each row of 30,000 take 240 KB
_FIELD_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _SAMPLE_FORMAT = 256, 257, 258, 259, 277, 339
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_SUBFILE, _ORIENTATION, _XMP, _DNG_VERSION = 254, 274, 700, 50706
_KEPT = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _SAMPLE_FORMAT, _STRIPS, _STRIP_BYTES, _TILE_WIDTH}
    | {_TILE_HEIGHT, _TILES, _TILE_BYTES, 262, 266, 278, 284, 317, 320, 338, 347, 529, 530, 531, 532}
)
_TIFF_JPEG = 7
_COMPRESSIONS = {1: "none", 5: "LZW", _TIFF_JPEG: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate"}
_SCAN = b"\xff\xda"
_RAW = "Expected a photo, got a raw camera picture: export it as JPEG with the camera maker's program."

Fields = dict[int, tuple[int, int, bytes]]
"""Of each tag the type, the count, and the four bytes that are the value or say where it lies."""


def read_tiff(data: bytes) -> Container:
    """The first picture of a TIFF: the same bytes with a directory of their own, behind which no other is.

    Raises PhotoError for what is no photo (raw files, masks, fax pages), and for one that is damaged; lets
    struct.error through where the file ends too soon.
    """
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    fields, orientation = _tiff_fields(data, order, directory)
    if data[8:10] == b"CR" or _DNG_VERSION in fields or _number(fields, order, _SUBFILE) & 1:
        raise PhotoError(_RAW)
    size_wh = _number(fields, order, _WIDTH), _number(fields, order, _HEIGHT)
    _check_tiff(fields, order)
    pieces = _tiff_pieces(data, fields, order, size_wh)
    scans = 1
    if _number(fields, order, _COMPRESSION, 1) == _TIFF_JPEG:
        # Progressive JPEG inside: a piece of the picture may be passed over as often as it has scans.
        scans = max((data.count(_SCAN, start, end) for start, end in pieces), default=1)
    return Container("TIFF", size_wh, orientation, max(1, scans), _with_directory(data, order, fields))


def _tiff_fields(data: bytes, order: str, directory: int) -> tuple[Fields, int]:
    (count,) = struct.unpack_from(order + "H", data, directory)
    fields: Fields = {}
    orientation = Orientation()
    for place in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(order + "HHI4s", data, place)
        if tag in _KEPT or tag in (_SUBFILE, _DNG_VERSION):
            fields.setdefault(tag, (kind, number, value))
        elif tag == _XMP and number < len(data):
            (start,) = struct.unpack(order + "I", value)
            orientation.see_xmp(data[start : start + number])
    orientation.see_exif(data)  # EXIF is a TIFF file
    return fields, orientation.value


def _values(data: bytes, fields: Fields, order: str, tag: int) -> tuple[int, ...]:
    """A field's whole numbers."""
    kind, count, value = fields.get(tag, (4, 0, bytes(4)))
    letter = {1: "B", 3: "H", 4: "I"}.get(kind)
    if letter is None:
        raise damaged_header("a TIFF's")
    size = _FIELD_BYTES[kind] * count
    start = 0 if size <= 4 else struct.unpack(order + "I", value)[0]
    return struct.unpack_from(f"{order}{count}{letter}", value if size <= 4 else data, start)


def _number(fields: Fields, order: str, tag: int, default: int = 0) -> int:
    """A field's one number, which lies in the directory itself."""
    kind, count, value = fields.get(tag, (4, 0, bytes(4)))
    if not count or kind not in (1, 3, 4):
        return default
    return int(struct.unpack_from(order + {1: "B", 3: "H", 4: "I"}[kind], value)[0])


def _check_tiff(fields: Fields, order: str) -> None:
    size = sum(_FIELD_BYTES.get(kind, 2**31) * count for kind, count, _ in fields.values())
    if size > MAX_FIELD_BYTES:
        raise PhotoError("The photo is refused: its TIFF directory is too large.")
    compression = _number(fields, order, _COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        known = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise PhotoError(f"Expected a TIFF packed by {known}, got method {compression}: save it as JPEG.")
    samples = _number(fields, order, _SAMPLES, 1)
    if not 1 <= samples <= 5:
        raise PhotoError(f"Expected a TIFF with 1 to 5 channels, got {samples}: save it as JPEG.")
    if _number(fields, order, _SAMPLE_FORMAT, 1) != 1:
        raise PhotoError("Expected a TIFF of whole numbers, got one of fractions: save it as JPEG.")


def _tiff_pieces(data: bytes, fields: Fields, order: str, size_wh: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the picture's strips or tiles begin and end; all together are no longer than the file.

    Otherwise few bytes, unpacked again and again, would keep a decoder busy.
    """
    bits = _values(data, fields, order, _BITS) or (1,)
    if any(depth not in (1, 2, 4, 8, 16) for depth in bits):
        raise PhotoError(f"Expected a TIFF of at most 16 bits a channel, got {max(bits)}: save it as JPEG.")
    tiled = _TILES in fields
    if tiled and not (
        0 < _number(fields, order, _TILE_WIDTH) <= max(256, 2 * size_wh[0])
        and 0 < _number(fields, order, _TILE_HEIGHT) <= max(256, 2 * size_wh[1])
    ):
        raise damaged_header("a TIFF's")
    starts = _values(data, fields, order, _TILES if tiled else _STRIPS)
    sizes = _values(data, fields, order, _TILE_BYTES if tiled else _STRIP_BYTES)
    if len(starts) > 2 * MAX_PARTS:
        raise too_many_parts()
    if not starts or len(sizes) != len(starts) or sum(sizes) > len(data):
        raise damaged_header("a TIFF's")
    return [(start, start + size) for start, size in zip(starts, sizes, strict=True)]


def _with_directory(data: bytes, order: str, fields: Fields) -> bytes:
    """The file with a directory of the kept fields alone at its end; their values stay where they lie."""
    kept = sorted((tag, field) for tag, field in fields.items() if tag in _KEPT)
    body = struct.pack(order + "H", len(kept))
    body += b"".join(struct.pack(order + "HHI4s", tag, *field) for tag, field in kept) + bytes(4)
    padding = bytes(len(data) % 2)
    place = struct.pack(order + "I", len(data) + len(padding))
    return data[:4] + place + data[8:] + padding + body


# --- GIF: blocks, of which the first picture's are kept


def read_gif(data: bytes) -> Container:
    """The first picture of a GIF, with its colors and its transparency."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = 13 + _color_bytes(flags)
    kept = [data[:place]]
    for kind, start, end in _gif_blocks(data, place):
        if kind == 0x2C:
            left, top, wide, high = struct.unpack_from("<4H", data, start + 1)
            # Decoders widen the canvas to what the picture covers.
            size_wh = max(width, left + wide), max(height, top + high)
            return Container("GIF", size_wh, 1, 1, b"".join([*kept, data[start:end], b";"]))
        if data[start + 1] == 0xF9:  # transparency
            kept = [data[:place], data[start:end]]
    raise PhotoError("The photo is damaged: it ends before its picture begins.")


def _color_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, place: int) -> Iterator[tuple[int, int, int]]:
    """First byte, start and end of the blocks; the last one of a truncated file ends with it."""
    for _ in range(MAX_PARTS):
        start, kind = place, data[place]
        if kind == 0x21:
            place += 2
        elif kind == 0x2C:
            place += 11 + _color_bytes(data[place + 9])
        else:
            return
        while place < len(data) and data[place]:
            place += data[place] + 1
        place += 1
        yield kind, start, min(place, len(data))
    raise too_many_parts()


# --- BMP: a header, a palette and the rows

_BMP_PLAIN = (0, 3, 6)  # rows as they are, with or without masks of the colors
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def read_bmp(data: bytes) -> Container:
    """A BMP picture, whose rows are all there."""
    (header,) = struct.unpack_from("<I", data, 14)
    if header not in _BMP_HEADERS:
        raise damaged_header("a BMP's")
    packing = 0
    if header == 12:
        width, height, _, depth = struct.unpack_from("<4H", data, 18)
    else:
        width, height, _, depth, packing = struct.unpack_from("<iiHHI", data, 18)
    if packing not in _BMP_PLAIN:
        raise PhotoError("Expected a BMP whose rows are not packed, got a packed one: save it as JPEG.")
    width, height = abs(width), abs(height)
    if (width * depth + 31) // 32 * 4 * height > len(data):
        raise PhotoError("The photo is damaged or cut off: its picture cannot be decoded.")
    return Container("BMP", (width, height), 1, 1, data)
