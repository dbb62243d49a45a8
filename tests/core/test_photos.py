"""Bytes of every odd kind become a right picture or one sentence, in bounded time and memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import PhotoError
from core.garments import Refusal
from core.photos import (
    MAX_BYTES,
    MAX_NAME_BYTES,
    MAX_PIXELS,
    Photo,
    count_photos,
    iter_photos,
    open_photo,
    read_photo,
    safe_name,
)

STREET = Path(os.environ.get("LAPEL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "street"
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
RED, WHITE = (255, 0, 0), (255, 255, 255)


def scene(size_wh: tuple[int, int] = (64, 48)) -> Image.Image:
    """Four corners of four colours, so that every turn and mirroring shows."""
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
    size_wh: tuple[int, int], depth: int, colours: int, rows: bytes, between: bytes = b"", interlace: int = 0
) -> bytes:
    """A PNG by hand: ``rows`` are the filtered scanlines, ``between`` are chunks before the picture."""
    header = struct.pack(">IIBBBBB", *size_wh, depth, colours, 0, 0, interlace)
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


FRESH = """
import re, sys, time
from pathlib import Path
from core.photos import PhotoError, read_photo

def megabytes(name):  # of this process alone; getrusage counts what its parent held before
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

data = sys.stdin.buffer.read()
before, began = megabytes("VmRSS"), time.process_time()
try:
    outcome = str(read_photo(data, "x").size_wh)
except PhotoError as error:
    outcome = str(error)
print(outcome, time.process_time() - began, megabytes("VmHWM") - before, sep="|")
"""


def read_in_a_fresh_process(data: bytes) -> tuple[str, float, float]:
    """The outcome of reading ``data``, the processor's seconds, and the megabytes by which memory grew."""
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", FRESH], input=data, capture_output=True, cwd=root, check=True)
    outcome, seconds, megabytes = ran.stdout.decode().strip().split("|")
    return outcome, float(seconds), float(megabytes)


# Pictures that are right


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
def test_a_palette_with_transparent_colours_is_laid_over_white(transparency: int | bytes) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([9, 9, 9, 0, 0, 255, 1, 2, 3])
    image.paste(0, (0, 0, 10, 20))
    got = read_photo(encoded(image, transparency=transparency), "x").image
    assert (got.getpixel((2, 2)), got.getpixel((15, 2))) == (WHITE, (0, 0, 255))


