"""The queue: one order for all, one person a task, leases that run out, and a way back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from core.errors import ConflictError, NotFoundError
from core.queue_place import QueuePlace
from core.store import Store
from core.store.database import Database
from core.store.queue import BATCH, LEASE_SECONDS, Queue, QueueCounts
from core.store.schema import tasks
from tests.core.store.rows import add_photos, box, clock_of


def ranked(photos, **more):
    """The photos in the order of the list."""
    return [QueuePlace(photo, rank=float(place), **more) for place, photo in enumerate(photos)]


@pytest.fixture
def photos(store: Store) -> list[int]:
    """Six photos with tasks in their order."""
    ids = add_photos(store.database, 6)
    store.queue.fill()
    store.queue.order(ranked(ids))
    return ids


def submit(store, photo, author, **more):
    latest = store.annotations.latest(photo)
    base = latest.version if latest else 0
    request = f"{photo} {author} {base} {more}"
    return store.annotations.submit(
        photo, [box(1, 1, 9, 9)], author=author, base_version=base, request=request, **more
    )


def run_out(store):
    """Let all leases run out."""
    with store.database.write() as connection:
        connection.execute(sa.update(tasks).values(lease_until=store.database.now - 1))


def test_an_empty_queue_has_nothing(store):
    assert store.queue.fill() == 0
    assert store.queue.next("ann") is None
    assert store.queue.last_done("ann") is None
    assert store.queue.counts() == QueueCounts(0, 0, 0, 0, 0)


def test_every_live_photo_gets_one_task_also_of_the_holdout(store):
    ids = add_photos(store.database, BATCH + 1) + add_photos(store.database, 1, first=5000, holdout=True)
    store.photos.delete(ids[0], "ann")
    assert store.queue.fill() == BATCH + 1
    assert store.queue.fill() == 0
    assert store.queue.counts().open == BATCH + 1


def test_before_anything_is_known_the_order_is_as_good_as_random_and_always_the_same(store):
    ids = add_photos(store.database, 40, holdout=False)
    store.queue.fill()
    taken = [store.queue.next(f"person {number}").photo_id for number in range(40)]
    assert sorted(taken) == ids
    assert taken != ids
    first_half = sum(photo in ids[:20] for photo in taken[:20])
    assert 4 <= first_half <= 16


def test_photos_that_came_with_annotations_are_done_unless_their_review_is_asked_for(store):
    with_boxes, begun, without = add_photos(store.database, 3)
    store.queue.fill()
    store.queue.take(begun, "bob")
    for photo in (with_boxes, begun):
        submit(store, photo, "import", kind="imported")
    store.queue.fill()
    counts = store.queue.counts()
    assert (counts.first_open, counts.done) == (2, 1)  # what bob has begun stays with him
    assert store.queue.next("ann").photo_id == without and store.queue.next("cleo") is None

    store.queue.review_imported(True)
    assert store.queue.reviews_imported() and store.queue.counts().done == 0
    assert store.queue.next("cleo").photo_id == with_boxes
    store.queue.release(store.queue.take(with_boxes, "cleo").id, "cleo")
    store.queue.review_imported(False)
    assert store.queue.counts().done == 1
    store.queue.put_first(with_boxes, "to be checked again")
    store.queue.fill()
    assert store.queue.next("dora").photo_id == with_boxes  # asked for by a reviewer


def test_the_photos_are_those_to_do_and_those_done(store, photos):
    submit(store, photos[0], "ann")
    submit(store, photos[1], "ann")
    store.photos.delete(photos[1], "ann")
    store.photos.delete(photos[2], "ann")
    counts = store.queue.counts()
    assert counts.done == store.annotations.annotated_count() == 1
    assert counts.first_open + counts.done == store.photos.count()


def test_the_lowest_rank_comes_first_with_its_reasons(store, photos):
    before = clock_of(store.database)
    entry = QueuePlace(photos[4], -1.0, "control", ("two categories nearly tied",), {"margin": 0.75})
    assert store.queue.order([entry]) == 1
    task = store.queue.next("ann")
    assert task.photo_id == photos[4]
    assert (task.kind, task.state, task.arm) == ("first", "open", "control")
    assert (task.reasons, task.parts) == (("two categories nearly tied",), {"margin": 0.75})
    assert task.lease_by == "ann"
    assert before + LEASE_SECONDS <= task.lease_until <= clock_of(store.database) + LEASE_SECONDS


def test_only_open_tasks_are_ranked(store, photos):
    submit(store, photos[0], "ann")
    assert store.queue.order(ranked([*photos, 999_999])) == 5


def test_a_person_keeps_their_task_until_it_is_done(store, photos):
    assert store.queue.next("ann").photo_id == photos[0]
    assert store.queue.next("ann").photo_id == photos[0]
    submit(store, photos[0], "ann")
    assert store.queue.next("ann").photo_id == photos[1]


def test_two_people_get_different_tasks(store, photos):
    assert store.queue.next("ann").photo_id == photos[0]
    assert store.queue.next("bob").photo_id == photos[1]


def test_many_people_at_once_get_a_task_each(store):
    add_photos(store.database, 24)
    store.queue.fill()
    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(lambda n: store.queue.next(f"person {n}").photo_id, range(24)))
    assert len(set(taken)) == 24


def test_many_people_working_at_once_do_every_photo_once(store):
    ids = add_photos(store.database, 40)
    store.settings.put("second_share", 0)
    store.queue.fill()

    def work(number: int) -> list[int]:
        done = []
        while (task := store.queue.next(f"person {number}")) is not None:
            submit(store, task.photo_id, f"person {number}")
            done.append(task.photo_id)
        return done

    with ThreadPoolExecutor(8) as pool:
        done = [photo for photos in pool.map(work, range(8)) for photo in photos]
    assert sorted(done) == ids
    assert store.queue.counts().done == 40


def test_a_lease_that_ran_out_frees_the_task(store, photos):
    task = store.queue.next("ann")
    run_out(store)
    assert store.queue.get(task.id).lease_by is None
    assert store.queue.next("bob").photo_id == photos[0]
    assert store.queue.renew(task.id, "ann") is False
    assert store.queue.next("ann").photo_id == photos[1]


def test_a_lease_runs_on_the_databases_clock(store, photos, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    before = clock_of(store.database)
    task = store.queue.next("ann", lease_seconds=60)
    assert before + 60 <= task.lease_until <= clock_of(store.database) + 60
    assert store.queue.next("bob", lease_seconds=-1).photo_id == photos[1]
    assert store.queue.next("cleo").photo_id == photos[1]


def test_who_left_a_draft_gets_the_photo_again_if_nobody_took_it(store, photos):
    store.queue.order([QueuePlace(photos[3], -1.0)])
    assert store.queue.next("ann").photo_id == photos[3]
    store.drafts.save(photos[3], "ann", boxes=[box(1, 1, 5, 5)], sequence=1, base_version=0)
    store.queue.order([QueuePlace(photos[3], 99.0)])
    run_out(store)
    assert store.queue.next("ann").photo_id == photos[3]


def test_a_renewed_lease_goes_on(store, photos):
    task = store.queue.next("ann", lease_seconds=1)
    assert store.queue.renew(task.id, "ann", lease_seconds=60)
    assert store.queue.get(task.id).lease_until > task.lease_until + 30
    assert not store.queue.renew(task.id, "bob")


def test_a_released_task_is_free_and_only_its_holder_can_release_it(store, photos):
    task = store.queue.next("ann")
    store.queue.release(task.id, "bob")
    assert store.queue.get(task.id).lease_by == "ann"
    store.queue.release(task.id, "ann")
    assert store.queue.next("bob").id == task.id


def test_many_skipped_photos_and_second_annotations_of_own_ones_are_passed_over(store, photos):
    store.settings.put("second_share", 1)
    for photo in photos[:2]:
        submit(store, photo, "ann")
    submit(store, photos[2], "cleo")
    assert store.queue.next("ann").photo_id == photos[2]
    assert {store.queue.next(name).photo_id for name in ("bob", "dan")} == set(photos[:2])
    assert store.queue.next("cleo").photo_id == photos[3]


def test_what_one_skips_another_gets_until_it_is_recalled(store, photos):
    task = store.queue.next("ann")
    store.queue.skip(task.id, "ann")
    store.queue.skip(task.id, "ann")
    assert store.queue.next("ann").photo_id == photos[1]
    assert store.queue.next("bob").id == task.id
    store.queue.release(task.id, "bob")
    submit(store, photos[1], "ann")
    assert store.queue.recall_skipped("ann") == 1
    assert store.queue.next("ann").id == task.id


def test_who_has_skipped_everything_gets_nothing(store, photos):
    for _ in photos:
        store.queue.skip(store.queue.next("ann").id, "ann")
    assert store.queue.next("ann") is None
    assert store.queue.next("bob") is not None


def test_a_certain_photo_can_be_taken_by_one_person(store, photos):
    task = store.queue.take(photos[3], "ann")
    assert (task.photo_id, task.lease_by) == (photos[3], "ann")
    assert store.queue.take(photos[3], "ann").id == task.id
    with pytest.raises(ConflictError, match="ann is working on this photo"):
        store.queue.take(photos[3], "bob")
    run_out(store)
    assert store.queue.take(photos[3], "bob").lease_by == "bob"


def test_taking_a_photo_that_is_not_queued_queues_it(store):
    photo = add_photos(store.database, 1)[0]
    assert store.queue.take(photo, "ann").lease_by == "ann"
    assert store.queue.fill() == 0


def test_taking_a_done_photo_shows_its_task_and_leases_nothing(store, photos):
    submit(store, photos[0], "ann")
    task = store.queue.take(photos[0], "bob")
    assert (task.state, task.lease_by) == ("done", None)


def test_back_leads_from_one_done_photo_to_the_one_before(store, photos):
    for _ in range(3):
        submit(store, store.queue.next("ann").photo_id, "ann")
    submit(store, photos[5], "bob")
    current = store.queue.next("ann")
    assert store.queue.last_done("ann").photo_id == photos[2]
    assert store.queue.last_done("ann", before=current.id).photo_id == photos[2]
    last = store.queue.last_done("ann")
    assert store.queue.last_done("ann", before=last.id).photo_id == photos[1]
    first = store.queue.last_done("ann", before=store.queue.last_done("ann", before=last.id).id)
    assert first.photo_id == photos[0]
    assert store.queue.last_done("ann", before=first.id) is None


def test_what_was_done_can_be_corrected_without_changing_the_way_back(store, photos):
    for _ in range(2):
        submit(store, store.queue.next("ann").photo_id, "ann")
    assert submit(store, photos[0], "ann").version == 2
    assert store.queue.last_done("ann").photo_id == photos[1]


def test_a_deleted_photo_is_not_handed_out_and_cannot_be_taken(store, photos):
    store.photos.delete(photos[0], "ann")
    assert store.queue.next("ann").photo_id == photos[1]
    with pytest.raises(NotFoundError):
        store.queue.take(photos[0], "ann")


def test_the_counts_say_how_far_the_work_is(store, photos):
    submit(store, photos[5], "ann")
    store.queue.next("ann")
    store.queue.next("bob")
    assert store.queue.counts("ann") == QueueCounts(5, 2, 1, 0, 1)
    assert store.queue.counts("bob").mine_done_today == 0
    run_out(store)
    assert store.queue.counts().leased == 0


def test_an_unknown_task_is_not_found(store):
    for call in (store.queue.get, lambda id: store.queue.skip(id, "ann")):
        with pytest.raises(NotFoundError):
            call(1)


def test_two_processes_share_the_queue(store, photos):
    other = Database.connect(store.database.engine.url.render_as_string(hide_password=False))
    try:
        assert store.queue.next("ann").photo_id == photos[0]
        assert Queue(other).next("bob").photo_id == photos[1]
    finally:
        other.close()


def test_looking_ahead_shows_the_next_photo_and_leases_nothing(store, photos):
    assert store.queue.next("ann").photo_id == photos[0]
    assert store.queue.upcoming("ann") == photos[1]
    assert store.queue.next("bob").photo_id == photos[1]
    assert store.queue.upcoming("ann") == photos[2]


def test_nothing_is_ahead_at_the_end(store):
    assert store.queue.upcoming("ann") is None


def test_a_photo_put_first_comes_before_all_others_also_where_it_was_done(store, photos):
    submit(store, photos[4], "ann")
    store.queue.put_first(photos[4], "this is wrong")
    task = store.queue.next("bob")
    assert (task.photo_id, task.reasons) == (photos[4], ("this is wrong",))
    new = add_photos(store.database, 1, first=50)[0]
    store.queue.put_first(new, "this too")
    assert store.queue.next("cleo").photo_id == new
    with pytest.raises(NotFoundError):
        store.queue.put_first(999_999, "gone")


def steps_of_next(store: Store, person: str) -> int:
    """How many hundred steps SQLite takes to find the person's next task."""
    steps = []

    def count(connection, _record, _proxy):
        connection.set_progress_handler(lambda: steps.append(1), 100)

    sa.event.listen(store.database.engine, "checkout", count)
    store.queue.next(person)
    sa.event.remove(store.database.engine, "checkout", count)
    return len(steps)


def test_the_next_task_costs_the_same_however_many_wait(fresh_store):
    few, many = fresh_store("sqlite"), fresh_store("sqlite")
    for store, count in ((few, 100), (many, 3000)):
        add_photos(store.database, count)
        store.queue.fill()
    assert steps_of_next(many, "ann") <= steps_of_next(few, "ann") + 3
