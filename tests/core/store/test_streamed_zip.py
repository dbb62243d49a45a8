"""A streamed zip is a zip as any other, written into what cannot go back."""

from __future__ import annotations

import io
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from core.store import streamed_zip
from core.store.streamed_zip import StreamedZip


class OneWay(io.RawIOBase):
    """Takes bytes and has no way back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += data
        return len(data)


@pytest.mark.parametrize("in_memory", [1, 2**20], ids=["contents on the disk", "contents in memory"])
def test_what_was_written_can_be_read_by_any_reader(monkeypatch, in_memory):
    monkeypatch.setattr(streamed_zip, "IN_MEMORY", in_memory)
    out = OneWay()
    with StreamedZip(out) as archive:
        for number in range(300):
            archive.add(f"texts/{number} Größe.txt", f"text {number}\n")
        archive.add("photo.jpg", b"\xff" * 1000, packed=True)
        with archive.open("long.csv", "w") as member:
            for _ in range(100):
                member.write(b"a,b,c\n")
    assert not out.closed
    with ZipFile(io.BytesIO(bytes(out.data))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 302
        assert archive.read("texts/7 Größe.txt") == b"text 7\n"
        assert archive.read("long.csv") == b"a,b,c\n" * 100
        assert archive.getinfo("photo.jpg").compress_type == ZIP_STORED
        assert archive.getinfo("long.csv").compress_type == ZIP_DEFLATED


def test_more_files_than_an_old_zip_counts_are_all_there():
    out = OneWay()
    with StreamedZip(out) as archive:
        for number in range(65_600):
            archive.add(str(number), b"", packed=True)
    with ZipFile(io.BytesIO(bytes(out.data))) as archive:
        assert len(archive.namelist()) == 65_600


def test_an_empty_zip_is_a_zip():
    out = OneWay()
    StreamedZip(out).close()
    with ZipFile(io.BytesIO(bytes(out.data))) as archive:
        assert archive.namelist() == []
