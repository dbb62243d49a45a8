"""Changes of many photos at once: relabeled and undone as one step, put first, given away, exported."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from core.access import Actor, Role
from core.boxes import MOST_TAGS
from core.errors import NotFoundError, StoreError
from core.store import Store, bulk
from core.store.exports import export_chosen
from core.store.search import MOST_IDS, PhotoQuery
from tests.core.store.rows import add_photos, box


def annotate(store: Store, photo_id: int, *boxes, author="ann"):
    latest = store.annotations.latest(photo_id)
    base = latest.version if latest else 0
    return store.annotations.submit(
        photo_id, boxes, author=author, base_version=base, request=f"{photo_id}-{base}-{author}"
    )


def names(store: Store, photo_id: int) -> dict[str, tuple[int, str | None]]:
    latest = store.annotations.latest(photo_id)
    return {box.uid: (box.category_id, box.label) for box in latest.boxes}


def test_chosen_boxes_are_relabeled_and_undone_as_one_step(store):
    a, b, c = add_photos(store.database, 3)
    for photo_id in (a, b):
        annotate(store, photo_id, box(1, 1, 9, 9, 1, uid="x", label="Shirt"), box(2, 2, 8, 8, 1, uid="y"))
    done = bulk.relabel(store, {a: ["x"], b: ["x", "y"], c: ["x"]}, author="lea", category_id=2, label="Coat")
    assert (done.photos, done.boxes, done.left) == (2, 3, 1)  # nobody has annotated c
    assert names(store, a) == {"x": (2, "Coat"), "y": (1, None)}
    assert names(store, b) == {"x": (2, "Coat"), "y": (2, "Coat")}
    latest = store.annotations.latest(a)
    assert (latest.version, latest.kind, latest.author) == (2, "relabeled", "lea")
    assert latest.boxes[0].changed and not latest.boxes[1].changed

    undone = bulk.undo_relabel(store, done.name, author="lea")
    assert (undone.photos, undone.boxes, undone.left) == (2, 3, 0)
    assert names(store, b) == {"x": (1, "Shirt"), "y": (1, None)}
    again = bulk.undo_relabel(store, undone.name, author="lea")  # a redo is the undo of the undo
    assert again.photos == 2 and names(store, a)["x"] == (2, "Coat")


def test_an_undo_leaves_what_was_saved_since(store):
    a, b = add_photos(store.database, 2)
    for photo_id in (a, b):
        annotate(store, photo_id, box(1, 1, 9, 9, 1, uid="x"))
    done = bulk.relabel(store, {a: ["x"], b: ["x"]}, author="lea", label="Coat")
    annotate(store, a, box(1, 1, 9, 9, 2, uid="x", label="Skirt"))
    undone = bulk.undo_relabel(store, done.name, author="lea")
    assert (undone.photos, undone.left) == (1, 1)
    assert names(store, a) == {"x": (2, "Skirt")} and names(store, b) == {"x": (1, None)}


def test_nothing_to_change_makes_no_version(store):
    (a,) = add_photos(store.database, 1)
    annotate(store, a, box(1, 1, 9, 9, 1, uid="x", label="Coat"))
    done = bulk.relabel(store, {a: ["x", "unknown"]}, author="lea", category_id=1)
    assert (done.photos, done.boxes) == (0, 0) and store.annotations.latest(a).version == 1
    bulk.relabel(store, {a: ["x"]}, author="lea", category_id=2, kept_labels=("Skirt",))
    assert names(store, a) == {"x": (2, None)}  # a coat is none of category 2's
    bulk.relabel(store, {a: ["x"]}, author="lea", category_id={(a, "x"): 3, (a, "y"): 4})
    assert names(store, a) == {"x": (3, None)}
    with pytest.raises(NotFoundError):
        bulk.undo_relabel(store, done.name, author="lea")
    with pytest.raises(StoreError, match="neither"):
        bulk.relabel(store, {a: ["x"]}, author="lea")
    with pytest.raises(StoreError, match="known categories"):
        bulk.relabel(store, {a: ["x"]}, author="lea", category_id=999)


def test_a_relabeling_leaves_tasks_and_reviews_as_they_are(store):
    store.settings.put("second_share", 1.0)
    a, b = add_photos(store.database, 2)
    store.queue.fill()
    kind = {"author": "ann", "base_version": 0, "request": "import", "kind": "imported"}
    store.annotations.submit(b, [box(1, 1, 9, 9, 1, uid="x")], **kind)
    annotate(store, a, box(1, 1, 9, 9, 1, uid="x"))
    second = {"author": "ben", "base_version": 0, "request": "second", "kind": "second"}
    store.annotations.submit(a, [box(1, 1, 9, 9, 2)], **second)
    assert store.consensus_reviews.get(a).agreement.same_category == 0
    bulk.relabel(store, {a: ["x"], b: ["x"]}, author="lea", category_id=2)
    assert store.consensus_reviews.get(a).agreement.same_category == 1  # compared as it is now
    assert store.queue.counts().open == 1 and store.queue.upcoming("zoe") == b
    store.consensus_reviews.returned(a, "cleo")
    done = bulk.relabel(store, {a: ["x"]}, author="lea", category_id=1)
    assert (done.photos, done.left) == (0, 1)  # it waits to be done again
    assert store.consensus_reviews.get(a).verdict == "returned"


def test_given_photos_come_first_to_that_person_and_to_nobody_else(store):
    a, b, c = add_photos(store.database, 3)
    store.queue.fill()
    annotate(store, c, box(1, 1, 9, 9))
    assert bulk.assign(store, [b, c], "ben", by="lea") == 2
    assert store.queue.upcoming("ben") in (b, c)
    first = store.queue.next("ann")
    assert first.photo_id == a
    mine = store.queue.next("ben")
    assert mine.photo_id in (b, c) and mine.reasons == ("given to ben by lea",)
    store.queue.skip(mine.id, "ben")
    assert store.queue.upcoming("ben") == ({b, c} - {mine.photo_id}).pop()
    store.queue.skip(first.id, "ann")
    assert store.queue.upcoming("ann") is None
    assert bulk.assign(store, [b, c], None, by="lea") == 2
    assert store.queue.upcoming("ann") in (b, c)
    assert [entry.action for entry in store.audit.entries()][:2] == ["assign", "assign"]
    with pytest.raises(StoreError, match="blank"):
        bulk.assign(store, [a], "  ", by="lea")


def test_photos_are_put_first_also_where_they_were_done(store):
    _, b, c = add_photos(store.database, 3)
    annotate(store, b, box(1, 1, 9, 9))
    store.photos.delete(c, "ann")
    assert bulk.put_first(store, [b, c, b], "wrong labels") == 1
    assert store.queue.upcoming("zoe") == b


def test_more_photos_than_a_query_may_name_are_put_first_given_and_tagged(store):
    ids = np.array(add_photos(store.database, MOST_IDS + 300))
    store.photos.delete(int(ids[0]), "ann")
    told: list[tuple[int, int]] = []
    assert bulk.put_first(store, ids, "all of them", lambda *so_far: told.append(so_far)) == len(ids) - 1
    assert told[-1] == (len(ids), len(ids)) and len(told) > 5 and told == sorted(told)
    assert store.queue.counts().open == len(ids) - 1
    assert bulk.assign(store, ids, "ben", by="lea") == len(ids) - 1
    assert store.search.count(PhotoQuery(assigned_to="ben")) == len(ids) - 1
    assert bulk.tag(store, ids, author="lea", add="spring") == len(ids) - 1
    assert np.array_equal(np.sort(store.search.ids(PhotoQuery(tag="spring"))), ids[1:])
    assert bulk.tag(store, ids, author="lea", remove="spring") == len(ids) - 1
    assert store.photo_notes.known_tags() == {}


def test_more_boxes_than_that_are_relabeled_in_parts_and_undone_as_one_step(store):
    many = [box(n % 50, n // 50, n % 50 + 9, n // 50 + 9, 1, uid=f"{n}") for n in range(200)]
    ids = add_photos(store.database, MOST_IDS // 200 + 2)
    for photo_id in ids:
        annotate(store, photo_id, *many)
    query, name, done = PhotoQuery(category_id=1), bulk.new_name(), None
    for some in (ids[:30], ids[30:]):
        part = bulk.relabel(
            store, store.search.box_names(query, some), author="lea", category_id=2, name=name
        )
        done = part if done is None else done + part
    assert done == bulk.Relabeled(name, len(ids), 200 * len(ids)) and done.boxes > MOST_IDS
    assert store.search.count_boxes(PhotoQuery(category_id=2)) == done.boxes
    told: list[tuple[int, int]] = []
    undone = bulk.undo_relabel(store, name, author="lea", progress=lambda *so_far: told.append(so_far))
    assert (undone.photos, undone.boxes) == (done.photos, done.boxes) and told == [(len(ids), len(ids))]
    assert store.search.count_boxes(query) == done.boxes


def test_what_is_done_when_a_bulk_act_is_stopped_stays(store):
    def stop(done: int, total: int) -> None:
        raise InterruptedError

    ids = add_photos(store.database, bulk.ROWS_BATCH + 5)
    with pytest.raises(InterruptedError):
        bulk.assign(store, ids, "ben", by="lea", progress=stop)
    assert store.search.count(PhotoQuery(assigned_to="ben")) == bulk.ROWS_BATCH
    assert store.audit.entries()[0].details == {"photos": bulk.ROWS_BATCH}


def test_a_photo_with_as_many_tags_as_it_may_have_gets_no_more(store):
    full, free = add_photos(store.database, 2)
    store.photo_notes.tag([full], "ann", add=[f"tag {n}" for n in range(MOST_TAGS)])
    assert bulk.tag(store, [full, free], author="lea", add="spring") == 1
    assert bulk.tag(store, [full, free], author="lea", add="tag  1") == 2  # one has it already
    assert store.photo_notes.known_tags()["spring"] == 1
    with pytest.raises(StoreError, match="a tag of"):
        bulk.tag(store, [free], author="lea", add="a; b")


def test_a_bulk_change_is_made_in_the_actors_own_name(store):
    (a,) = add_photos(store.database, 1)
    annotate(store, a, box(1, 1, 9, 9, 1, uid="x"))
    acting = store.acting(Actor("Ada", frozenset({Role.ANNOTATOR})))
    bulk.relabel(acting, {a: ["x"]}, author="somebody else", label="Coat")
    assert store.annotations.latest(a).author == "Ada"


def test_chosen_photos_are_exported_with_their_newest_boxes(store):
    a, b, c = add_photos(store.database, 3)
    annotate(store, a, box(1, 1, 9, 9, 1, label="Shirt"))
    annotate(store, b, box(1, 1, 9, 9, 1), box(20, 20, 30, 30, 2))
    annotate(store, b, box(1, 1, 9, 9, 2))
    out = io.BytesIO()
    exported = export_chosen(store, [b, c], "coco", out)
    document = json.loads(out.getvalue())
    assert (exported.photos, exported.boxes) == (1, 1)
    assert [image["file_name"] for image in document["images"]] == ["photo 2.jpg"]
    assert "revision" not in document["info"]
    table = io.BytesIO()
    export_chosen(store, [a, b], "csv", table)
    assert table.getvalue().decode().count("\n") == 3
    with pytest.raises(StoreError, match="nothing to export"):
        export_chosen(store, [c], "coco", io.BytesIO())
