"""Uploads wait in a folder of ours, and whatever their names say, they stay in it."""

from __future__ import annotations

import pytest

from app.data.imports import server_folder, stage
from core.errors import AccessError, StoreError
from core.store.imports import FOLDERS_VARIABLE


@pytest.fixture
def data(tmp_path):
    return tmp_path / "incoming"


def written(home) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def test_files_are_written_with_the_folders_of_their_dataset(data):
    home = stage([("set/annos/1.json", b"{}"), ("set/image/1.jpg", b"1")], data)
    assert home.parent == data
    assert written(home) == {"set/annos/1.json": b"{}", "set/image/1.jpg": b"1"}


def test_two_files_of_one_name_are_both_kept(data):
    assert written(stage([("a.jpg", b"1"), ("a.jpg", b"2")], data)) == {"a.jpg": b"1", "a (2).jpg": b"2"}


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..\\..\\x.jpg", "a/../../b.jpg", "C:/x.jpg", "\0.jpg", "", ".."],
)
def test_no_name_leaves_the_folder(data, name):
    home = stage([(name, b"x")], data)
    assert len(written(home)) == 1
    assert [path for path in data.rglob("*") if path.is_file()] == [
        path for path in home.rglob("*") if path.is_file()
    ]


def test_uploads_do_not_share_a_folder(data):
    assert stage([("a.jpg", b"1")], data) != stage([("a.jpg", b"1")], data)


def test_a_full_or_missing_disk_is_one_sentence(data):
    data.write_bytes(b"a file in the way")
    with pytest.raises(StoreError, match="could not be written"):
        stage([("a.jpg", b"1")], data)


def test_a_folder_on_the_server_is_found_however_it_was_pasted(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    assert server_folder(f' "{tmp_path}" ') == tmp_path.resolve()


@pytest.mark.parametrize("text", ["", "   ", "/no/such/folder", "a\0b", "~nobody-at-all/x", "/etc"])
def test_what_is_no_folder_is_said_in_one_sentence(text):
    with pytest.raises((StoreError, AccessError)):
        server_folder(text)
