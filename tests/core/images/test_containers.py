"""A picture file gives its size, its orientation and the parts that make the picture, and no metadata."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from core.errors import PhotoError
from core.images.containers import MAX_PARTS, kind_of, read_container
from tests.effort import count_lines

MOST_LINES = 1_000_000
"""Three times what the allowed parts take; four million parts would take twenty times as many."""
SECRET = b"GPS 47.3769 N 8.5417 E"


def encoded(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(out, format, **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = SECRET.decode()
    return tags.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def after_png_size(data: bytes, chunks: bytes) -> bytes:
    return data[:33] + chunks + data[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_size_and_orientation_are_read_without_decoding(format: str) -> None:
    container = read_container(encoded(format, exif=exif(6)))
    assert (container.format, container.size_wh, container.orientation) == (format, (40, 30), 6)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}])
def test_size_of_a_webp_without_extensions_is_read_from_its_picture(options: dict[str, bool]) -> None:
    data = encoded("WEBP", **options)
    assert data[12:16] == (b"VP8L" if options["lossless"] else b"VP8 ")
    assert read_container(data).size_wh == (40, 30)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_metadata_does_not_reach_the_decoder(format: str) -> None:
    data = encoded(format, exif=exif(1), icc_profile=b"profile " + SECRET, xmp=b"<x>" + SECRET + b"</x>")
    if format == "JPEG":
        data = (
            data[:2] + jpeg_segment(0xFE, SECRET) + jpeg_segment(0xED, b"Photoshop 3.0\0" + SECRET) + data[2:]
        )
    if format == "PNG":
        data = after_png_size(data, png_chunk(b"tEXt", b"Comment\0" + SECRET))
    assert SECRET in data
    stripped = read_container(data).data
    assert SECRET not in stripped
    with Image.open(io.BytesIO(stripped)) as picture, Image.open(io.BytesIO(data)) as original:
        assert not {"exif", "icc_profile", "xmp", "comment", "Comment", "photoshop"} & picture.info.keys()
        assert picture.tobytes() == original.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_orientation_is_read_in_both_byte_orders_and_widths(order: str, kind: int) -> None:
    field = struct.pack(order + "HHI", 0x0112, kind, 1) + struct.pack(
        order + ("H2x" if kind == 3 else "I"), 8
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    data = after_png_size(encoded("PNG"), png_chunk(b"eXIf", head + field + bytes(4)))
    assert read_container(data).orientation == 8


@pytest.mark.parametrize(
    "tags",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(12),
        b"II*\0" + struct.pack("<IHHHIH2x", 8, 1, 0x0112, 3, 1, 9),
        b"nonsense",
    ],
)
def test_damaged_exif_leaves_the_picture_as_stored(tags: bytes) -> None:
    data = after_png_size(encoded("PNG"), png_chunk(b"eXIf", tags))
    assert read_container(data).orientation == 1


def test_exif_of_many_overlapping_fields_costs_nothing() -> None:
    # Each of 5,400 fields points at the same 64 KB: 350 MB for a parser that follows them.
    fields = b"".join(struct.pack("<HHII", 0x9000 + i, 7, 65_000, 0) for i in range(5_400))
    data = encoded("JPEG")
    tags = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 5_400) + fields
    crowded = data[:2] + jpeg_segment(0xE1, tags) * 300 + data[2:]
    container = read_container(crowded)
    assert container.orientation == 1
    assert len(container.data) <= len(data)
    assert count_lines(lambda: read_container(crowded)) < MOST_LINES


def test_a_scan_is_counted_each_time_the_decoder_passes_over_the_pixels() -> None:
    assert read_container(encoded("JPEG")).scans == 1
    progressive = encoded("JPEG", progressive=True)
    assert read_container(progressive).scans == progressive.count(b"\xff\xda") == 10
    assert (
        read_container(progressive + encoded("JPEG", progressive=True)).scans == 10
    )  # a second picture behind it


@pytest.mark.parametrize("depth", [0, 3, 255])
def test_a_png_of_an_impossible_depth_is_refused(depth: int) -> None:
    data = bytearray(after_png_size(encoded("PNG"), png_chunk(b"tRNS", bytes(6))))
    data[24] = depth
    with pytest.raises(PhotoError, match="damaged"):
        read_container(bytes(data))


def refuse(data: bytes, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        read_container(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_file_in_too_many_parts_is_refused_at_once(format: str) -> None:
    part = {"JPEG": jpeg_segment(0xE5, b""), "PNG": png_chunk(b"tEXt", b""), "WEBP": b"JUNK" + bytes(4)}[
        format
    ]
    start = {"JPEG": 2, "PNG": 33, "WEBP": 12}[format]
    data = encoded(format)
    few, many = (data[:start] + part * count + data[start:] for count in (100, 4_000_000))
    assert read_container(few).size_wh == (40, 30)
    assert count_lines(lambda: refuse(many, f"more than {MAX_PARTS:,} parts")) < MOST_LINES


def test_a_jpeg_with_megabytes_of_tables_is_refused_at_once() -> None:
    data = encoded("JPEG")
    tables = jpeg_segment(0xDB, (b"\0" + b"\1" * 64) * 1_000) * 400
    assert count_lines(lambda: refuse(data[:2] + tables + data[2:], "tables are too large")) < MOST_LINES


def test_every_file_cut_short_is_refused_or_left_to_the_decoder() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(format, exif=exif(3))
        for length in range(len(data)):
            try:
                assert len(read_container(data[:length]).data) <= length + 8
            except PhotoError as error:
                assert str(error).endswith(".")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (b"8BPS" + bytes(20), "a Photoshop file"),
        (b"BMW and Audi", "a file of another kind"),
        (b"II+\0" + bytes(20), "a BigTIFF picture"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><script>alert(1)</script>", "an HTML page"),
        (b"<?xml version='1.0'?><svg onload='alert(1)'/>", "an SVG drawing"),
        (b"<script>alert(1)</script>", "a text with markup"),
        (b"plain text", "a file of another kind"),
        (b"RIFF\0\0\0\0WAVE", "a file of another kind"),
    ],
)
def test_other_files_are_named_in_the_refusal(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind
    with pytest.raises(PhotoError, match=rf"^Expected a photo \(JPEG, .* or BMP\), got {kind}(: [^.]+)?\.$"):
        read_container(data)


@pytest.mark.parametrize(
    "data", [b"\0\0\0\x18ftypmp42" + bytes(20), b"\x1a\x45\xdf\xa3" + bytes(20), b"RIFF\0\0\0\0AVI LIST"]
)
def test_a_video_is_told_where_it_is_read(data: bytes) -> None:
    with pytest.raises(PhotoError, match=r"^Expected a photo \(.*\), got a video: `core label`"):
        read_container(data)
