"""Photos of every odd kind become upright RGB pictures without metadata, named safely."""

from __future__ import annotations

import hashlib
import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.file_names import MAX_NAME_BYTES, safe_name
from core.images.decode import open_photo, read_photo
from tests.core.picture_files import RED, WHITE, chunk, difference, encoded, png, scene, zipped

# Pictures


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 6),
        ("JPEG", {"quality": 95}, 6),
        ("JPEG", {"quality": 95, "progressive": True}, 6),
    ],
)
@pytest.mark.parametrize("name", ["dress.jpg", "dress.png", "dress"])
def test_bytes_decide_and_not_the_name(
    format: str, options: dict[str, object], tolerance: float, name: str
) -> None:
    data = encoded(scene(), format, **options)
    photo = read_photo(data, name)
    assert np.abs(np.asarray(photo.image, float) - np.asarray(scene(), float)).mean() <= tolerance
    assert (photo.name, photo.width, photo.height, photo.size_wh) == (name, 64, 48, (64, 48))
    assert photo.digest == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_is_applied_and_then_forgotten(format: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8825)[1] = "N"  # a GPS position
    exact: dict[str, object] = {"quality": 95, "subsampling": 0} if format == "JPEG" else {"lossless": True}
    data = encoded(scene(), format, exif=tags.tobytes(), icc_profile=b"p" * 200, **exact)
    photo = read_photo(data, "x")
    with Image.open(io.BytesIO(data)) as original:
        assert difference(photo.image, ImageOps.exif_transpose(original)) == 0
    assert photo.image.info == {} and not photo.image.getexif()
    with Image.open(io.BytesIO(encoded(photo.image, "JPEG"))) as again:
        assert not again.getexif() and not {"exif", "icc_profile", "xmp", "comment"} & again.info.keys()


def test_orientation_six_turns_the_lower_left_corner_up() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    photo = read_photo(encoded(scene(), exif=tags.tobytes()), "x")
    assert photo.size_wh == (48, 64)
    corners = [photo.image.getpixel(at) for at in ((0, 0), (47, 0), (0, 63), (47, 63))]
    assert corners == [(0, 0, 255), RED, (250, 250, 0), (0, 255, 0)]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_one_bit_and_palette_pictures_become_rgb(mode: str) -> None:
    image = scene().convert(mode)
    assert difference(read_photo(encoded(image), "x").image, image) == 0
    assert (
        difference(
            read_photo(encoded(scene().convert("L"), "JPEG", quality=95), "x").image, scene().convert("L")
        )
        <= 4
    )


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_transparency_is_laid_over_white(format: str) -> None:
    image = scene().convert("RGBA")
    image.paste((255, 0, 0, 0), (0, 0, 16, 48))
    image.paste((255, 0, 0, 128), (16, 0, 32, 48))
    got = read_photo(encoded(image, format, **({"lossless": True} if format == "WEBP" else {})), "x").image
    assert got.getpixel((5, 5)) == WHITE
    assert got.getpixel((20, 5)) == (255, 127, 127)
    assert got.getpixel((40, 5)) == (0, 255, 0)


def test_grey_with_transparency_is_laid_over_white() -> None:
    image = Image.new("LA", (20, 20), (40, 255))
    image.paste((40, 0), (0, 0, 10, 20))
    got = read_photo(encoded(image), "x").image
    assert (got.getpixel((2, 2)), got.getpixel((15, 2))) == (WHITE, (40, 40, 40))


@pytest.mark.parametrize("transparency", [0, bytes([0, 255, 255])])
def test_a_palette_with_transparent_colors_is_laid_over_white(transparency: int | bytes) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([9, 9, 9, 0, 0, 255, 1, 2, 3])
    image.paste(0, (0, 0, 10, 20))
    got = read_photo(encoded(image, transparency=transparency), "x").image
    assert (got.getpixel((2, 2)), got.getpixel((15, 2))) == (WHITE, (0, 0, 255))


