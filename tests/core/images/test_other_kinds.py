"""HEIC, AVIF, TIFF, GIF and BMP are read as safely as JPEG: sizes first, turned once, no bombs."""

from __future__ import annotations

import io
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import PhotoError
from core.images.containers import PHOTO_SUFFIXES, read_container
from core.images.decode import MAX_PIXELS, header_size, photo_paths, read_photo
from tests.core.picture_files import HEIC, encoded, scene

WITHOUT_TURN = b"\x00\x00\x00\x10pixi\x00\x00\x00\x00\x03\x08\x08\x08"


def turned_heic(turns: int) -> bytes:
    """The HEIC with a property that turns it by quarters against the clock, after it is cut."""
    turn = b"\x00\x00\x00\x10irot" + bytes([turns]) + bytes(7)
    assert HEIC.count(WITHOUT_TURN) == 1
    return HEIC.replace(WITHOUT_TURN, turn).replace(b"\x03\x05\x84", b"\x03\x84\x85")


def heic_of(size_wh: tuple[int, int]) -> bytes:
    """The HEIC, which says that it is of this size."""
    named = b"ispe" + bytes(4)
    told = HEIC.replace(named + struct.pack(">II", 64, 64), named + struct.pack(">II", *size_wh))
    cut = struct.pack(">III", size_wh[0], 1, size_wh[1])
    return told.replace(b"clap" + struct.pack(">III", 64, 1, 48), b"clap" + cut)


def mean_difference(image: Image.Image, expected: Image.Image) -> float:
    assert image.size == expected.size
    return float(np.abs(np.asarray(image, np.float32) - np.asarray(expected, np.float32)).mean())


@pytest.mark.parametrize("turns", range(4))
def test_heic_is_read_and_turned_once(turns: int) -> None:
    data = turned_heic(turns)
    expected = scene().rotate(90 * turns, expand=True)
    assert header_size(data) == expected.size
    assert mean_difference(read_photo(data, "a.heic").image, expected) < 3