@pytest.mark.parametrize(
    ("depth", "colours", "bright", "dark", "key", "expected"),
    [
        (1, 0, b"\xff", b"\0", b"\0\0", (0, 0, 0)),
        (4, 0, b"\xff" * 4, b"\x33" * 4, b"\0\x03", (51, 51, 51)),
        (8, 0, b"\xff" * 8, b"\x80" * 8, b"\0\x80", (128, 128, 128)),
        (16, 0, b"\xff" * 16, b"\x80\x10" * 8, b"\x80\x10", (128, 128, 128)),
        (16, 2, b"\xff" * 48, b"\x40\0\x80\0\xc0\0" * 8, b"\x40\0\x80\0\xc0\0", (64, 128, 192)),
    ],
)
def test_one_transparent_colour_is_found_at_every_depth(
    depth: int, colours: int, bright: bytes, dark: bytes, key: bytes, expected: tuple[int, int, int]
) -> None:
    rows = b"".join(b"\0" + row for row in [bright] * 4 + [dark] * 4)
    plain = read_photo(png((8, 8), depth, colours, rows), "x").image
    assert (plain.getpixel((0, 0)), plain.getpixel((0, 7))) == (WHITE, expected)
    keyed = read_photo(png((8, 8), depth, colours, rows, chunk(b"tRNS", key)), "x").image
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
    frames = [Image.new("RGB", (24, 24), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
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


@pytest.mark.skipif(not STREET.is_dir(), reason="real photos: set LAPEL_TEST_DATA")
def test_real_photos_are_read_as_pillow_reads_them() -> None:
    for path in sorted((STREET / "photos").glob("*.jpg"))[:5]:
        with Image.open(path) as original:
            assert difference(open_photo(path).image, original) == 0


# Files that are refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"\0" * 5_000,
        encoded(scene(), "GIF"),
        encoded(scene(), "BMP"),
        encoded(scene(), "TIFF"),
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
    ("bomb", "outcome", "most_megabytes"),
    [
        (lambda: png((30_000, 30_000), 8, 2, bytes(100)), "900.0 million pixels", 20),
        (billion_pixel_jpeg, "899.9 million pixels", 20),
        (billion_pixel_webp, "900.0 million pixels", 20),
        (text_bomb, "(16, 16)", 20),
        (scan_bomb, "510 scans take too long", 20),
    ],
)
def test_a_bomb_costs_neither_time_nor_memory(bomb: object, outcome: str, most_megabytes: float) -> None:
    assert callable(bomb)
    got, seconds, megabytes = read_in_a_fresh_process(bomb())
    assert outcome in got
    assert seconds < 2.0
    assert megabytes < most_megabytes


@needs_proc
def test_the_largest_photo_is_read_in_bounded_memory() -> None:
    # Sixteen bits, transparency and the full number of pixels: the most that Pillow can be made to hold.
    width, height = 8192, MAX_PIXELS // 8192
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(8 * width)
    picture = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", picture) + chunk(b"IEND", b"")
    outcome, seconds, megabytes = read_in_a_fresh_process(data)
    assert outcome == f"({width}, {height})"
    assert seconds < 5.0  # about one when idle
    assert 300 < megabytes < 700  # and the meter is seen to measure


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


# Batches


def test_a_broken_file_refuses_itself_only() -> None:
    good = encoded(scene())
    got = list(iter_photos([("a.png", good), ("b.jpg", b"<html>"), ("c.png", good)]))
    assert [type(item) for item in got] == [Photo, Refusal, Photo]
    assert got[1] == Refusal("b.jpg", "Expected a JPEG, PNG or WebP photo, got an HTML page.")


def test_zips_are_opened_in_place_by_their_bytes(tmp_path: Path) -> None:
    good = encoded(scene())
    batch = zipped(
        **{
            "red/front.png": good,
            "__MACOSX/._front.png": b"x",
            "readme.txt": b"text",
            "in.zip": zipped(a=good),
        }
    )
    (tmp_path / "batch.bin").write_bytes(batch)
    for source in (batch, tmp_path / "batch.bin"):
        sources = [("first.png", good), ("batch.jpg", source), ("last.png", good)]
        got = list(iter_photos(sources))
        names = [item.name if isinstance(item, Photo) else item.photo for item in got]
        assert names == ["first.png", "front.png", "readme.txt", "in.zip", "last.png"]
        assert [isinstance(item, Photo) for item in got] == [True, True, False, False, True]
        assert count_photos(sources) == 5


def test_a_dangerous_zip_is_refused_as_a_whole_and_the_batch_goes_on() -> None:
    good = encoded(scene())
    sources = [("bad.zip", zipped(**{"good.png": good, "../evil.png": good})), ("c.png", good)]
    got = list(iter_photos(sources))
    assert isinstance(got[0], Refusal) and got[0].photo == "bad.zip" and "refused as a whole" in got[0].error
    assert isinstance(got[1], Photo) and len(got) == count_photos(sources) == 2


def test_names_are_unique_in_a_batch_whatever_their_case() -> None:
    good = encoded(scene())
    names = ["a.png", "x/a.png", "A.PNG", "a (2).png", "b", "b", "衣" * 500 + ".png", "衣" * 500 + ".png"]
    got = [photo.name for photo in iter_photos((name, good) for name in names) if isinstance(photo, Photo)]
    assert got[:6] == ["a.png", "a (2).png", "A (3).PNG", "a (2) (2).png", "b", "b (2)"]
    assert len({name.casefold() for name in got}) == len(names)
    assert got[7].endswith(" (2).png") and len(got[7].encode()) <= MAX_NAME_BYTES


def test_ten_thousand_equal_names_are_told_apart_quickly() -> None:
    began = time.process_time()
    names = {
        item.photo for item in iter_photos(("a.jpg", b"") for _ in range(10_000)) if isinstance(item, Refusal)
    }
    assert len(names) == 10_000
    assert time.process_time() - began < 2.0


def test_a_folder_gives_its_photos_sorted_and_follows_no_link(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for path in (outside, folder / "b", folder / ".cache"):
        path.mkdir(parents=True)
    good = encoded(scene())
    for path in (
        outside / "secret.png",
        folder / "2.png",
        folder / "1",
        folder / "b" / "3.JPG",
        folder / ".cache" / "4.png",
    ):
        path.write_bytes(good)
    (folder / "notes.csv").write_text("a,b")
    (folder / "0.jpg").write_bytes(b"broken")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.jpg")
    got = list(iter_photos([("folder", folder)]))
    assert [item.name if isinstance(item, Photo) else item.photo for item in got] == [
        "0.jpg",
        "1",
        "2.png",
        "3.JPG",
    ]
    assert isinstance(got[0], Refusal) and count_photos([("folder", folder)]) == 4


def test_an_empty_batch_gives_nothing_and_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert list(iter_photos([])) == [] and count_photos([]) == 0
    assert list(iter_photos([("f", tmp_path)])) == [
        Refusal("f", "The folder holds no JPEG, PNG or WebP photo.")
    ]
    assert count_photos([("f", tmp_path)]) == 1


def test_paths_that_are_no_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "missing.jpg", tmp_path / "pipe.jpg", Path("\0.jpg"), tmp_path):
        with pytest.raises(PhotoError, match="no such file"):
            open_photo(path)
    with pytest.raises(PhotoError, match="cannot be read: File name too long"):
        open_photo(Path("a" * 5_000))
    odd = [
        ("missing", tmp_path / "missing.jpg"),
        ("pipe", tmp_path / "pipe.jpg"),
        ("long", Path("a" * 5_000)),
    ]
    assert [type(item) for item in iter_photos(odd)] == [Refusal] * 3 and count_photos(odd) == 3


def test_photos_are_read_one_by_one() -> None:
    asked = []

    def sources():  # type: ignore[no-untyped-def]
        for name in ("a", "b", "c"):
            asked.append(name)
            yield name, encoded(scene())

    batch = iter_photos(sources())
    assert asked == []
    next(batch)
    assert asked == ["a"]
