"""Photos by the category of their boxes: what holds now counts, not what held once."""

from __future__ import annotations

import itertools

import pytest

from core.store.boxes import AnnotatedBox

_requests = itertools.count()


@pytest.fixture
def annotate(store):
    """Saves a photo's next version with a box of each of these categories."""

    def save(photo_id: int, *categories: int, kind: str = "submitted") -> None:
        latest = store.annotations.latest(photo_id)
        store.annotations.submit(
            photo_id,
            [AnnotatedBox((10.0 + n, 10.0, 60.0, 90.0), category) for n, category in enumerate(categories)],
            author="Anna" if kind == "submitted" else "Bo",
            base_version=latest.version if latest else 0,
            request=f"request {next(_requests)}",
            kind=kind,
        )

    return save


@pytest.fixture
def ids(store):
    return [category.id for category in store.categories.all()]


def found(store, category: int) -> set[int]:
    rows = store.photos.page(0, 10, category=category)
    assert store.photos.count(category=category) == len(rows)
    return {row.id for row in rows}


def test_photos_are_found_by_any_of_their_boxes(store, make_photo, annotate, ids):
    one, two, three = (store.photos.add(make_photo(n), by="Anna").row.id for n in range(3))
    annotate(one, ids[0])
    annotate(two, ids[1], ids[0], ids[0])
    assert found(store, ids[0]) == {one, two}
    assert found(store, ids[1]) == {two}
    assert found(store, ids[2]) == set()
    assert {row.id for row in store.photos.page(0, 10)} == {one, two, three}


def test_only_the_newest_version_counts(store, make_photo, annotate, ids):
    photo = store.photos.add(make_photo(1), by="Anna").row.id
    annotate(photo, ids[0])
    annotate(photo, ids[1])
    assert found(store, ids[0]) == set() and found(store, ids[1]) == {photo}


def test_an_emptied_and_a_deleted_photo_hold_nothing(store, make_photo, annotate, ids):
    one, two = (store.photos.add(make_photo(n), by="Anna").row.id for n in range(2))
    annotate(one, ids[0])
    annotate(one)
    annotate(two, ids[0])
    store.photos.delete(two, "Anna")
    assert found(store, ids[0]) == set()
