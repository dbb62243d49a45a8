"""Drafts: every change kept, late and doubled ones harmless, one a person and photo."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError, StoreError
from core.store import Store
from core.store.schema import drafts
from tests.core.store.rows import add_photos, box


@pytest.fixture
def photo(store: Store) -> int:
    return add_photos(store.database, 1)[0]


def keep(store, photo, sequence, *boxes, author="ann", base=0):
    return store.drafts.save(photo, author, boxes=boxes, sequence=sequence, base_version=base)


def test_a_draft_comes_back_as_it_was_saved(store, photo):
    saved = keep(store, photo, 1, box(1, 2, 3, 4, origin="model", accepted=False, score=0.5))
    draft = store.drafts.load(photo, "ann")
    assert (draft.sequence, draft.at) == (saved.sequence, saved.at)
    assert draft.boxes == (box(1, 2, 3, 4, origin="model", accepted=False, score=0.5),)
    assert store.drafts.load(photo, "bob") is None


def test_a_later_change_replaces_an_earlier_one(store, photo):
    keep(store, photo, 1, box(1, 2, 3, 4))
    assert keep(store, photo, 2, box(5, 6, 7, 8)).sequence == 2
    assert store.drafts.load(photo, "ann").boxes == (box(5, 6, 7, 8),)


@pytest.mark.parametrize("late", [1, 5])
def test_a_late_or_doubled_change_never_overwrites(store, photo, late):
    kept = keep(store, photo, 5, box(5, 6, 7, 8))
    assert keep(store, photo, late, box(1, 2, 3, 4)) == kept
    assert store.drafts.load(photo, "ann").boxes == (box(5, 6, 7, 8),)


def test_a_newer_base_begins_to_count_anew_and_an_older_base_is_late(store, photo):
    keep(store, photo, 40, box(1, 2, 3, 4))
    assert keep(store, photo, 1, box(5, 6, 7, 8), base=1).sequence == 1
    assert keep(store, photo, 41, box(1, 2, 3, 4)).sequence == 1
    assert store.drafts.load(photo, "ann").base_version == 1


def test_a_sequence_may_be_milliseconds_since_1970(store, photo):
    assert keep(store, photo, 1_790_000_000_123).sequence == 1_790_000_000_123


def test_drafts_of_a_person_come_latest_first(store):
    first, second = add_photos(store.database, 2)
    keep(store, first, 1)
    keep(store, second, 1)
    keep(store, first, 1, author="bob")
    keep(store, first, 2)
    assert [draft.photo_id for draft in store.drafts.of("ann")] == [first, second]


def test_a_deleted_photo_takes_no_draft(store, photo):
    store.photos.delete(photo, "ann")
    with pytest.raises(NotFoundError):
        keep(store, photo, 1)


def test_a_draft_of_doubled_boxes_is_refused(store, photo):
    with pytest.raises(StoreError, match="uid of its own"):
        keep(store, photo, 1, box(1, 2, 3, 4), box(1, 2, 3, 4))


def test_old_drafts_of_all_people_are_deleted(store):
    old, new = add_photos(store.database, 2)
    for photo, author in ((old, "ann"), (old, "bob"), (new, "ann")):
        keep(store, photo, 1, box(1, 2, 3, 4), author=author)
    store.database.change(
        drafts.update().where(drafts.c.photo_id == old).values(at=drafts.c.at - 31 * 86_400)
    )
    assert store.drafts.prune(30, dry_run=True) == 2 and len(store.drafts.of("ann")) == 2
    assert store.drafts.prune(30) == 2
    assert [draft.photo_id for draft in store.drafts.of("ann")] == [new]
    assert [entry.object for entry in store.audit.entries(action="prune")] == ["drafts"]
