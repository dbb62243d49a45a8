"""Photos come in once, in or out of the holdout for ever, and leave a tombstone."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image, ImageEnhance

from core.errors import NotFoundError, StoreBusyError, StoreFullError
from core.images.decode import Photo, read_photo
from core.store import Store
from core.store.blobs import Blobs
from core.store.database import Database
from core.store.photos import in_holdout
from core.store.schema import annotations, drafts, tasks
from tests.core.store.rows import add_models
from tests.databases import on_sqlite
from tests.pictures import encoded


def copy_of(photo: Photo, *, holdout: bool = False) -> Photo:
    """The photo at half its size, brighter, as a JPEG of quality 40, under another digest."""
    image = photo.image.resize((photo.width // 2, photo.height // 2))
    image = Image.open(io.BytesIO(encoded(ImageEnhance.Brightness(image).enhance(1.1), "JPEG", quality=40)))
    digest = "0" * 64 if holdout else "f" * 64
    assert in_holdout(digest) == holdout
    return Photo(f"copy of {photo.name}", image, digest)


def blob_count(store: Store) -> int:
    return len(list(store.blobs.digests()))


def test_a_new_photo_is_kept_with_its_picture_and_a_small_one(store, make_photo):
    number = store.imports.begin("a folder", "ada")
    added = store.photos.add(make_photo(1), by="ada", import_id=number)
    row = added.row
    assert added.outcome == "new" and row.near_id is None and row.import_id == number
    assert (row.name, row.width, row.height, row.by) == ("photo 1.jpg", 96, 128, "ada")
    assert Image.open(io.BytesIO(store.photos.picture(row.id))).size == (96, 128)
    assert max(Image.open(io.BytesIO(store.photos.thumbnail_of(row))).size) <= 256
    assert store.photos.get(row.id) == row


@on_sqlite
def test_an_opened_photo_is_what_models_take(store, make_photo):
    photo = store.photos.open(store.photos.add(make_photo(1), by="ada").row.id)
    assert (photo.name, photo.size_wh) == ("photo 1.jpg", (96, 128))
    assert photo.digest == make_photo(1).digest and photo.image.mode == "RGB"


@on_sqlite
def test_nothing_but_pixels_is_kept(store):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = encoded(Image.effect_noise((90, 60), 90).convert("RGB"), "JPEG", exif=exif)
    row = store.photos.add(read_photo(data, "<script>.jpg"), by="ada").row
    kept = store.photos.picture(row.id)
    assert b"taken at home" in data and b"taken at home" not in kept and b"Exif" not in kept
    assert row.name == "<script>.jpg"


def test_the_same_photo_again_stores_nothing(store, make_photo):
    first = store.photos.add(make_photo(1), by="ada")
    again = store.photos.add(make_photo(1, name="other.jpg"), by="ben")
    assert (again.outcome, again.row) == ("exact", first.row)
    assert store.photos.count() == 1 and blob_count(store) == 2


@on_sqlite
def test_a_copy_of_a_pool_photo_is_kept_and_named(store, make_photo):
    first = store.photos.add(make_photo(1), by="ada").row
    store.photos.add(make_photo(2), by="ada")
    added = store.photos.add(copy_of(make_photo(1)), by="ben")
    assert (added.outcome, added.row.near_id) == ("near", first.id)
    assert store.photos.count() == 3


@on_sqlite
def test_a_copy_of_a_pool_photo_stays_in_the_pool_whatever_its_content_says(store, make_photo):
    store.photos.add(make_photo(1), by="ada")
    added = store.photos.add(copy_of(make_photo(1), holdout=True), by="ben")
    assert added.outcome == "near" and not added.row.holdout


@on_sqlite
def test_a_holdout_photo_that_comes_again_is_kept_out(store, make_photo):
    held = store.photos.add(make_photo(1, holdout=True), by="ada").row
    assert held.holdout
    again = store.photos.add(make_photo(1, holdout=True), by="ben")
    assert (again.outcome, again.row) == ("holdout", held)
    copied = store.photos.add(copy_of(make_photo(1)), by="ben")
    assert (copied.outcome, copied.row) == ("holdout", None)
    assert store.photos.count() == 1 and blob_count(store) == 2


@on_sqlite
def test_what_looks_like_both_is_kept_out(store, make_photo, monkeypatch):
    monkeypatch.setattr("core.store.ingest.same_picture", lambda one, other: False)
    store.photos.add(make_photo(1), by="ada")
    store.photos.add(replace(make_photo(1), digest="0" * 64), by="ada")
    monkeypatch.undo()
    assert store.photos.count(holdout=True) == 1
    assert store.photos.add(copy_of(make_photo(1)), by="ben").outcome == "holdout"


def test_the_holdout_is_fifteen_per_cent_of_all_contents():
    share = sum(in_holdout(f"{n * 2654435761 % 2**32:08x}" + "0" * 56) for n in range(20_000)) / 20_000
    assert abs(share - 0.15) < 0.01
    assert in_holdout("0" * 64) and not in_holdout("f" * 64)


def test_photos_are_paged_newest_first(store, make_photo):
    ids = [store.photos.add(make_photo(n), by="ada").row.id for n in range(5)]
    assert [row.id for row in store.photos.page(0, 3)] == ids[:1:-1]
    assert [row.id for row in store.photos.page(3, 3)] == ids[1::-1]
    assert store.photos.page(5, 3) == []


def test_photos_are_found_by_what_is_known_of_them(store, make_photo):
    held = store.photos.add(make_photo(1, holdout=True, name="Red 100%.jpg"), by="ada").row
    pool = store.photos.add(make_photo(2, name="blue_shirt.jpg"), by="ada").row
    with store.database.write() as connection:
        values = {"photo_id": pool.id, "version": 1, "base_version": 0, "kind": "submitted", "boxes": []}
        connection.execute(sa.insert(annotations).values(**values, author="ada", at=1.0, request="r"))

    def found(**wanted: object) -> list[int]:
        rows = store.photos.page(0, 10, **wanted)
        assert store.photos.count(**wanted) == len(rows)
        return [row.id for row in rows]

    assert found(holdout=True) == [held.id] and found(holdout=False) == [pool.id]
    assert found(annotated=True) == [pool.id] and found(annotated=False) == [held.id]
    assert found(text="red") == [held.id] and found(text="0%") == [held.id] and found(text="_") == [pool.id]
    assert found(text="green") == [] and found(holdout=True, annotated=True) == []
    assert found() == [pool.id, held.id]


def test_a_deleted_photo_is_not_found_and_its_pictures_are_gone(store, make_photo):
    row = store.photos.add(make_photo(1), by="ada").row
    store.photos.delete(row.id, "ben")
    for ask in (store.photos.get, store.photos.picture, store.photos.open):
        with pytest.raises(NotFoundError):
            ask(row.id)
    with pytest.raises(NotFoundError):
        store.photos.thumbnail_of(row)
    with pytest.raises(NotFoundError):
        store.photos.delete(row.id, "ben")
    assert store.photos.get(row.id, deleted_ok=True).deleted_at is not None
    assert blob_count(store) == 0 and store.photos.page(0, 10) == [] and store.photos.count() == 0


def test_what_was_to_be_done_about_a_deleted_photo_is_dropped(store, make_photo):
    row = store.photos.add(make_photo(1), by="ada").row
    store.predictions.save(row.id, add_models(store.database), [], None)
    with store.database.write() as connection:
        task = {"photo_id": row.id, "state": "open", "rank": 0.0, "arm": "cold", "reasons": [], "parts": {}}
        connection.execute(sa.insert(tasks).values(**task, kind="first", lease_by="ada", lease_until=9e9))
        connection.execute(sa.insert(tasks).values(**task | {"state": "done"}, kind="second"))
        draft = {
            "photo_id": row.id,
            "author": "ada",
            "base_version": 0,
            "sequence": 1,
            "boxes": [],
            "at": 1.0,
        }
        connection.execute(sa.insert(drafts).values(**draft))
    store.photos.delete(row.id, "ben")
    with store.database.read() as connection:
        states = connection.execute(sa.select(tasks.c.kind, tasks.c.state, tasks.c.lease_by)).all()
        assert set(map(tuple, states)) == {("first", "dropped", None), ("second", "done", None)}
        assert connection.execute(sa.select(drafts)).all() == []
    assert store.predictions.get(row.id) is None


def test_a_deleted_photo_that_comes_again_is_there_again(store, make_photo):
    row = store.photos.add(make_photo(1, holdout=True), by="ada").row
    store.photos.delete(row.id, "ada")
    added = store.photos.add(make_photo(1, holdout=True), by="ben")
    assert (added.outcome, added.row.id, added.row.holdout) == ("new", row.id, True)
    assert store.photos.get(row.id).by == "ben" and store.photos.picture(row.id)


@on_sqlite
def test_a_copy_of_a_deleted_photo_is_new(store, make_photo):
    row = store.photos.add(make_photo(1), by="ada").row
    store.photos.delete(row.id, "ada")
    assert store.photos.add(copy_of(make_photo(1)), by="ben").outcome == "new"


@on_sqlite
def test_a_picture_that_another_photo_needs_stays(store, make_photo):
    photo = make_photo(1)
    first = store.photos.add(photo, by="ada").row
    second = store.photos.add(replace(photo, digest="f" * 64), by="ada").row
    assert second.near_id == first.id and second.blob == first.blob
    store.photos.delete(first.id, "ada")
    assert store.photos.picture(second.id)
    store.photos.delete(second.id, "ada")
    assert blob_count(store) == 0


def test_many_that_add_the_same_photo_at_once_add_it_once(store, make_photo):
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda _: store.photos.add(make_photo(1), by="ada"), range(6)))
    assert sorted(one.outcome for one in added) == ["exact"] * 5 + ["new"]
    assert len({one.row.id for one in added}) == 1
    assert store.photos.picture(added[0].row.id) and blob_count(store) == 2


def test_copies_that_come_at_once_know_of_each_other(store, make_photo):
    photos = [replace(make_photo(1), digest=f"f{n}" + "0" * 62) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda photo: store.photos.add(photo, by="ada"), photos))
    assert sorted(one.outcome for one in added) == ["near"] * 5 + ["new"]


def test_what_another_process_added_is_seen(store, make_photo, tmp_path):
    store.photos.add(make_photo(2), by="ada")
    other = Store(store.database, store.blobs, tmp_path)
    first = other.photos.add(make_photo(1), by="ben").row
    assert store.photos.add(copy_of(make_photo(1)), by="ada").row.near_id == first.id


@on_sqlite
def test_the_pictures_are_there_before_the_row(store, make_photo, monkeypatch):
    def interrupted(blobs: Blobs, digest: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Blobs, "has", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.photos.add(make_photo(1), by="ada")
    assert store.photos.count() == 0


@on_sqlite
def test_a_full_disk_leaves_nothing_half_done(store, make_photo, monkeypatch):
    put, left = Blobs.put, iter([True])

    def full(blobs: Blobs, data: bytes) -> str:
        if next(left, None) is None:
            raise StoreFullError("There is no room left for pictures; nothing was changed.")
        return put(blobs, data)

    monkeypatch.setattr(Blobs, "put", full)
    with pytest.raises(StoreFullError):
        store.photos.add(make_photo(1), by="ada")
    monkeypatch.undo()
    assert store.photos.count() == 0 and blob_count(store) == 0
    assert store.photos.add(make_photo(1), by="ada").outcome == "new"


def test_a_locked_database_is_said_and_a_sweep_removes_what_was_begun(fresh_url, make_photo, tmp_path):
    database = Database.connect(fresh_url("sqlite"), wait_seconds=0.2)
    store = Store(database, Blobs(str(tmp_path / "blobs")), tmp_path)
    kept = store.photos.add(make_photo(2), by="ada").row
    with store.database.write(), pytest.raises(StoreBusyError):
        store.photos.add(make_photo(1), by="ada")
    assert store.photos.count() == 1 and blob_count(store) == 4
    assert store.photos.sweep() == 2 and store.photos.sweep() == 0
    assert store.photos.picture(kept.id) and store.photos.thumbnail_of(kept)
    assert store.photos.add(make_photo(1), by="ada").outcome == "new"
    store.close()


def test_a_sweep_meets_a_photo_on_its_way_in(store, make_photo, monkeypatch):
    put, swept = Blobs.put, []

    def swept_put(blobs: Blobs, data: bytes) -> str:
        digest = put(blobs, data)
        if not swept:
            swept.append(0)
            swept.append(store.photos.sweep())
        return digest

    monkeypatch.setattr(Blobs, "put", swept_put)
    row = store.photos.add(make_photo(1), by="ada").row
    assert swept == [0, 1] and store.photos.picture(row.id) and store.photos.thumbnail_of(row)


@pytest.mark.photos
def test_real_photos_are_told_apart_and_their_copies_found(test_data: Path, fresh_store):
    store = fresh_store("sqlite")
    paths = sorted((test_data / "catalog" / "images").glob("*.jpg"))[:30]
    originals = [read_photo(path.read_bytes(), path.name) for path in paths]
    first = [store.photos.add(replace(p, digest="f" + p.digest[1:]), by="ada") for p in originals]
    assert {added.outcome for added in first} == {"new"}
    for photo, added in list(zip(originals, first, strict=True))[::5]:
        again = store.photos.add(replace(copy_of(photo), digest="e" + photo.digest[1:]), by="ada")
        assert (again.outcome, again.row.near_id) == ("near", added.row.id)
