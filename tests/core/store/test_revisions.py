"""Revisions: frozen, known by their content, the same again where nothing has changed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import NotFoundError
from core.store import Store, revisions
from core.store.revisions import content_lines
from tests.core.store.rows import add_photos, box

SHIRT, SHOES = box(10, 10, 100, 100, 1), box(10, 300, 60, 340, 2, label="boots")


@pytest.fixture
def photos(store: Store) -> list[int]:
    """Three photos, two of them annotated."""
    store.settings.put("second_share", 0)
    ids = add_photos(store.database, 3)
    save(store, ids[0], SHIRT, SHOES)
    save(store, ids[1])
    return ids


def save(store, photo, *boxes, author="ann", kind="submitted"):
    latest = store.annotations.latest(photo)
    base = latest.version if latest else 0
    return store.annotations.submit(
        photo, boxes, author=author, base_version=base, request=f"{photo} {base} {author}", kind=kind
    )


def test_an_empty_store_has_an_empty_revision(store):
    revision = store.revisions.create("ann")
    assert (revision.photos, revision.boxes) == (0, 0)
    assert list(store.revisions.items(revision.number)) == []


def test_a_revision_holds_what_held_of_each_annotated_photo(store, photos):
    revision = store.revisions.create("ann", "before the summer")
    assert (revision.photos, revision.boxes, revision.by, revision.note) == (2, 2, "ann", "before the summer")
    assert revision.categories[0] == (1, store.categories.all()[0].name)
    items = list(store.revisions.items(revision.number))
    assert [item.photo for item in items] == [store.photos.get(photo) for photo in photos[:2]]
    assert [item.annotation for item in items] == [store.annotations.latest(p) for p in photos[:2]]


def test_it_stays_what_it_was_when_the_work_goes_on(store, photos):
    revision = store.revisions.create("ann")
    before = list(store.revisions.items(revision.number))
    save(store, photos[0], SHIRT)
    store.categories.rename(1, "blouse", "ann")
    assert list(store.revisions.items(revision.number)) == before
    assert store.revisions.get(revision.number) == revision
    later = store.revisions.create("ann")
    assert later.number > revision.number
    assert later.boxes == 1
    assert dict(later.categories)[1] == "blouse"
    assert store.revisions.all() == [later, revision]


def test_without_a_change_it_is_the_same_revision(store, photos):
    first = store.revisions.create("ann", "one")
    assert store.revisions.create("bob", "two") == first
    save(store, photos[0], SHOES, SHIRT, author="bob")  # the same boxes in another order
    assert store.revisions.create("bob") == first
    assert store.revisions.all() == [first]


def test_two_people_who_freeze_the_same_at_once_get_one_revision(store, photos):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(store.revisions.create, ["ann", "bob", "cleo", "dan"]))
    assert len({revision.number for revision in found}) == 1
    assert len(store.revisions.all()) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda store, photos: save(store, photos[0], SHIRT),
        lambda store, photos: save(store, photos[2]),
        lambda store, photos: store.categories.rename(2, "clogs", "ann"),
        lambda store, photos: store.categories.add("kilt", "ann"),
        lambda store, photos: store.photos.delete(photos[1], "ann"),
    ],
    ids=["a box", "a photo", "a name", "a category", "a photo deleted"],
)
def test_every_change_of_content_makes_another_one(store, photos, change):
    first = store.revisions.create("ann")
    change(store, photos)
    assert store.revisions.create("ann").digest != first.digest


def test_a_photo_deleted_later_stays_as_a_tombstone(store, photos):
    revision = store.revisions.create("ann")
    store.photos.delete(photos[0], "ann")
    items = list(store.revisions.items(revision.number))
    assert [item.photo.id for item in items] == photos[:2]
    assert items[0].photo.deleted_at is not None
    assert items[0].annotation.boxes == (SHIRT, SHOES)


def test_second_annotations_and_photos_sent_back_are_left_out(store, photos):
    store.settings.put("second_share", 1)
    save(store, photos[2], SHIRT)
    save(store, photos[2], SHOES, author="bob", kind="second")
    with_first = store.revisions.create("ann")
    assert list(store.revisions.items(with_first.number))[2].annotation.boxes == (SHIRT,)
    store.consensus_reviews.returned(photos[2], "rose", "no")
    assert store.revisions.create("ann").photos == 2


def test_items_can_be_of_the_holdout_or_of_the_rest(store, photos):
    held = add_photos(store.database, 1, first=50, holdout=True)[0]
    save(store, held, SHIRT)
    number = store.revisions.create("ann").number

    def ids(**choice):
        return [item.photo.id for item in store.revisions.items(number, **choice)]

    assert ids() == [*photos[:2], held]
    assert ids(holdout=True) == [held]
    assert ids(holdout=False) == photos[:2]


def test_more_photos_than_are_read_at_once_all_come(store, monkeypatch):
    monkeypatch.setattr(revisions, "BATCH", 2)
    store.settings.put("second_share", 0)
    ids = add_photos(store.database, 4)
    for photo in ids:
        save(store, photo, SHIRT)
    number = store.revisions.create("ann").number
    assert [item.photo.id for item in store.revisions.items(number)] == ids


def test_an_unknown_revision_is_not_found(store):
    with pytest.raises(NotFoundError, match="no revision 7"):
        store.revisions.get(7)
    with pytest.raises(NotFoundError):
        list(store.revisions.items(7))


def test_the_digest_is_of_lines_that_anybody_can_write():
    boxes = [{"category": 2, "label": None, "box": [1.0, 2.0, 3.0, 4.0]}]
    lines = list(content_lines({2: "top", 5: "bag"}, [("ab", boxes), ("cd", [])]))
    assert lines == ['["categories", "bag", "top"]', '["ab", ["top", "", 1.0, 2.0, 3.0, 4.0]]', '["cd"]']
    renumbered = content_lines({9: "top", 1: "bag"}, [("ab", [{**boxes[0], "category": 9}]), ("cd", [])])
    assert list(renumbered) == lines


def test_the_digest_of_an_empty_store_is_that_of_its_categories(store):
    names = sorted(category.name for category in store.categories.all())
    line = "[" + ", ".join(f'"{name}"' for name in ("categories", *names)) + "]\n"
    assert store.revisions.create("ann").digest == hashlib.sha256(line.encode()).hexdigest()
