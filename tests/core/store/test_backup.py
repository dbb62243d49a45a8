"""A backup is all of the store at one moment; a restored store is that moment again, on any database."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from core.errors import StoreError, StoreFullError
from core.garments import Garment
from core.store import Store, backup_file
from core.store.backup import backup, restore
from core.store.backup_file import stored_tables
from core.store.blobs import Blobs
from core.store.schema import annotations, photos, tasks
from tests.core.store.rows import add_models
from tests.effort import count_lines

MOST_LINES = 2_000_000
"""Far more than a refusal takes, and far fewer than a million entries would."""
BOX = {"uid": "a", "box": [1, 2, 30, 40], "category": 1, "label": "Räin=coat", "origin": "person"}


@pytest.fixture
def filled(store, make_photo) -> Store:
    """A store with something in every kind of column."""
    number = store.imports.begin("a zip", "ada")
    rows = [store.photos.add(make_photo(n, holdout=n == 3), by="ada", import_id=number).row for n in range(4)]
    store.imports.refuse(number, "broken.jpg", "The photo is damaged.")
    store.imports.progress(number, 4, 4, {"new": 4}, "done")
    garment = Garment((1.5, 2, 3, 4), "dress", 0.25, (("Dress", 0.5),))
    store.predictions.save(rows[0].id, add_models(store.database), [garment], np.linspace(-1, 1, 8))
    store.categories.add("räincoat", "ada")
    store.settings.put("second_share", 0.25)
    with store.database.write() as connection:
        values = {
            "photo_id": rows[1].id,
            "version": 1,
            "base_version": 0,
            "kind": "submitted",
            "boxes": [BOX],
        }
        values |= {"author": "ada", "at": 1.0625, "request": "r1"}
        connection.execute(sa.insert(annotations).values(**values))
        task = {"photo_id": rows[1].id, "kind": "first", "state": "open", "rank": 0.1, "arm": "cold"}
        connection.execute(sa.insert(tasks).values(**task, reasons=["new"], parts={"a": 0.5}))
        connection.execute(sa.update(photos).where(photos.c.id == rows[0].id).values(near_id=rows[2].id))
    store.photos.delete(rows[2].id, "ada")
    return store


def everything(store: Store) -> dict[str, list[tuple]]:
    """All rows but those that say that they were saved or brought back."""
    with store.database.read() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key))
                if getattr(row, "action", "") not in ("backup", "restore")
            ]
            for table in stored_tables()
        }


def repacked(source: Path, target: Path, changes: dict[str, bytes | None], compress=None) -> Path:
    """The backup with some of its entries replaced, added, or (None) left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            if entry.filename not in changes:
                new.writestr(entry, old.read(entry))
        for name, data in changes.items():
            if data is not None:
                stored = name == backup_file.PICTURES
                kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                new.writestr(zipfile.ZipInfo(name), data, compress_type=compress or kind)
    return target


def entry(file: Path, name: str) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return archive.read(name)


def refuses(file: Path, store: Store, match: str) -> None:
    """Restoring raises a sentence, and neither a row nor a blob was written."""
    before = everything(store)
    with pytest.raises(StoreError, match=match):
        restore(file, store)
    assert everything(store) == before and list(store.blobs.digests()) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restored_store_is_the_same_on_either_database(filled, fresh_store, tmp_path, kind):
    manifest = backup(filled, tmp_path / "b.zip")
    other = fresh_store(kind)
    assert restore(tmp_path / "b.zip", other) == manifest
    assert everything(other) == everything(filled)
    assert set(other.blobs.digests()) == set(filled.blobs.digests())
    live = filled.photos.page(0, 10)
    assert [other.photos.picture(row.id) for row in live] == [filled.photos.picture(row.id) for row in live]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restored_store_goes_on(filled, fresh_store, make_photo, tmp_path, kind):
    backup(filled, tmp_path / "b.zip")
    other = fresh_store(kind)
    restore(tmp_path / "b.zip", other)
    assert other.photos.add(make_photo(0), by="ben").outcome == "exact"
    assert other.photos.add(make_photo(3, holdout=True), by="ben").outcome == "holdout"
    assert other.photos.add(make_photo(9), by="ben").row.id == 5
    assert other.categories.add("poncho", "ben").id == 15
    assert other.imports.begin("more", "ben") == 2


def test_an_empty_store_can_be_backed_up(store, fresh_store, tmp_path):
    backup(store, tmp_path / "b.zip")
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    assert everything(other) == everything(store)


