"""Saving: one version a request, conflicts that show the other's work, and everything in one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from core.errors import NotFoundError, StoreError
from core.store import Store
from core.store.annotations import VersionConflict
from core.store.boxes import AnnotatedBox
from core.store.schema import annotations
from tests.core.store.rows import add_photos, box
from tests.databases import on_sqlite


@pytest.fixture
def photo(store: Store) -> int:
    return add_photos(store.database, 1)[0]


def save(store, photo, boxes=(), base=0, author="ann", request=None, **more):
    request = request or f"{author} {base} {more.get('kind')}"
    return store.annotations.submit(photo, boxes, author=author, base_version=base, request=request, **more)


def test_a_photo_begins_without_a_version(store, photo):
    assert store.annotations.latest(photo) is None
    assert store.annotations.history(photo) == []
    assert store.annotations.annotated_count() == 0


def test_a_save_is_the_photos_next_version(store, photo):
    first = save(store, photo, [box(1, 2, 30, 40)], seconds=12.5, note="clear")
    second = save(store, photo, [], base=1, author="bob")
    assert (first.version, first.kind, first.author, first.seconds, first.note) == (
        1, "submitted", "ann", 12.5, "clear",
    )  # fmt: skip
    assert first.boxes[0].box_xyxy == (1, 2, 30, 40)
    assert (second.version, second.base_version) == (2, 1)
    assert store.annotations.latest(photo) == second
    assert store.annotations.history(photo) == [first, second]
    assert store.annotations.version(photo, 1) == first
    assert store.annotations.annotated_count() == 1


def test_the_annotations_of_several_photos_are_found_at_once(store, photo):
    other, bare = add_photos(store.database, 2, first=10)
    save(store, photo, [box(1, 2, 30, 40)])
    newest = save(store, photo, base=1, author="bob")
    its = save(store, other, request="another photo's")
    assert store.annotations.latest_of([photo, other, bare]) == {photo: newest, other: its}
    assert store.annotations.latest_of([]) == {}


@on_sqlite
def test_boxes_are_cut_to_the_photo_and_what_is_left_counts_as_accepted(store, photo):
    outside, sliver = box(700, 10, 800, 20), box(10, 10, 10.001, 20)
    proposal = box(600, 400, 900, 900, origin="model", accepted=False, score=0.4)
    saved = save(store, photo, [proposal, outside, sliver])
    assert [entry.box_xyxy for entry in saved.boxes] == [(600, 400, 640, 480)]
    assert saved.boxes[0].accepted
    assert saved.boxes[0].origin == "model"


def test_a_request_sent_twice_is_one_version(store, photo):
    first = save(store, photo, [box(1, 1, 5, 5)], request="once")
    again = save(store, photo, [box(2, 2, 9, 9)], base=0, request="once")
    assert again == first
    assert len(store.annotations.history(photo)) == 1


def test_a_request_sent_twice_at_once_is_one_version(store, photo):
    start = Barrier(8)

    def send(_: int) -> int:
        start.wait()
        return save(store, photo, [box(1, 1, 5, 5)], request="once").id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(send, range(8)))
    assert len(ids) == 1
    assert len(store.annotations.history(photo)) == 1


def test_a_request_belongs_to_one_photo(store, photo):
    other = add_photos(store.database, 1, first=2)[0]
    save(store, photo, request="once")
    with pytest.raises(StoreError, match="another photo"):
        save(store, other, request="once")


def test_of_two_saves_from_one_base_the_second_learns_what_the_first_saved(store, photo):
    theirs = save(store, photo, [box(1, 1, 5, 5)], author="bob")
    store.drafts.save(photo, "ann", boxes=[box(2, 2, 9, 9)], sequence=3, base_version=0)
    with pytest.raises(VersionConflict, match="bob saved version 1") as caught:
        save(store, photo, [box(2, 2, 9, 9)])
    assert caught.value.theirs == theirs
    assert store.annotations.latest(photo) == theirs
    assert store.drafts.load(photo, "ann") is not None
    merged = save(store, photo, [box(2, 2, 9, 9)], base=1, kind="merged")
    assert (merged.version, merged.kind) == (2, "merged")


def test_of_many_saves_at_once_from_one_base_one_succeeds(store, photo):
    start = Barrier(8)

    def send(number: int) -> str:
        start.wait()
        try:
            return save(store, photo, [box(1, 1, 5, 5)], author=f"person {number}").author
        except VersionConflict as conflict:
            return f"lost to {conflict.theirs.author}"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    winner = store.annotations.latest(photo).author
    assert sorted(answers) == sorted([winner] + [f"lost to {winner}"] * 7)


def test_people_save_different_photos_at_once(store):
    photos = add_photos(store.database, 40)

    def send(id: int) -> int:
        return save(store, id, [box(1, 1, 5, 5)], author=f"person {id}").version

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, photos)) == {1}
    assert store.annotations.annotated_count() == 40


def test_a_save_finishes_the_task_and_removes_the_draft(store, photo):
    store.queue.fill()
    task = store.queue.next("ann")
    store.drafts.save(photo, "ann", boxes=[box(1, 1, 5, 5)], sequence=1, base_version=0)
    save(store, photo, [box(1, 1, 5, 5)])
    done = store.queue.get(task.id)
    assert (done.state, done.lease_by) == ("done", None)
    assert store.drafts.load(photo, "ann") is None


def test_a_photo_saved_before_it_was_queued_is_not_handed_out(store, photo):
    save(store, photo)
    assert store.queue.fill() == 0
    assert store.queue.next("bob") is None
    assert store.queue.last_done("ann").photo_id == photo


def test_an_import_leaves_the_task_open_and_has_no_second_look(store, photo):
    store.settings.put("second_share", 1)
    store.queue.fill()
    save(store, photo, [box(1, 1, 5, 5, origin="import")], kind="imported", author="import")
    assert store.queue.next("bob").kind == "first"
    assert store.consensus_reviews.get(photo) is None


@on_sqlite
@pytest.mark.parametrize(
    ("boxes", "more", "sentence"),
    [
        ([box(1, 1, 5, 5, category=999)], {}, "known categories"),
        ([box(1, 1, 5, 5), box(1, 1, 5, 5)], {}, "uid of its own"),
        ([], {"kind": "accepted"}, "expected a save to be one of"),
        ([], {"base": 3}, "begin from 0"),
        ([], {"request": "x" * 65}, "request"),
        ([], {"seconds": float("nan")}, "seconds"),
        ([], {"kind": "second"}, "not to be done twice"),
    ],
)
def test_a_bad_save_changes_nothing(store, photo, boxes, more, sentence):
    with pytest.raises(StoreError, match=sentence):
        save(store, photo, boxes, **more)
    with store.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(annotations)).scalar_one() == 0


def test_a_deleted_photo_is_not_found(store, photo):
    save(store, photo)
    store.photos.delete(photo, "ann")
    with pytest.raises(NotFoundError):
        save(store, photo, base=1, author="bob")
    assert store.annotations.annotated_count() == 0
    assert len(store.annotations.history(photo)) == 1


@on_sqlite
def test_a_version_that_is_not_there_is_not_found(store, photo):
    with pytest.raises(NotFoundError, match="no version 1"):
        store.annotations.version(photo, 1)


def test_everything_of_a_box_comes_back(store, photo):
    full = AnnotatedBox(
        (1.25, 2.5, 30.75, 40), 2, "rain coat", "abc", "model", True, True, 0.75, (("rain coat", 0.5),)
    )
    assert save(store, photo, [full]).boxes == (full,)
    assert store.annotations.latest(photo).boxes == (full,)
