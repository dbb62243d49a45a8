"""Tags and comments of photos: kept, frozen with revisions, exported and imported, migrated to, backed up."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.access import Actor
from core.datasets.attributes import photo_tags
from core.errors import NotFoundError, StoreError
from core.store import Store, sqlite_url
from core.store.backup import backup, restore
from core.store.database import Database
from core.store.exports import export_revision
from core.store.importing import import_all
from tests.core.store.rows import add_photos, photo_row_0010
from tests.pictures import jpeg


@pytest.fixture
def photos(store: Store) -> list[int]:
    return add_photos(store.database, 2)


def annotate(store: Store, photo: int) -> None:
    store.annotations.submit(photo, [], author="ann", base_version=0, request=f"of {photo}")


def test_tags_are_given_and_taken_each_once(store: Store, photos):
    notes = store.photo_notes
    notes.tag(photos, "ann", add=["summer  sale", "red"])
    notes.tag(photos[:1], "bob", add=["red"], remove=["summer sale"])
    assert notes.tags_of(photos) == {photos[0]: ("red",), photos[1]: ("red", "summer sale")}
    assert notes.known_tags() == {"red": 2, "summer sale": 1}
    for wrong in ("", " ", "a;b", "x" * 61):
        with pytest.raises(StoreError, match="expected a tag"):
            notes.tag(photos, "ann", add=["blue", wrong])
    with pytest.raises(StoreError, match="at most 50 tags"):
        notes.tag(photos, "ann", add=[f"tag {number}" for number in range(51)])
    with pytest.raises(NotFoundError):
        notes.tag([*photos, 999], "ann", add=["blue"])
    assert "blue" not in notes.known_tags()


def test_comments_are_kept_in_order_with_who_said_them(store: Store, photos):
    assert store.photo_notes.newest_comment() == 0
    store.photo_notes.comment(photos[0], "  The bag is cut. ", "ann")
    bob = Actor.of("bob", ["annotator"])
    store.acting(bob).photo_notes.comment(photos[0], "Then it is truncated.", "another name")
    found = store.photo_notes.comments(photos[0])
    assert [(comment.by, comment.text) for comment in found] == [
        ("ann", "The bag is cut."),
        ("bob", "Then it is truncated."),
    ]
    assert store.photo_notes.newest_comment() == found[-1].id
    for wrong in (" ", "x" * 2001):
        with pytest.raises(StoreError, match="expected a comment"):
            store.photo_notes.comment(photos[0], wrong, "ann")


def test_a_revision_keeps_the_tags_that_its_photos_had(store: Store, photos):
    for photo in photos:
        annotate(store, photo)
    before = store.revisions.create("ann")
    store.photo_notes.tag(photos[:1], "ann", add=["red"])
    after = store.revisions.create("ann")
    assert after.number == before.number + 1 and after.digest != before.digest
    store.photo_notes.tag(photos[:1], "ann", remove=["red"])
    assert store.revisions.create("ann").number == before.number  # as it was without
    assert [item.tags for item in store.revisions.items(after.number)] == [("red",), ()]


def test_coco_and_csv_hold_tags_and_the_others_say_what_they_lose(store: Store, photos, tmp_path: Path):
    annotate(store, photos[0])
    store.photo_notes.tag(photos[:1], "ann", add=["red", "summer sale"])
    number = store.revisions.create("ann").number
    exported = {}
    for name in ("coco", "csv", "voc", "yolo"):
        path = tmp_path / f"out.{name}"
        with path.open("wb") as out:
            exported[name] = export_revision(store, number, name, out, pictures=False)
    (image,) = json.loads((tmp_path / "out.coco").read_text("utf-8"))["images"]
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8")))
    assert photo_tags(image["tags"]) == photo_tags(row["tags"]) == ("red", "summer sale")
    lost = [any("1 photo loses its tags." in said for said in exported[name].left_out) for name in exported]
    assert lost == [False, False, True, True]


def test_tags_of_a_coco_file_come_with_its_photos(store: Store, tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(jpeg(1))
    photo = {
        "id": 1,
        "file_name": "a.jpg",
        "width": 90,
        "height": 120,
        "tags": ["red", "bad;tag", 7, " old  stock "],
    }
    document = {"images": [photo], "annotations": [], "categories": [{"id": 1, "name": "top"}]}
    (tmp_path / "set" / "coco.json").write_text(json.dumps(document), "utf-8")
    import_all(store, store.imports.begin("set", "ann", str(tmp_path / "set")), trusted=True)
    (row,) = store.photos.page(0, 5)
    assert store.photo_notes.tags_of([row.id]) == {row.id: ("old stock", "red")}


def test_a_store_of_the_schema_before_gets_the_tables_and_keeps_what_it_has(tmp_path: Path):
    database = Database.connect(sqlite_url(tmp_path))
    database.upgrade("0006")
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        assert "photo_tags" not in tables.tables
        connection.execute(sa.insert(tables.tables["photos"]), [{"id": 1} | photo_row_0010(1)])
    database.close()
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    store.photo_notes.tag([1], "ann", add=["red"])
    store.photo_notes.comment(1, "Seen.", "ann")
    assert store.photos.get(1).name == "photo 1.jpg" and store.photo_notes.tags_of([1]) == {1: ("red",)}
    store.close()


def test_a_backup_brings_tags_and_comments_back(fresh_store, tmp_path: Path):
    store, other = fresh_store("sqlite"), fresh_store("sqlite")
    photo = add_photos(store.database, 1)[0]
    store.photo_notes.tag([photo], "ann", add=["red"])
    store.photo_notes.comment(photo, "Seen.", "ann")
    annotate(store, photo)
    number = store.revisions.create("ann").number
    store.photos.delete(photo, "ann")  # its picture is in no blob store
    backup(store, tmp_path / "all.zip")
    restore(tmp_path / "all.zip", other)
    assert other.photo_notes.tags_of([photo]) == {photo: ("red",)}
    assert [comment.text for comment in other.photo_notes.comments(photo)] == ["Seen."]
    assert [item.tags for item in other.revisions.items(number)] == [("red",)]
