"""Bytes that are no photo, damaged, or a bomb: one sentence each, in bounded time and memory."""

from __future__ import annotations

import contextlib
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import PhotoError
from core.images.decode import MAX_BYTES, MAX_PIXELS, read_photo
from tests.core.picture_files import chunk, encoded, png, scene

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


FRESH = """
import re, sys
from pathlib import Path
from PIL import ImageFile
from core.images.decode import PhotoError, read_photo

def megabytes(name):  # of this process alone; getrusage counts what its parent held before
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

data = sys.stdin.buffer.read()
decoded, load = [], ImageFile.ImageFile.load

def counted(image):
    decoded.append(image.width * image.height)
    return load(image)

ImageFile.ImageFile.load = counted
before = megabytes("VmRSS")
try:
    outcome = str(read_photo(data, "x").size_wh)
except PhotoError as error:
    outcome = str(error)
print(outcome, max(decoded, default=0), megabytes("VmHWM") - before, sep="|")
"""


def read_in_a_fresh_process(data: bytes) -> tuple[str, int, float]:
    """The outcome of reading ``data``, the pixels decoded, and the megabytes by which memory grew."""
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", FRESH], input=data, capture_output=True, cwd=root, check=True)
    outcome, pixels, megabytes = ran.stdout.decode().strip().split("|")
    return outcome, int(pixels), float(megabytes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"\0" * 5_000,
        encoded(scene(), "GIF")[:20],
        encoded(scene(), "BMP")[:200],
        encoded(scene(), "TIFF")[:9],
        encoded(scene(), "AVIF")[:300],
        encoded(scene(), "JPEG")[:2] + b"<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>" + bytes(40),
        b"RIFF\0\0\0\0WEBP<script>alert(1)</script>",
    ],
)
def test_what_is_no_photo_is_refused_with_one_sentence(data: bytes) -> None:
    with pytest.raises(PhotoError) as caught:
        read_photo(data, "x.jpg")
    sentence = str(caught.value)
    assert sentence.endswith(".") and sentence.count(". ") == 0 and len(sentence) < 120


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_off_is_refused(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), format)
    with pytest.raises(PhotoError):
        read_photo(data[: int(len(data) * share)], "x")


def test_damaged_bytes_anywhere_end_in_a_picture_or_a_sentence() -> None:
    dice = random.Random(0)
    for format in ("JPEG", "PNG", "WEBP"):
        whole = encoded(scene(), format, exif=b"Exif\0\0II*\0" + bytes(40))
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(dice.randint(1, 8)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with contextlib.suppress(PhotoError):
                assert read_photo(bytes(data), "x").image.mode == "RGB"


@pytest.mark.parametrize(
    ("size_wh", "sentence"),
    [
        ((7, 100), "at least 8 a side"),
        ((1, 1), "at least 8 a side"),
        ((8, 40_000), "at most 30,000 a side"),
        ((20_000, 20_000), "400.0 million pixels; at most 52.4"),
    ],
)
def test_sizes_beyond_the_limits_are_refused(size_wh: tuple[int, int], sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        read_photo(png(size_wh, 8, 0, b"\0" * 100), "x")


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(PhotoError, match="larger than 50 MB"):
        read_photo(encoded(scene()) + bytes(MAX_BYTES), "x")


@pytest.mark.parametrize("side", [64, 3_000, 30_000])
def test_a_picture_that_names_two_sizes_is_refused(side: int) -> None:
    data = encoded(scene(), "JPEG")
    frame = data.index(b"\xff\xc0")
    length = struct.unpack_from(">H", data, frame + 2)[0] + 2
    second = bytearray(data[frame : frame + length])
    second[5:9] = struct.pack(">HH", side, side)
    with pytest.raises(PhotoError):
        read_photo(data[: frame + length] + bytes(second) + data[frame + length :], "x")


def billion_pixel_jpeg() -> bytes:
    data = bytearray(encoded(scene(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 29_999, 29_999)
    return bytes(data)


def billion_pixel_webp() -> bytes:
    canvas = struct.pack("<B3x", 0x10) + (29_999).to_bytes(3, "little") * 2
    inner = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + encoded(scene(), "WEBP", lossless=True)[12:]
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def text_bomb() -> bytes:
    bomb = b"Comment\0\0" + zlib.compress(bytes(30 * 2**20), 9)
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(30 * 2**20), 9))
    return png((16, 16), 8, 0, (b"\0" + bytes(16)) * 16, profile + chunk(b"zTXt", bomb) * 30)


def scan_bomb() -> bytes:
    data = encoded(Image.new("RGB", (6_000, 6_000)), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last_scan * 500 + b"\xff\xd9"


@needs_proc
@pytest.mark.parametrize(
    ("bomb", "outcome", "decoded_pixels"),
    [
        (lambda: png((30_000, 30_000), 8, 2, bytes(100)), "900.0 million pixels", 0),
        (billion_pixel_jpeg, "899.9 million pixels", 0),
        (billion_pixel_webp, "900.0 million pixels", 0),
        (text_bomb, "(16, 16)", 256),
        (scan_bomb, "510 scans take too long", 0),
    ],
)
def test_a_bomb_is_not_decoded_and_takes_no_memory(bomb: object, outcome: str, decoded_pixels: int) -> None:
    assert callable(bomb)
    got, pixels, megabytes = read_in_a_fresh_process(bomb())
    assert outcome in got
    assert pixels == decoded_pixels
    assert megabytes < 20


@needs_proc
def test_the_largest_photo_is_read_in_bounded_memory() -> None:
    # Sixteen bits, transparency and the full number of pixels: the most that Pillow can be made to hold.
    width, height = 8192, MAX_PIXELS // 8192
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(8 * width)
    picture = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", picture) + chunk(b"IEND", b"")
    outcome, pixels, megabytes = read_in_a_fresh_process(data)
    assert outcome == f"({width}, {height})"
    assert pixels == width * height
    assert 300 < megabytes < 700  # and the meter is seen to measure
