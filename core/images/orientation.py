"""How a stored picture is turned: from EXIF, and from XMP where EXIF does not say.

This is the rule of Pillow's ``ImageOps.exif_transpose``: XMP counts only where EXIF has no orientation at
all, so an EXIF that says "as stored" wins over an XMP that says otherwise.
"""

from __future__ import annotations

import re
import struct
import zlib

MAX_XMP_BYTES = 2**18  # of a packet that are searched; a photo's has a few thousand
XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
XMP_IN_PNG = b"XML:com.adobe.xmp\0"

# As an attribute or an element. An expression, not a parser: entities are nothing to it.
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation(?:="|='|>)([0-9])(?![0-9])""")


class Orientation:
    """Takes a file's EXIF and XMP in any order, and gives the orientation (1..8).

    Of each kind the first block alone counts: a file may hold thousands.
    """

    def __init__(self) -> None:
        self._exif: int | None = None
        self._xmp: int | None = None
        self._seen: set[str] = set()

    @property
    def value(self) -> int:
        """1 where nothing says otherwise, and for values that mean nothing."""
        found = self._xmp if self._exif is None else self._exif
        return found if found is not None and 1 <= found <= 8 else 1

    def see_exif(self, exif: bytes) -> None:
        """Take an EXIF block, with or without the mark before it."""
        if self._is_first("EXIF"):
            self._exif = exif_orientation(exif)

    def see_xmp(self, packet: bytes) -> None:
        """Take an XMP packet, of which the beginning is searched."""
        if self._is_first("XMP"):
            self._xmp = xmp_orientation(packet)

    def see_png_text(self, body: bytes) -> None:
        """Take the body of a PNG's iTXt chunk, which may hold an XMP packet, also a compressed one."""
        if not body.startswith(XMP_IN_PNG) or not self._is_first("XMP"):
            return
        flags, text = body[len(XMP_IN_PNG) :][:2], body[len(XMP_IN_PNG) + 2 :]
        _, _, text = text.partition(b"\0")  # the language
        _, _, text = text.partition(b"\0")  # the keyword in it
        if flags[:1] == b"\1":
            try:
                text = zlib.decompressobj().decompress(text, MAX_XMP_BYTES)
            except zlib.error:
                return
        self._xmp = xmp_orientation(text)

    def _is_first(self, kind: str) -> bool:
        new = kind not in self._seen
        self._seen.add(kind)
        return new


def xmp_orientation(packet: bytes) -> int | None:
    """The orientation from an XMP packet as it stands there, None where there is none near its beginning."""
    found = _XMP_ORIENTATION.search(packet[:MAX_XMP_BYTES])
    return int(found[1]) if found else None


def exif_orientation(exif: bytes) -> int | None:
    """The orientation from EXIF's first directory as it stands there, None where there is none.

    Only this one field is read: a full parser follows offsets, by which 64 KB of EXIF can ask for 300 MB.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (fields,) = struct.unpack_from(order + "H", tiff, directory)
        for position in range(directory + 2, directory + 2 + 12 * fields, 12):
            tag, kind = struct.unpack_from(order + "HH", tiff, position)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, position + 8)
                return int(value)
    except struct.error:
        pass  # damaged EXIF is no reason to refuse the picture beside it
    return None