@pytest.mark.parametrize(
    ("depth", "colors", "bright", "dark", "key", "expected"),
    [
        (1, 0, b"\xff", b"\0", b"\0\0", (0, 0, 0)),
        (4, 0, b"\xff" * 4, b"\x33" * 4, b"\0\x03", (51, 51, 51)),
        (8, 0, b"\xff" * 8, b"\x80" * 8, b"\0\x80", (128, 128, 128)),
        (16, 0, b"\xff" * 16, b"\x80\x10" * 8, b"\x80\x10", (128, 128, 128)),
        (16, 2, b"\xff" * 48, b"\x40\0\x80\0\xc0\0" * 8, b"\x40\0\x80\0\xc0\0", (64, 128, 192)),
    ],
)
def test_one_transparent_color_is_found_at_every_depth(
    depth: int, colors: int, bright: bytes, dark: bytes, key: bytes, expected: tuple[int, int, int]
) -> None:
    rows = b"".join(b"\0" + row for row in [bright] * 4 + [dark] * 4)
    plain = read_photo(png((8, 8), depth, colors, rows), "x").image
    assert (plain.getpixel((0, 0)), plain.getpixel((0, 7))) == (WHITE, expected)
    keyed = read_photo(png((8, 8), depth, colors, rows, chunk(b"tRNS", key)), "x").image
    assert (keyed.getpixel((0, 0)), keyed.getpixel((0, 7))) == (WHITE, WHITE)


def test_sixteen_bit_pictures_keep_their_brightness() -> None:
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    got = np.asarray(read_photo(encoded(Image.fromarray(ramp)), "x").image)
    np.testing.assert_allclose(got[..., 0], ramp / 257, atol=1)
    rows = b"".join(b"\0" + struct.pack(">4H", 65535, 32768, 0, 32768) * 8 for _ in range(8))
    assert read_photo(png((8, 8), 16, 6, rows), "x").image.getpixel((3, 3)) == (255, 191, 127)


def test_cmyk_is_read_in_adobes_inverted_way() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data
    got = np.asarray(read_photo(data, "x").image, np.float32)
    assert np.abs(got - np.asarray(scene(), np.float32)).mean() < 6


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (24, 24), color) for color in (RED, (0, 255, 0), (0, 0, 255))]
    for format in ("WEBP", "PNG"):
        options: dict[str, object] = {"lossless": True} if format == "WEBP" else {}
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert (b"ANMF" if format == "WEBP" else b"fcTL") in data
        assert read_photo(data, "x").image.getpixel((9, 9)) == RED


def test_what_follows_the_picture_is_ignored() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(scene(), format)
        behind = data + b"<script>alert(1)</script>" + zipped(a=b"b")
        assert difference(read_photo(behind, "x").image, read_photo(data, "x").image) == 0


@pytest.mark.photos
def test_real_photos_are_read_as_pillow_reads_them(test_data: Path) -> None:
    for path in sorted((test_data / "street" / "photos").glob("*.jpg"))[:5]:
        with Image.open(path) as original:
            assert difference(open_photo(path).image, original) == 0


# Names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("shirt.jpg", "shirt.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\shirt.jpg", "shirt.jpg"),
        ("C:\\photos\\shirt.jpg", "shirt.jpg"),
        ("C:shirt.jpg", "shirt.jpg"),
        ("/", "photo"),
        ("..", "photo"),
        ("", "photo"),
        ("\0\u202e", "photo"),
        ("shirt.jpg\0.html", "shirt.jpg.html"),
        ("shirt\u202egpj.exe", "shirtgpj.exe"),
        (" new\r\n\tshirt .jpg ", "new shirt.jpg"),
        ("\ud800shirt.jpg", "shirt.jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("<script>alert('1')<script>.jpg", "<script>alert('1')<script>.jpg"),
        ("=cmd().png", "=cmd().png"),
        ("Ma\u0308ntel 外套 👗.webp", "M\u00e4ntel 外套 👗.webp"),
    ],
)
def test_names_lose_what_could_harm_and_keep_what_people_wrote(name: str, shown: str) -> None:
    assert safe_name(name) == shown
    assert safe_name(shown) == shown


@pytest.mark.parametrize("letter", ["a", "ä", "衣", "👗"])
def test_long_names_are_cut_and_keep_their_ending(letter: str) -> None:
    name = safe_name(letter * 5_000 + ".jpeg")
    assert MAX_NAME_BYTES - 4 < len(name.encode()) <= MAX_NAME_BYTES
    assert name.startswith(letter) and name.endswith(letter + ".jpeg")


def test_any_name_gives_one_clean_line_and_stays_so() -> None:
    dice = random.Random(0)
    alphabet = "aé.\\/: \0\n\t\u202e\u200d\u0301\ufeff\ud800<'\"衣C"
    for _ in range(3_000):
        shown = safe_name("".join(dice.choices(alphabet, k=dice.randint(0, 12))))
        assert shown and shown.isprintable() and not set("/\\") & set(shown) and shown not in (".", "..")
        assert safe_name(shown) == shown