def test_work_that_was_running_is_stopped_in_the_restored_store(store, fresh_store, tmp_path):
    store.jobs.begin("job", "label", "ada")
    number = store.imports.begin("a zip", "ada")
    backup(store, tmp_path / "b.zip")
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    assert other.jobs.get("job").state == "cancelled" and other.imports.get(number).state == "cancelled"


def test_a_backup_holds_one_moment_while_others_write(filled, fresh_store, make_photo, tmp_path, monkeypatch):
    expected = everything(filled)
    get, busy = Blobs.get, iter([True])

    def busy_get(blobs: Blobs, digest: str) -> bytes:
        if next(busy, False):
            added = threading.Thread(target=filled.photos.add, args=(make_photo(20),), kwargs={"by": "ben"})
            added.start()
            added.join()
        return get(blobs, digest)

    monkeypatch.setattr(Blobs, "get", busy_get)
    backup(filled, tmp_path / "b.zip")
    assert filled.photos.count() == 4
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    assert everything(other) == expected


def test_a_photo_deleted_in_the_meantime_is_restored_as_a_tombstone(
    filled, fresh_store, tmp_path, monkeypatch
):
    get, first = Blobs.get, filled.photos.page(0, 10)[-1]
    pending = iter([True])

    def deleting_get(blobs: Blobs, digest: str) -> bytes:
        if next(pending, False):
            filled.photos.delete(first.id, "ben")
        return get(blobs, digest)

    monkeypatch.setattr(Blobs, "get", deleting_get)
    manifest = backup(filled, tmp_path / "b.zip")
    assert manifest.gone == (first.id,)
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    assert other.photos.get(first.id, deleted_ok=True).deleted_at is not None
    assert set(other.blobs.digests()) == set(filled.blobs.digests())


