"""Pictures that the disk has damaged are found, and never shown as if they were whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import NotFoundError, StoreError
from core.store import Store
from core.store.backup import backup
from core.store.photos import PhotoRow
from tests.core.store.conftest import drawn
from tests.faults.wholeness import faults_of


def flipped(path: Path) -> None:
    """One bit of the file's middle is another."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    """The file's second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    """Nothing is left in the file."""
    path.write_bytes(b"")


@pytest.fixture
def row(fresh_store: Callable[[str], Store]) -> tuple[Store, PhotoRow]:
    """A store with one photo."""
    store = fresh_store("sqlite")
    row = store.photos.add(drawn(1), by="Anna").row
    assert row is not None
    return store, row


@pytest.mark.parametrize("harm", [flipped, cut_off, emptied])
def test_a_damaged_picture_is_found_when_it_is_wanted(
    harm: Callable[[Path], None], row: tuple[Store, PhotoRow], tmp_path: Path
) -> None:
    store, photo = row
    harm(blob_file(store, photo.blob))
    for look in (store.photos.picture, store.photos.open):
        with pytest.raises(StoreError, match="damaged"):
            look(photo.id)
    assert store.photos.thumbnail_of(photo)
    with pytest.raises(StoreError, match="damaged"):
        backup(store, tmp_path / "backup.zip")
    assert not [*tmp_path.glob("*backup.zip*")]
    assert len([*faults_of(store)]) == 1


def test_a_missing_picture_is_found_when_it_is_wanted(row: tuple[Store, PhotoRow]) -> None:
    store, photo = row
    blob_file(store, photo.thumbnail).unlink()
    with pytest.raises(NotFoundError, match="missing"):
        store.photos.thumbnail_of(photo)
    assert len([*faults_of(store)]) == 1


def blob_file(store: Store, digest: str) -> Path:
    """Where a blob lies."""
    return store.folder / "blobs" / digest[:2] / digest
