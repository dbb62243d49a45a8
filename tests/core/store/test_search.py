"""Photos and boxes are found by name, box, score, state, person, source and revision, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import StoreError
from core.garments import Garment
from core.store import Store, bulk, sqlite_url
from core.store.backup import backup, restore
from core.store.database import Database
from core.store.predictions import NO_IMPORT
from core.store.schema import annotations, photos, predictions
from core.store.search import STATES, PhotoQuery
from tests.core.store.rows import add_models, add_photos, box, photo_row_0010


def annotate(store: Store, photo_id: int, *boxes, author="ann", kind="submitted"):
    latest = store.annotations.latest(photo_id)
    base = latest.version if latest else 0
    request = f"{photo_id}-{base}-{author}-{kind}"
    return store.annotations.submit(
        photo_id, boxes, author=author, base_version=base, request=request, kind=kind
    )


def found(store: Store, **wanted) -> list[int]:
    query = PhotoQuery(**wanted)
    ids = [row.id for row in store.search.photos(query, limit=100)]
    assert ids == store.search.ids(query).tolist() and len(ids) == store.search.count(query)
    return ids


def test_every_property_alone_and_together(store):
    a, b, c, d = add_photos(store.database, 4)
    top, bag = (category.id for category in store.categories.all()[:2])
    store.queue.fill()
    annotate(store, a, box(1, 1, 20, 20, top, label="Shirt"), box(30, 30, 60, 60, bag))
    annotate(store, b, box(1, 1, 20, 20, top, label="Hoodie"), author="ben", kind="imported")
    revision = store.revisions.create("ann")
    annotate(store, c, box(1, 1, 20, 20, bag), author="ben")
    assert found(store) == [d, c, b, a]
    assert found(store, text="PHOTO 3") == [c]
    assert found(store, category_id=top) == [b, a]
    assert found(store, category_id=top, label="Shirt") == [a]
    assert found(store, label="Hoodie", author="ben") == [b]
    assert found(store, author="ben") == [c, b]
    assert found(store, revision=revision.number) == [b, a]
    assert found(store, ids=(a, d)) == [d, a]
    assert found(store, state="without annotation") == [d]
    assert found(store, state="open task") == [d, b]  # b came with its boxes, and nobody has looked at it
    assert found(store, part="holdout") == []
    store.photo_notes.tag([b, d], "ann", add=["winter"])
    came = store.imports.begin("spring.zip", "ann", "")
    with store.database.write() as connection:
        connection.execute(sa.update(photos).where(photos.c.id == b).values(import_id=came))
    assert found(store, import_id=came) == [b] and found(store, import_id=NO_IMPORT) == [d, c, a]
    assert found(store, tag="winter") == [d, b] and found(store, tag="winter", author="ben") == [b]
    assert store.search.labels() == ["Hoodie", "Shirt"]
    annotate(store, d, box(1, 1, 20, 20, bag, flags={"occluded", "wet"}), box(30, 1, 50, 20, bag))
    annotate(store, c, box(1, 1, 20, 20, bag, flags={"wet_dry"}))
    assert found(store, flag="wet") == found(store, flag="occluded", category_id=bag) == [d]
    assert found(store, flag="w%t") == found(store, flag="occluded", category_id=top) == []
    assert [one.place for one in store.search.boxes(PhotoQuery(flag="wet"))] == [0]
    assert found(store, flag="wet", models=add_models(store.database)) == []
    assert store.search.users() == ["ann", "ben"]


def test_states_follow_what_is_done(store):
    store.settings.put("second_share", 1.0)
    (a,) = add_photos(store.database, 1)
    other = add_photos(store.database, 1, first=2, near_id=a)[0]
    store.queue.fill()
    assert {state for state in STATES if a in found(store, state=state)} == {
        "without annotation",
        "open task",
    }
    assert found(store, state="near duplicate") == [other]
    task = store.queue.take(a, "ann")
    assert found(store, state="leased") == [a]
    store.drafts.save(a, "ann", boxes=[box(1, 1, 9, 9)], sequence=1, base_version=0)
    assert found(store, state="draft") == [a]
    annotate(store, a, box(1, 1, 20, 20))
    assert task.photo_id == a and found(store, state="waiting for a second annotation") == [a]
    store.annotations.submit(
        a, [box(1, 1, 20, 20)], author="ben", base_version=0, request="second", kind="second"
    )
    assert found(store, state="in review") == [a] and found(store, author="ben") == [a]
    store.consensus_reviews.returned(a, "cleo")
    assert found(store, state="returned") == [a] and found(store, state="in review") == []
    bulk.assign(store, [a], "ben", by="cleo")
    assert found(store, state="given to a person") == found(store, assigned_to="ben") == [a]


def test_predicted_boxes_are_those_of_one_model_pair(store):
    a, b = add_photos(store.database, 2)
    pair, other = add_models(store.database), add_models(store.database, "other")
    garments = [
        Garment((1, 1, 50, 50), "top", 0.9, (("Shirt", 0.8),)),
        Garment((9, 9, 40, 40), "bag", 0.3),
    ]
    store.predictions.save(a, pair, garments, None)
    store.predictions.save(b, pair, garments[:1], None)
    store.predictions.save(b, other, [Garment((1, 1, 50, 50), "skirt", 0.5)], None)
    of_bags = {"models": pair, "category_id": 1, "predicted_as": ("bag",)}
    assert found(store, **of_bags) == [a]
    assert found(store, models=pair, scores=(0.8, 1.0)) == [b, a]
    assert found(store, **of_bags, scores=(0.8, 1.0)) == []
    assert found(store, models=other, category_id=1, predicted_as=("skirt",)) == [b]
    assert store.search.labels(pair) == ["Shirt"]
    boxes = store.search.boxes(PhotoQuery(models=pair))
    assert [(one.photo.id, one.place, one.category, one.score) for one in boxes] == [
        (b, 0, "top", 0.9),
        (a, 0, "top", 0.9),
        (a, 1, "bag", 0.3),
    ]
    store.predictions.save(a, pair, [], None)  # predicted anew: nothing of before is found
    assert found(store, **of_bags) == [] and store.search.count_boxes(PhotoQuery(models=pair)) == 1


def test_boxes_are_those_of_the_newest_version(store):
    a, b = add_photos(store.database, 2)
    first, second = (category.id for category in store.categories.all()[:2])
    annotate(store, a, box(1, 1, 20, 20, first, uid="a"), box(2, 2, 30, 30, second, uid="b"))
    annotate(store, a, box(1, 1, 20, 20, second, uid="a"))
    annotate(store, b, box(5, 5, 20, 20, first, uid="c"))
    boxes = store.search.boxes(PhotoQuery())
    assert [(one.photo.id, one.uid, one.category_id) for one in boxes] == [(b, "c", first), (a, "a", second)]
    assert boxes[0].box_xyxy == (5, 5, 20, 20)
    assert store.search.box_names(PhotoQuery(category_id=first), [a, b]) == {b: ["c"]}
    assert store.search.ids(PhotoQuery(category_id=second), with_boxes=True).tolist() == [a]
    assert store.search.count_boxes(PhotoQuery(author="ann", category_id=second)) == 1
    store.photos.delete(b, "ann")
    assert [one.uid for one in store.search.boxes(PhotoQuery())] == ["a"]


@pytest.mark.parametrize("wanted", [{"state": "lost"}, {"part": "none"}, {"ids": tuple(range(20_000))}])
def test_what_cannot_be_asked_is_said(wanted):
    with pytest.raises(StoreError, match="expected"):
        PhotoQuery(**wanted)


def test_a_restore_finds_boxes_again(store, fresh_store, tmp_path: Path):
    (a,) = add_photos(store.database, 1, deleted_at=1.0)
    with store.database.write() as connection:
        connection.execute(sa.update(photos).values(deleted_at=None))
    annotate(store, a, box(1, 1, 20, 20, label="Shirt"))
    with store.database.write() as connection:
        connection.execute(sa.update(photos).values(deleted_at=1.0))
    backup(store, tmp_path / "all.zip")
    again = fresh_store("sqlite")
    restore(tmp_path / "all.zip", again)
    assert again.search.labels() == ["Shirt"]


def test_a_store_of_before_finds_its_boxes(tmp_path: Path):
    database = Database.connect(sqlite_url(tmp_path))
    database.upgrade("0006")
    saved = {"photo_id": 1, "base_version": 0, "kind": "submitted", "author": "ann", "at": 0.0, "note": ""}
    shirt, coat = (box(1, 1, 9, 9, 1, label=label, uid=label).as_dict() for label in ("Shirt", "Coat"))
    garment = Garment((1, 1, 50, 50), "top", 0.5, (("Tee", 0.9),)).as_dict()
    with database.write() as connection:
        old = sa.Table("photos", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(old).values(id=1, **photo_row_0010(1)))
        for version, kind, kept in ((1, "imported", shirt), (2, "submitted", coat), (3, "second", shirt)):
            row = saved | {"version": version, "kind": kind, "boxes": [kept], "request": f"{version}"}
            connection.execute(sa.insert(annotations).values(**row))
    pair = add_models(database)
    with database.write() as connection:
        made_by = {"detector_id": pair.detector_id, "classifier_id": pair.classifier_id}
        connection.execute(sa.insert(predictions).values(photo_id=1, garments=[garment], at=0.0, **made_by))
    database.close()
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    assert store.search.labels() == ["Coat"] and store.search.labels(pair) == ["Tee"]
    assert found(store, label="Coat") == found(store, models=pair, scores=(0.4, 0.6)) == [1]
    store.close()