def test_no_backup_is_made_of_a_store_that_lost_a_picture(filled, tmp_path):
    filled.blobs.delete(filled.photos.page(0, 1)[0].blob)
    with pytest.raises(StoreError, match="missing"):
        backup(filled, tmp_path / "b.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == []


def test_a_full_disk_leaves_the_last_backup_as_it_was(filled, tmp_path, monkeypatch):
    backup(filled, tmp_path / "b.zip")
    before = (tmp_path / "b.zip").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFullError):
        backup(filled, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == before and list(tmp_path.glob(".*.part")) == []


def test_a_store_that_holds_something_is_never_written_over(filled, tmp_path):
    backup(filled, tmp_path / "b.zip")
    before = everything(filled)
    with pytest.raises(StoreError, match="empty store only"):
        restore(tmp_path / "b.zip", filled)
    assert everything(filled) == before


def test_a_category_that_a_person_added_is_something(fresh_store, tmp_path):
    store = fresh_store("sqlite")
    backup(store, tmp_path / "b.zip")
    store.categories.add("poncho", "ada")
    with pytest.raises(StoreError, match="empty store only"):
        restore(tmp_path / "b.zip", store)


@pytest.fixture
def made(fresh_store, make_photo, tmp_path) -> Path:
    """A backup of two photos."""
    store = fresh_store("sqlite")
    for n in range(2):
        store.photos.add(make_photo(n), by="ada")
    backup(store, tmp_path / "good.zip")
    return tmp_path / "good.zip"


@pytest.fixture
def empty(fresh_store) -> Store:
    return fresh_store("sqlite")


@pytest.mark.parametrize(
    "changes",
    [
        {"../evil.jsonl": b"{}"},
        {"/etc/passwd": b"x"},
        {"tables/users.jsonl": b""},
        {"tables/photos.jsonl": None},
        {"manifest.json": None},
        {"pictures": None},
    ],
    ids=str,
)
def test_a_backup_with_other_files_is_refused(made, empty, tmp_path, changes):
    refuses(repacked(made, tmp_path / "bad.zip", changes), empty, "other files")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_backup_that_was_cut_off_is_refused(made, empty, tmp_path, share):
    data = made.read_bytes()
    (tmp_path / "bad.zip").write_bytes(data[: int(len(data) * share)])
    refuses(tmp_path / "bad.zip", empty, "refused")


def test_one_changed_byte_is_found_or_changes_nothing(made, tmp_path):
    data, expected = made.read_bytes(), contents(made)
    random = np.random.default_rng(5)
    for place in random.integers(0, len(data), 60):
        (tmp_path / "bad.zip").write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with contextlib.suppress(StoreError):
            assert contents(tmp_path / "bad.zip") == expected


def contents(file: Path) -> list[object]:
    """All that a backup holds, checked."""
    with backup_file.opened(file) as archive:
        manifest = backup_file.read_manifest(archive)
        tables = stored_tables()
        rows = [list(backup_file.read_lines(archive, t, manifest.tables[t.name])) for t in tables]
        return [*rows, list(backup_file.read_pictures(archive))]


def test_a_file_that_is_not_there_is_said(empty, tmp_path):
    refuses(tmp_path / "missing.zip", empty, "no file")


def test_changed_rows_are_refused_though_the_zip_is_whole(made, empty, tmp_path):
    rows = entry(made, "tables/photos.jsonl").replace(b'"by":"ada"', b'"by":"eve"')
    refuses(repacked(made, tmp_path / "bad.zip", {"tables/photos.jsonl": rows}), empty, "rows of photos")


def test_a_changed_picture_is_refused_though_the_zip_is_whole(made, empty, tmp_path):
    pictures = bytearray(entry(made, "pictures"))
    pictures[-1] ^= 1
    bad = repacked(made, tmp_path / "bad.zip", {"pictures": bytes(pictures)})
    refuses(bad, empty, "picture in it is damaged")


def test_a_missing_picture_is_refused(made, empty, tmp_path):
    pictures = entry(made, "pictures")
    header = pictures[: pictures.index(b"\n") + 1]
    rest = pictures[len(header) + int(header.split()[1]) :]
    refuses(repacked(made, tmp_path / "bad.zip", {"pictures": rest}), empty, "pictures are missing")


def test_pictures_that_say_they_are_huge_are_refused(made, empty, tmp_path):
    pictures = b"0" * 64 + b" 9999999999\n"
    refuses(repacked(made, tmp_path / "bad.zip", {"pictures": pictures}), empty, "cannot be read")


def with_rows(made: Path, target: Path, table: str, rows: bytes) -> Path:
    """The backup with other rows of a table and a manifest that vouches for them."""
    manifest = json.loads(entry(made, "manifest.json"))
    digest = backup_file.digest_of(rows)
    manifest["tables"][table] = {"rows": rows.count(b"\n"), "sha256": digest}
    changes = {f"tables/{table}.jsonl": rows, "manifest.json": json.dumps(manifest).encode()}
    return repacked(made, target, changes)


@pytest.mark.parametrize(
    "rows",
    [
        b"{}\n",
        b"[" * 100_000 + b"\n",
        b'{"name":"a","value":1,"more":2}\n',
        b'{"name":"a","value":1}\n{"name":"a","value":1}\n',
        b'{"name":null,"value":1}\n',
        b'{"name":{"a":1},"value":1}\n',
    ],
    ids=["no columns", "nested deeply", "other columns", "doubled key", "null", "wrong type"],
)
def test_rows_that_fit_no_table_are_refused_though_the_digests_are_right(made, empty, tmp_path, rows):
    refuses(with_rows(made, tmp_path / "bad.zip", "settings", rows), empty, "rows?")


def test_a_row_without_its_picture_is_refused_though_the_digests_are_right(made, empty, tmp_path):
    rows = [json.loads(line) for line in entry(made, "tables/photos.jsonl").splitlines()]
    rows[0]["blob"] = "f" * 64
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    refuses(with_rows(made, tmp_path / "bad.zip", "photos", lines), empty, "picture of a photo is missing")


def test_a_zip_bomb_is_refused(made, empty, tmp_path):
    bad = repacked(made, tmp_path / "bad.zip", {"tables/settings.jsonl": b" " * 30 * 2**20})
    refuses(bad, empty, "times its packed size")


def test_a_list_of_a_million_entries_is_refused_unread(empty, tmp_path):
    listed = (b"PK\x01\x02" + bytes(24) + b"\x01\x00" + bytes(16) + b"a") * 10**6
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(listed), 0, 0)
    (tmp_path / "bad.zip").write_bytes(listed + end)
    assert count_lines(lambda: refuses(tmp_path / "bad.zip", empty, "refused")) < MOST_LINES


def test_a_file_of_another_kind_or_schema_is_refused(made, empty, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"not a zip")
    refuses(tmp_path / "bad.zip", empty, "no backup")
    manifest = json.loads(entry(made, "manifest.json")) | {"schema": "9999"}
    changes = {"manifest.json": json.dumps(manifest).encode()}
    refuses(repacked(made, tmp_path / "other.zip", changes), empty, "schema '9999'")


def test_a_restore_that_fails_in_the_middle_leaves_nothing(made, empty, monkeypatch):
    put, left = Blobs.put, iter([True, True])

    def failing_put(blobs: Blobs, data: bytes) -> str:
        if next(left, None) is None:
            raise StoreFullError("There is no room left for pictures; nothing was changed.")
        return put(blobs, data)

    monkeypatch.setattr(Blobs, "put", failing_put)
    refuses(made, empty, "no room")
