"""Picture files for the tests of reading photos: ordinary ones by Pillow, odd ones by hand."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

# ``scene()`` as HEIC, which nothing among our requirements writes.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAX5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABogABAAAAAAAAAScAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/mlwcnAAAADeaXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQIAAADAJ44AAAD"
    "AAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU1zcBDQYEAAADAGQAAAMABCBiAAEACEQBwXMYMAiQAAAAE2NvbHJu"
    "Y2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAABBw"
    "aXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAAEvbWRhdAAAASMoAa8GOFr3tt/M4H//+Vpvof3rionRW/GlY2qv"
    "uQI338Dnf/+smI94D7+JToihnCtQr0eQT/aF726/ENyOrK+6UwQOizd3sVxyEN/RJfTpSIxxP3lgtGMLf70EqAd02wTXVoB1RXA4"
    "c/Mb9/33/9IoD/+08R3wwhknX8/vf/Ypyx8S2Ll9UsX/MHo/5m+2IZf3D1AfZcau0eiBZ6kSr3E7iAH6AoqaQ7j5tevtQslnkYLP"
    "HG2jDnsd17h3QWcYb34YDHrUBMvMN59VZqeOV8UUBq6OQcM6RBh//EMMQfw/o8eCR38qfxl/xe5lmeUMW55UmWTSG2mRzE5qg6Bv"
    "eu5JD2/X5GHLbmnmKCufuGXW3M0jv5Krxa2HaSH9jfkhxporYaA="
)

RED, WHITE = (255, 0, 0), (255, 255, 255)


def scene(size_wh: tuple[int, int] = (64, 48)) -> Image.Image:
    """Four corners of four colors, so that every turn and mirroring shows."""
    image = Image.new("RGB", size_wh, RED)
    width, height = size_wh[0] // 2, size_wh[1] // 2
    image.paste((0, 255, 0), (width, 0, 2 * width, height))
    image.paste((0, 0, 255), (0, height, width, 2 * height))
    image.paste((250, 250, 0), (width, height, 2 * width, 2 * height))
    return image


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(
    size_wh: tuple[int, int], depth: int, colors: int, rows: bytes, between: bytes = b"", interlace: int = 0
) -> bytes:
    """A PNG by hand: ``rows`` are the filtered scanlines, ``between`` are chunks before the picture."""
    header = struct.pack(">IIBBBBB", *size_wh, depth, colors, 0, 0, interlace)
    picture = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between + picture + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def difference(image: Image.Image, expected: Image.Image) -> float:
    assert image.mode == "RGB" and image.size == expected.size
    return float(
        np.abs(np.asarray(image, np.float32) - np.asarray(expected.convert("RGB"), np.float32)).max()
    )


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
