"""Opening a store: where it lies, what it begins with, and what is said where it cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.access import LOCAL, Actor
from core.errors import StoreError
from core.files import data_folder
from core.store import Store, StoreTable


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("LAPEL_DATA", "LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_store_lies_in_its_folder(tmp_path, make_photo):
    store = Store.open(folder=tmp_path / "new" / "lapel")
    store.photos.add(make_photo(1), by="ada")
    store.close()
    assert (tmp_path / "new" / "lapel" / "lapel.db").is_file()
    assert len(list((tmp_path / "new" / "lapel" / "blobs").glob("??/*"))) == 2
    again = Store.open(folder=tmp_path / "new" / "lapel")
    assert again.photos.count() == 1
    again.close()


def test_the_folder_is_the_environments_else_the_users(monkeypatch, tmp_path):
    assert data_folder() == tmp_path / "home" / ".local" / "share" / "lapel"
    monkeypatch.setenv("LAPEL_DATA", str(tmp_path / "chosen"))
    store = Store.open()
    assert (tmp_path / "chosen" / "lapel.db").is_file()
    store.close()


def test_database_and_blobs_may_lie_elsewhere(monkeypatch, tmp_path, make_photo):
    monkeypatch.setenv("LAPEL_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")
    monkeypatch.setenv("LAPEL_BLOBS_URL", str(tmp_path / "pictures"))
    store = Store.open(folder=tmp_path / "data")
    store.photos.add(make_photo(1), by="ada")
    store.close()
    assert (tmp_path / "elsewhere.db").is_file() and len(list((tmp_path / "pictures").glob("??/*"))) == 2


def test_a_folder_with_signs_in_its_name_is_a_folder_like_any(tmp_path):
    store = Store.open(folder=tmp_path / "50% off? #1 ü")
    assert (tmp_path / "50% off? #1 ü" / "lapel.db").is_file()
    store.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(folder=tmp_path / "file" / "lapel")


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "lapel.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(folder=tmp_path)


def test_a_database_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/lapel.db", tmp_path)


def test_a_server_that_is_away_is_said_without_the_password(tmp_path):
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql://lapel:secret@127.0.0.1:1/lapel", Path(tmp_path))
    assert "secret" not in str(caught.value)


def test_a_store_acts_for_the_machine_until_somebody_is_named(tmp_path):
    store = Store.open(folder=tmp_path)
    anna = Actor.of("Anna", ["annotator"])
    hers = store.acting(anna)
    handed_out = [name for name, member in vars(Store).items() if isinstance(member, property | StoreTable)]
    assert {"photos", "queue", "revisions"} <= set(handed_out)
    assert {getattr(store, name).actor for name in handed_out} == {LOCAL}
    assert {getattr(hers, name).actor for name in handed_out} == {anna}
    assert hers.hash_index is store.hash_index and hers.acting(LOCAL) == store
    store.close()
