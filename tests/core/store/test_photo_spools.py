"""A session's photos lie on disk without metadata, and go with the session."""

from __future__ import annotations

import gc
import io
import os
import platform
import subprocess
import sys

import pytest
from PIL import Image

from core.files import DATA_VARIABLE
from core.images.decode import read_photo
from core.store import photo_drafts as batch
from tests.pictures import encoded, jpeg, picture


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_kept_photo_comes_back_in_its_own_size_and_nearly_its_own_pixels():
    held = batch.Spool()
    photo = read_photo(jpeg(size_wh=(1500, 900)), "a.jpg")
    spooled = held.add(photo, 0)
    again = spooled.photo()
    assert (again.name, again.size_wh) == ("a.jpg", (1500, 900))
    differences = [
        abs(x - y)
        for x, y in zip(
            again.image.resize((60, 36)).tobytes(), photo.image.resize((60, 36)).tobytes(), strict=True
        )
    ]
    assert max(differences) <= 6


def test_the_page_gets_smaller_pictures_of_the_same_shape():
    spooled = batch.Spool().add(read_photo(jpeg(size_wh=(2560, 1280)), "a.jpg"), 0)
    assert Image.open(io.BytesIO(spooled.view())).size == (1280, 640)
    assert Image.open(io.BytesIO(spooled.thumbnail)).size == (320, 160)


def test_nothing_kept_says_where_the_photo_was_taken(data):
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    original = encoded(picture(), "JPEG", exif=exif, comment=b"SecretPlace")
    assert b"SecretCamera" in original
    held = batch.Spool()
    spooled = held.add(read_photo(original, "a.jpg"), 0)
    files = [path.read_bytes() for path in held.folder.iterdir()] + [spooled.thumbnail]
    assert len(files) == 4
    assert all(not Image.open(io.BytesIO(file)).getexif() for file in files)
    assert all(b"Secret" not in file and b"Exif" not in file for file in files)


def test_files_are_named_by_us_not_by_the_upload():
    held = batch.Spool()
    held.add(read_photo(jpeg(), "../../etc/passwd.jpg"), 7)
    held.add_upload(0, "../x.jpg", b"x")
    assert {path.name.split("-")[0] for path in held.folder.iterdir()} == {
        "000007.jpg",
        "000007.view.jpg",
        "000007.small.jpg",
        "incoming",
    }


def test_what_waited_is_removed_and_a_strangers_file_is_not(tmp_path):
    held = batch.Spool()
    foreign = tmp_path / "own.jpg"
    foreign.write_bytes(b"y")
    waiting = held.add_upload(0, "a.jpg", b"x")
    held.remove_uploads([waiting, held.add_upload(1, "own.jpg", foreign)])
    assert not waiting.path.exists()
    assert foreign.exists()


def test_the_folder_goes_with_its_session():
    held = batch.Spool()
    folder = held.folder
    assert folder.is_dir()
    del held
    gc.collect()
    assert not folder.exists()


def test_a_sweep_removes_what_a_killed_session_left_but_not_what_is_in_use(data):
    old, new = data / "previews" / "old", data / "previews" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "000000.jpg").write_bytes(b"x")
    os.utime(old, (0, 0))
    assert batch.sweep_drafts() == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_a_sweep_removes_the_photos_of_a_process_that_is_gone_at_once(data):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = platform.node()
    gone, elsewhere, foreign = (
        data / "previews" / name for name in (f"{here}-{ended.pid}-x", f"not{here}-{ended.pid}-x", "mine")
    )
    for folder in (gone, elsewhere, foreign):
        folder.mkdir(parents=True)
    held = batch.Spool()
    assert batch.sweep_drafts() == 1
    assert [folder.exists() for folder in (gone, elsewhere, foreign, held.folder)] == [
        False,
        True,
        True,
        True,
    ]


def test_a_sweep_of_nothing_is_fine():
    assert batch.sweep_drafts() == 0
