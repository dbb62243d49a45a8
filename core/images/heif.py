"""What a HEIC, HEIF or AVIF file is made of: the size and the turn of its main picture (ISO/IEC 23008-12).

Only what says these is read; the file goes on to a decoder as a whole, in a process of its own. Turns are
those of the file's own properties (``irot``, ``imir``): what EXIF says beside them does not count, as the
standard has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import PhotoError
from core.images.container import MAX_PARTS, Container, damaged_header, too_many_parts

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_MOST_BRANDS = 64

# By quarter turns against the clock, and the axis of the mirroring after it (None, 0 or 1).
_ORIENTATIONS = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def heif_kind(data: bytes) -> str | None:
    """AVIF or HEIF by the brands of a file that begins with ``ftyp``; None where it is neither."""
    (size,) = struct.unpack_from(">I", data)
    named = data[16 : min(size, len(data), 16 + 4 * _MOST_BRANDS)]
    brands = [data[8:12], *(named[place : place + 4] for place in range(0, len(named), 4))]
    if brands[0] not in _AVIF_BRANDS | _HEIF_BRANDS:
        return None  # a video may name a photo's brand among others
    return "AVIF" if _AVIF_BRANDS & set(brands) else "HEIF"


@dataclass
class _Main:
    """What the properties of the main picture say, in their order."""

    size_wh: tuple[int, int] = (0, 0)
    upright_wh: tuple[int, int] = (0, 0)
    turns: int = 0
    axis: int | None = None


def read_heif(data: bytes) -> Container:
    """A HEIC or HEIF photo; its decoder turns it, so that ``size_wh`` is the upright size already."""
    return Container("HEIF", _main_picture(data).upright_wh, 1, 1, data)


def read_avif(data: bytes) -> Container:
    """An AVIF photo, as its decoder gives it before it is turned."""
    found = _main_picture(data)
    return Container("AVIF", found.size_wh, _ORIENTATIONS[found.turns, found.axis], 1, data)


def _main_picture(data: bytes) -> _Main:
    meta = _box(data, b"meta", 0, len(data))
    if meta is None:
        raise PhotoError("Expected a photo, got a film in a photo's file: save one picture of it as JPEG.")
    start, end = meta[0] + 4, meta[1]
    main = _primary_item(data, start, end)
    properties = _box(data, b"iprp", start, end)
    container = properties and _box(data, b"ipco", *properties)
    association = properties and _box(data, b"ipma", *properties)
    if not container or not association:
        raise damaged_header("a HEIF's")
    known = list(_boxes(data, *container))
    found = _Main()
    for index in _associated(data, *association, main):
        if 1 <= index <= len(known):
            _apply(found, data, *known[index - 1])
    return found


def _primary_item(data: bytes, start: int, end: int) -> int:
    primary = _box(data, b"pitm", start, end)
    if primary is None:
        raise damaged_header("a HEIF's")
    wide = data[primary[0]] > 0
    return int(struct.unpack_from(">I" if wide else ">H", data, primary[0] + 4)[0])


def _associated(data: bytes, start: int, end: int, item: int) -> list[int]:
    """The numbers, from 1, of an item's properties, in their order."""
    version, flags = data[start], data[start + 3]
    (count,) = struct.unpack_from(">I", data, start + 4)
    place = start + 8
    for _ in range(min(count, MAX_PARTS)):
        if place >= end:
            break
        form = ">IB" if version else ">HB"
        found, number = struct.unpack_from(form, data, place)
        place += struct.calcsize(form)
        step = 2 if flags & 1 else 1
        if found == item:
            places = range(place, place + step * number, step)
            if step == 2:
                return [struct.unpack_from(">H", data, at)[0] & 0x7FFF for at in places]
            return [data[at] & 0x7F for at in places]
        place += step * number
    raise damaged_header("a HEIF's")


def _apply(found: _Main, data: bytes, kind: bytes, start: int, end: int) -> None:
    width, height = found.upright_wh
    if kind == b"ispe":
        found.size_wh = found.upright_wh = struct.unpack_from(">II", data, start + 4)
    elif kind == b"clap":
        values = struct.unpack_from(">4I", data, start)
        if not values[1] or not values[3]:
            raise damaged_header("a HEIF's")
        clean = round(values[0] / values[1]), round(values[2] / values[3])
        found.upright_wh = min(width, clean[0]), min(height, clean[1])
    elif kind == b"irot":
        found.turns = (found.turns + (data[start] & 3)) % 4
        if data[start] & 1:
            found.upright_wh = height, width
    elif kind == b"imir":
        found.axis = data[start] & 1


def _box(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the body of the first box of a kind begins and ends; None where there is none."""
    return next(((at, to) for name, at, to in _boxes(data, start, end) if name == kind), None)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and start and end of the body, of the boxes between two places, the last of which may be cut."""
    for _ in range(MAX_PARTS):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if size == 0 else start + size
        if stop < body:
            raise damaged_header("a HEIF's")
        yield kind, body, min(stop, end)
        start = stop
    raise too_many_parts()
