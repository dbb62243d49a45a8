"""Blobs: whole or not at all, known by their bytes, in a folder or at any place fsspec knows."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from pathlib import Path

import pytest

from core.errors import NotFoundError, StoreAwayError, StoreError, StoreFullError
from core.store.blobs import Blobs

GONE = "0" * 64


@pytest.fixture(params=["folder", "file-url", "memory", "s3"])
def blobs(request, tmp_path: Path) -> Blobs:
    if request.param == "s3":
        request.getfixturevalue("s3")
    places = {
        "folder": str(tmp_path / "blobs"),
        "file-url": (tmp_path / "blobs").as_uri(),
        "memory": f"memory://{uuid.uuid4().hex}",
        "s3": "s3://bucket/lapel",
    }
    return Blobs(places[request.param])


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_comes_back_by_the_digest_of_its_bytes(blobs):
    digest = blobs.put(b"a picture")
    assert digest == hashlib.sha256(b"a picture").hexdigest()
    assert blobs.get(digest) == b"a picture" and blobs.has(digest)


def test_the_same_bytes_again_are_one_blob(blobs):
    assert blobs.put(b"one") == blobs.put(b"one")
    blobs.put(b"two")
    assert len(list(blobs.digests())) == 2


def test_an_empty_place_holds_nothing(blobs):
    assert list(blobs.digests()) == [] and not blobs.has(GONE)
    with pytest.raises(NotFoundError):
        blobs.get(GONE)


def test_a_deleted_blob_is_gone_and_deleting_it_again_is_fine(blobs):
    digest = blobs.put(b"a picture")
    blobs.delete(digest)
    blobs.delete(digest)
    assert not blobs.has(digest) and list(blobs.digests()) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/passwd", "A" * 64, "0" * 63 + "\n"])
def test_a_name_that_is_no_digest_reaches_no_file(blobs, name):
    with pytest.raises(NotFoundError):
        blobs.get(name)
    blobs.delete(name)
    assert not blobs.has(name)


def test_a_damaged_blob_is_not_handed_out_and_is_mended_when_it_comes_again(tmp_path):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"a picture")
    (tmp_path / digest[:2] / digest).write_bytes(b"a pixture")
    with pytest.raises(StoreError, match="damaged"):
        blobs.get(digest)
    blobs.put(b"a picture")
    assert blobs.get(digest) == b"a picture"


def test_file_and_folder_are_on_the_disk_before_put_returns(tmp_path, monkeypatch):
    order: list[str] = []
    sync, replace = os.fsync, Path.replace

    def watched_sync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def watched_replace(path: Path, target: Path) -> Path:
        order.append("rename")
        return replace(path, target)

    blobs = Blobs(str(tmp_path / "blobs"))
    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    blobs.put(b"a picture")
    assert order[-3:] == ["file", "rename", "folder"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StoreFullError), (errno.EDQUOT, StoreFullError), (errno.EIO, StoreError)],
)
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, number, kind):
    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    blobs = Blobs(str(tmp_path / "blobs"))
    blobs.put(b"the first makes the folders")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(kind):
        blobs.put(b"a picture")
    assert len(files_of(tmp_path)) == 1 and len(list(blobs.digests())) == 1


def test_a_stray_file_is_no_blob(tmp_path):
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"a picture")
    (tmp_path / digest[:2] / "Thumbs.db").write_bytes(b"")
    assert list(blobs.digests()) == [digest]


def test_a_bucket_that_is_closed_or_gone_is_away(s3):
    blobs = Blobs("s3://bucket/lapel")
    digest = blobs.put(b"a picture")
    blobs.require_there()
    s3.denied.add(f"bucket/lapel/{digest[:2]}/{digest}")
    with pytest.raises(StoreAwayError, match="The place of the pictures cannot be used"):
        blobs.get(digest)
    s3.denied.clear()
    s3.no_buckets.add("bucket")
    with pytest.raises(StoreAwayError, match="s3://bucket/lapel is not there"):
        blobs.require_there()


def test_a_folder_that_is_not_mounted_is_away_and_one_bad_file_is_not(tmp_path):
    blobs = Blobs(str(tmp_path / "blobs"))
    with pytest.raises(StoreAwayError, match="is not there"):
        blobs.require_there()
    digest = blobs.put(b"a picture")
    blobs.require_there()
    file = tmp_path / "blobs" / digest[:2] / digest
    file.unlink()
    file.mkdir()  # reading it is an error of the system
    with pytest.raises(StoreError) as bad:
        blobs.get(digest)
    assert not isinstance(bad.value, StoreAwayError)
