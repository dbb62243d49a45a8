"""Uploads wait in a folder of ours, and whatever their names say, they stay in it."""

from __future__ import annotations

import io

import pytest

from core.errors import StoreError
from core.store.imports import UploadFolder


@pytest.fixture
def data(tmp_path):
    return UploadFolder(tmp_path / "incoming")


def written(home) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def test_files_are_written_with_the_folders_of_their_dataset(data):
    home = data.stage([("set/annos/1.json", b"{}"), ("set/image/1.jpg", b"1")])
    assert home.parent == data.folder
    assert written(home) == {"set/annos/1.json": b"{}", "set/image/1.jpg": b"1"}


def test_two_files_of_one_name_are_both_kept(data):
    assert written(data.stage([("a.jpg", b"1"), ("a.jpg", b"2")])) == {"a.jpg": b"1", "a (2).jpg": b"2"}


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..\\..\\x.jpg", "a/../../b.jpg", "C:/x.jpg", "\0.jpg", "", ".."],
)
def test_no_name_leaves_the_folder(data, name):
    home = data.stage([(name, b"x")])
    assert len(written(home)) == 1
    assert [path for path in data.folder.rglob("*") if path.is_file()] == [
        path for path in home.rglob("*") if path.is_file()
    ]


def test_uploads_do_not_share_a_folder(data):
    assert data.stage([("a.jpg", b"1")]) != data.stage([("a.jpg", b"1")])


def test_a_full_or_missing_disk_is_one_sentence(data):
    data.folder.write_bytes(b"a file in the way")
    with pytest.raises(StoreError, match="could not be written"):
        data.stage([("a.jpg", b"1")])


def test_open_files_are_written_as_their_bytes_are(data):
    assert written(data.stage([("a.zip", io.BytesIO(b"zip"))])) == {"a.zip": b"zip"}