@pytest.mark.parametrize("orientation", [1, 2, 5, 6])
@pytest.mark.parametrize(
    ("format", "options"),
    [("AVIF", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"})],
)
def test_avif_and_tiff_are_turned_once(format: str, options: dict[str, str], orientation: int) -> None:
    def exif() -> Image.Exif:
        said = Image.Exif()
        said[0x0112] = orientation
        return said

    picture = scene((320, 240))
    data = encoded(picture, format, exif=exif(), **options)
    with Image.open(io.BytesIO(encoded(picture, "PNG", exif=exif()))) as stored:
        expected = ImageOps.exif_transpose(stored)
    assert header_size(data) == expected.size
    assert mean_difference(read_photo(data, "a").image, expected) < 4


@pytest.mark.parametrize("format", ["GIF", "TIFF", "AVIF"])
def test_of_several_pictures_the_first_is_taken(format: str) -> None:
    others = [Image.new("RGB", (64, 48), color) for color in ("white", "black")]
    data = encoded(scene(), format, save_all=True, append_images=others)
    assert mean_difference(read_photo(data, "a").image, scene()) < 12
    if format == "GIF":
        with Image.open(io.BytesIO(read_container(data).data)) as kept:
            assert getattr(kept, "n_frames", 1) == 1, "no further picture goes on to the decoder"


@pytest.mark.parametrize(
    ("mode", "format"),
    [("1", "TIFF"), ("L", "BMP"), ("LA", "TIFF"), ("P", "GIF"), ("P", "BMP"), ("CMYK", "TIFF"), ("1", "BMP")],
)
def test_every_kind_of_color_becomes_rgb(mode: str, format: str) -> None:
    image = Image.new("RGB", (16, 12), "white").convert(mode)
    assert read_photo(encoded(image, format), "a").image.getpixel((3, 3)) == (255, 255, 255)


def test_grey_of_sixteen_bits_keeps_its_high_byte() -> None:
    data = encoded(Image.fromarray(np.full((12, 16), 40_000, np.uint16)), "TIFF")
    assert read_photo(data, "a").image.getpixel((0, 0)) == (156, 156, 156)


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (16, 12), (255, 0, 0, 0))
    for format in ("GIF", "TIFF", "AVIF"):
        assert min(read_photo(encoded(image, format), "a").image.getpixel((3, 3))) > 250, format


def test_metadata_of_a_tiff_never_reaches_the_decoder() -> None:
    data = encoded(scene(), "TIFF", description="a secret place", software="x" * 100)
    with Image.open(io.BytesIO(read_container(data).data)) as kept:
        assert set(kept.tag_v2) <= {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 339}


def refused(data: bytes, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        read_photo(data, "a")


def test_a_size_beyond_the_limits_is_refused_before_anything_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.images.decode.decode_apart", None)
    monkeypatch.setattr(Image, "open", None)
    side = 8_000
    assert side * side > MAX_PIXELS
    refused(heic_of((side, side)), "64.0 million pixels; at most 52.4")
    gif = encoded(scene(), "GIF")
    refused(gif[:6] + struct.pack("<HH", side, side) + gif[10:], "64.0 million pixels")
    picture = gif.index(b",\0\0\0\0") + 5
    refused(gif[:picture] + struct.pack("<HH", side, side) + gif[picture + 4 :], "64.0 million pixels")
    bmp = encoded(scene(), "BMP")
    refused(bmp[:18] + struct.pack("<ii", side, -side) + bmp[26:], "damaged or cut off")
    tiff = encoded(scene(), "TIFF")
    for tag, value in ((256, 64), (257, 48)):
        before = struct.pack("<HHII", tag, 4, 1, value)
        assert before in tiff
        tiff = tiff.replace(before, struct.pack("<HHII", tag, 4, 1, side))
    refused(tiff, "64.0 million pixels")


def test_a_header_that_lies_about_the_size_is_refused() -> None:
    refused(heic_of((32, 24)), "two different sizes|cannot be decoded")


def test_a_tiff_whose_pieces_are_longer_than_the_file_is_refused() -> None:
    """A small packed piece, unpacked ten thousand times, would keep the decoder busy."""
    data = encoded(scene(), "TIFF", compression="tiff_adobe_deflate")
    container = read_container(data)
    count = struct.pack("<HHI", 279, 4, 1)
    place = data.index(count) + len(count)
    refused(data[:place] + struct.pack("<I", len(container.data) * 2) + data[place + 4 :], "damaged")


@pytest.mark.parametrize(
    ("tag", "kind", "value", "sentence"),
    [
        (259, 3, 6, "got method 6: save it as JPEG"),
        (277, 3, 9, "got 9: save it as JPEG"),
        (50706, 3, 1, "got a raw camera picture: export it as JPEG"),
    ],
)
def test_a_tiff_that_is_no_photo_says_what_to_do(tag: int, kind: int, value: int, sentence: str) -> None:
    data = bytearray(encoded(scene(), "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (fields,) = struct.unpack_from("<H", data, directory)
    entries = range(directory + 2, directory + 12 * fields, 12)
    places = {struct.unpack_from("<H", data, at)[0]: at for at in entries}
    struct.pack_into("<HHIHH", data, places.get(tag, places[262]), tag, kind, 1, value, 0)
    refused(bytes(data), sentence)


def test_damage_of_any_kind_is_one_sentence() -> None:
    random_bytes = random.Random(0)
    for data in (HEIC, *(encoded(scene(), format) for format in ("AVIF", "TIFF", "GIF", "BMP"))):
        for _ in range(400):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[random_bytes.randrange(min(len(data), 500))] = random_bytes.randrange(256)
            try:
                read_container(bytes(damaged))
            except PhotoError as error:
                assert str(error).endswith(".")


def test_a_decoder_that_crashes_costs_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    refused(HEIC, "damaged or cut off")


def test_folders_are_searched_for_all_kinds(tmp_path: Path) -> None:
    names = [f"photo{suffix}" for suffix in PHOTO_SUFFIXES]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "without an ending").write_bytes(HEIC)
    (tmp_path / "notes.txt").write_text("BM is no picture")
    assert [path.name for path in photo_paths(tmp_path)] == sorted([*names, "without an ending"])
