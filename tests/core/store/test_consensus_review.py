"""Second annotations: blind, by somebody else, compared, and decided by a reviewer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import ConflictError, NotFoundError, StoreError
from core.store import Store
from core.store.annotations import VersionConflict
from core.store.consensus_review import is_due
from tests.core.store.rows import add_photos, box

SHIRT, SHOES = box(10, 10, 100, 100, 1), box(10, 300, 60, 340, 2)


@pytest.fixture
def photo(store: Store) -> int:
    """A queued photo that is to be done twice."""
    store.settings.put("second_share", 1.0)
    photo = add_photos(store.database, 1)[0]
    store.queue.fill()
    return photo


def save(store, photo, author, *boxes, kind="submitted", base=None):
    latest = store.annotations.latest(photo)
    base = (latest.version if latest else 0) if base is None else base
    count = len(store.annotations.history(photo))
    return store.annotations.submit(
        photo, boxes, author=author, base_version=base, request=f"{author} {count}", kind=kind
    )


@pytest.fixture
def done_twice(store: Store, photo: int) -> int:
    save(store, photo, "ann", SHIRT, SHOES)
    save(store, photo, "bob", SHIRT, kind="second", base=0)
    return photo


def test_flags_go_through_draft_submit_and_review(store: Store, photo: int):
    flags = frozenset({"difficult", "occluded"})
    shirt = replace(SHIRT, flags=flags)
    store.drafts.save(photo, "ann", boxes=[shirt], sequence=1, base_version=0)
    assert store.drafts.load(photo, "ann").boxes[0].flags == flags
    save(store, photo, "ann", SHOES)
    save(store, photo, "bob", shirt, kind="second", base=0)
    store.consensus_reviews.accept(photo, "eve", "second")
    number = store.revisions.create("eve").number
    (item,) = store.revisions.items(number)
    assert [box.flags for box in item.annotation.boxes] == [flags]
    save(store, photo, "eve", SHIRT)
    assert store.revisions.create("eve").number != number


def test_a_tenth_of_all_contents_is_done_twice():
    due = sum(is_due(f"{number:064x}", 0.1) for number in range(5000))
    assert 420 < due < 580
    assert not any(is_due(f"{number:064x}", 0.0) for number in range(100))
    assert all(is_due(f"{number:064x}", 1.0) for number in range(100))


def test_nothing_is_done_twice_where_no_share_is_wanted(store, photo):
    store.settings.put("second_share", 0)
    save(store, photo, "ann", SHIRT)
    assert store.consensus_reviews.get(photo) is None
    assert store.queue.counts().second_open == 0


def test_the_second_look_goes_to_somebody_else(store, photo):
    save(store, photo, "ann", SHIRT)
    assert store.queue.counts().second_open == 1
    assert store.queue.next("ann") is None
    task = store.queue.next("bob")
    assert (task.photo_id, task.kind) == (photo, "second")
    assert store.queue.take(photo, "bob").id == task.id
    assert store.queue.next("cleo") is None


def test_it_goes_to_nobody_who_has_changed_the_photo(store, photo):
    save(store, photo, "ann", SHIRT)
    save(store, photo, "bob", SHIRT, SHOES)
    assert store.queue.next("bob") is None
    with pytest.raises(StoreError, match="somebody who has not done this photo"):
        save(store, photo, "bob", kind="second")
    assert store.queue.next("cleo").kind == "second"


def test_what_holds_stays_the_first_until_it_is_reviewed(store, photo):
    first = save(store, photo, "ann", SHIRT, SHOES)
    second = save(store, photo, "bob", SHIRT, kind="second", base=0)
    assert (second.version, second.base_version, second.kind) == (2, 0, "second")
    assert store.annotations.latest(photo) == first
    look = store.consensus_reviews.get(photo)
    assert (look.first, look.second, look.verdict) == (first, second, None)
    assert (look.agreement.matched, look.agreement.only_first, look.agreement.only_second) == (1, 1, 0)
    assert store.consensus_reviews.waiting() == [look]
    assert store.queue.counts().second_open == 0


def test_nothing_waits_before_the_second_has_submitted(store, photo):
    save(store, photo, "ann", SHIRT)
    assert store.consensus_reviews.waiting() == []
    with pytest.raises(NotFoundError, match="no second annotation"):
        store.consensus_reviews.accept(photo, "rose")


def test_the_second_can_correct_theirs_until_it_is_reviewed(store, done_twice):
    save(store, done_twice, "bob", SHIRT, SHOES, kind="second")
    assert store.consensus_reviews.get(done_twice).agreement.share == 1.0
    store.consensus_reviews.accept(done_twice, "rose")
    with pytest.raises(VersionConflict):
        save(store, done_twice, "bob", SHIRT, kind="second")


def test_the_first_can_correct_theirs_and_is_compared_anew(store, done_twice):
    corrected = save(store, done_twice, "ann", SHIRT)
    look = store.consensus_reviews.get(done_twice)
    assert look.first == corrected
    assert look.agreement.share == 1.0


def test_who_comes_third_learns_what_the_second_saved(store, done_twice):
    with pytest.raises(VersionConflict, match="bob") as caught:
        save(store, done_twice, "cleo", SHIRT, kind="second")
    assert caught.value.theirs.kind == "second"


@pytest.mark.parametrize(("which", "boxes"), [("first", (SHIRT, SHOES)), ("second", (SHIRT,))])
def test_the_accepted_one_holds_from_then_on(store, done_twice, which, boxes):
    accepted = store.consensus_reviews.accept(done_twice, "rose", which)
    assert (accepted.kind, accepted.author, accepted.version, accepted.boxes) == (
        "accepted", "rose", 3, boxes,
    )  # fmt: skip
    assert store.annotations.latest(done_twice) == accepted
    look = store.consensus_reviews.get(done_twice)
    assert (look.verdict, look.reviewer) == ("accepted", "rose")
    assert store.consensus_reviews.waiting() == []


def test_a_verdict_sent_twice_is_one_and_another_one_is_too_late(store, done_twice):
    accepted = store.consensus_reviews.accept(done_twice, "rose")
    assert store.consensus_reviews.accept(done_twice, "rose") == accepted
    with pytest.raises(ConflictError, match="rose has accepted"):
        store.consensus_reviews.returned(done_twice, "sam", "no")
    assert len(store.annotations.history(done_twice)) == 3


def test_a_returned_photo_is_first_in_the_queue_with_its_note(store, done_twice):
    add_photos(store.database, 3, first=10)
    store.queue.fill()
    store.consensus_reviews.returned(done_twice, "rose", "the shoes are too wide")
    store.queue.order([])
    task = store.queue.next("ann")
    assert (task.photo_id, task.kind, task.arm) == (done_twice, "first", "returned")
    assert task.reasons == ("sent back by rose: the shoes are too wide",)
    latest = store.annotations.latest(done_twice)
    assert (latest.kind, latest.note, latest.boxes) == ("returned", "the shoes are too wide", (SHIRT, SHOES))


def test_a_returned_photo_that_was_done_again_waits_for_a_reviewer_again(store, done_twice):
    store.consensus_reviews.returned(done_twice, "rose", "the shoes")
    save(store, done_twice, "ann", SHIRT)
    (look,) = store.consensus_reviews.waiting()
    assert (look.verdict, look.reviewer, look.agreement.share) == (None, None, 1.0)
    assert store.queue.counts().open == 0
    assert store.consensus_reviews.accept(done_twice, "rose").boxes == (SHIRT,)


def test_only_the_first_or_the_second_can_be_accepted(store, done_twice):
    with pytest.raises(StoreError, match="first or the second"):
        store.consensus_reviews.accept(done_twice, "rose", "third")


def test_a_photo_without_a_second_look_has_none(store, photo):
    assert store.consensus_reviews.get(photo) is None
    with pytest.raises(NotFoundError):
        store.consensus_reviews.returned(photo, "rose", "")
