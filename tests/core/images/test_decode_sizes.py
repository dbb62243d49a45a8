"""Sizes come from the header, are those of the upright photo, and keep to the limits of reading it."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from core.errors import DatasetError, PhotoError
from core.images.decode import open_photo, read_photo, upright_size
from tests.core.picture_files import chunk, encoded, png, scene

ROOT = Path(__file__).parents[3]
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_BYTES = 100 * 2**20

Packet = Callable[[int], bytes]


def attribute(orientation: int) -> bytes:
    """An XMP packet as phones and editors write it."""
    return b'<rdf:Description xmlns:tiff="x" tiff:Orientation="%d"/>' % orientation


def element(orientation: int) -> bytes:
    """The same, written as an element."""
    return b"<rdf:Description><tiff:Orientation>%d</tiff:Orientation></rdf:Description>" % orientation


def exif(orientation: int | None) -> Image.Exif:
    """EXIF with an orientation, or with something else alone."""
    tags = Image.Exif()
    tags[0x010E] = "a photo"
    if orientation is not None:
        tags[0x0112] = orientation
    return tags


def oriented(format: str, **options: object) -> bytes:
    """A file of a scene, with metadata; Pillow writes a PNG's XMP as text."""
    packet = options.pop("xmp", None)
    if format != "PNG" or packet is None:
        return encoded(scene((30, 20)), format, **options, **({"xmp": packet} if packet else {}))
    data = encoded(scene((30, 20)), format, **options)
    return data[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + data[33:]


def check(data: bytes, folder: Path) -> None:
    """Both readers agree with each other and with Pillow's own rule."""
    path = folder / "a photo"
    path.write_bytes(data)
    with Image.open(io.BytesIO(data)) as picture:
        expected = ImageOps.exif_transpose(picture).convert("RGB")
    photo = open_photo(path)
    assert upright_size(path) == photo.size_wh == expected.size
    assert photo.image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_a_photo_is_upright_by_exif_or_by_xmp(tmp_path: Path, format: str, orientation: int) -> None:
    check(oriented(format, exif=exif(orientation)), tmp_path)
    for packet in (attribute, element):
        check(oriented(format, xmp=packet(orientation)), tmp_path)
        check(oriented(format, exif=exif(None), xmp=packet(orientation)), tmp_path)


@pytest.mark.parametrize("in_exif", [1, 3, 6, 9])
@pytest.mark.parametrize("format", FORMATS)
def test_exif_counts_where_it_says_something_and_xmp_another(
    tmp_path: Path, format: str, in_exif: int
) -> None:
    check(oriented(format, exif=exif(in_exif), xmp=attribute(8)), tmp_path)


@pytest.mark.parametrize(
    "packet", [b"", attribute(0), attribute(9), b"tiff:Orientation", b"<tiff:Orientation>"]
)
@pytest.mark.parametrize("format", FORMATS)
def test_xmp_that_says_nothing_of_use_leaves_the_photo_as_stored(
    tmp_path: Path, format: str, packet: bytes
) -> None:
    check(oriented(format, xmp=packet), tmp_path)


def test_a_compressed_packet_is_read_and_a_bomb_of_one_is_not_unpacked(tmp_path: Path) -> None:
    def packed(packet: bytes) -> bytes:
        data = encoded(scene((30, 20)))
        text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
        return data[:33] + chunk(b"iTXt", text) + data[33:]

    check(packed(attribute(6)), tmp_path)
    assert read_photo(packed(attribute(6)), "a").size_wh == (20, 30)
    assert read_photo(packed(bytes(2**24) + attribute(6)), "a").size_wh == (30, 20)


def test_a_missing_photo_and_one_that_is_none_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such photo"):
        upright_size(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_text("<script>")
    with pytest.raises(DatasetError, match="cannot be read"):
        upright_size(tmp_path / "a.jpg")


def test_a_photoshop_file_has_no_size_as_it_cannot_be_opened_either(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    path.write_bytes(b"8BPS" + bytes(60))
    with pytest.raises(DatasetError, match="got a Photoshop file: save it as JPEG"):
        upright_size(path)
    with pytest.raises(PhotoError, match="got a Photoshop file: save it as JPEG"):
        open_photo(path)


def test_a_photo_beyond_the_limits_is_refused_in_little_memory(tmp_path: Path) -> None:
    side = 13_300
    path = tmp_path / "flat.png"
    path.write_bytes(png((side, side), 1, 0, bytes((1 + (side + 7) // 8) * side)))
    code = (
        "import resource, sys; from pathlib import Path; from core.errors import DatasetError\n"
        "from core.images.decode import upright_size\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: upright_size(Path(sys.argv[1]))\n"
        "except DatasetError as error: print(error)\n"
        "print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said, taken = done.stdout.splitlines()
    assert said == (
        "the size of flat.png is needed, but it cannot be read as a photo: "
        "The photo has 176.9 million pixels; at most 52.4 are read."
    )
    assert int(taken) < MOST_BYTES
