"""Corrections between two revisions, counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import NotFoundError
from core.store.corrections import changes_between, count_changes
from tests.core.store.rows import add_photos, box


def submit(store, photo: int, boxes, base: int = 0) -> None:
    store.annotations.submit(photo, boxes, author="ann", base_version=base, request=f"{photo} {base}")


def test_photos_and_boxes_are_counted_from_one_revision_to_the_next(store):
    one, two, three = add_photos(store.database, 3)
    kept, moved, renamed, gone = (box(n, 0, n + 50, 50) for n in range(4))
    submit(store, one, [kept, moved, renamed, gone])
    submit(store, two, [kept])
    first = store.revisions.create("ann").number
    there = [
        kept,
        replace(moved, box_xyxy=(9, 9, 70, 70)),
        replace(renamed, category_id=2),
        box(9, 9, 20, 20),
    ]
    submit(store, one, there, 1)
    submit(store, three, [kept, moved])
    second = store.revisions.create("ann").number
    found = changes_between(store, first, second)
    assert (found.new_photos, found.changed_photos, found.removed_photos, found.new_boxes) == (1, 1, 0, 2)
    assert found.boxes == {"added": 1, "removed": 1, "moved": 1, "renamed": 1}


def test_from_nothing_all_of_a_revision_is_new(store):
    photo, *_ = add_photos(store.database, 1)
    submit(store, photo, [box(0, 0, 50, 50), box(5, 5, 60, 60)])
    number = store.revisions.create("ann").number
    found = changes_between(store, None, number)
    assert (found.new_photos, found.changed_photos, found.new_boxes, found.boxes) == (1, 0, 2, {})
    same = changes_between(store, number, number)
    assert (same.new_photos, same.changed_photos, same.removed_photos) == (0, 0, 0)


def test_a_photo_that_is_gone_counts_as_gone(store):
    one, two = add_photos(store.database, 2)
    for photo in (one, two):
        submit(store, photo, [box(0, 0, 50, 50)])
    first = store.revisions.create("ann").number
    store.photos.delete(one, "ann")
    assert changes_between(store, first, store.revisions.create("ann").number).removed_photos == 1


def test_a_revision_that_is_not_there_is_not_found(store):
    with pytest.raises(NotFoundError):
        changes_between(store, None, 7)


def test_a_box_both_moved_and_renamed_counts_as_both():
    before = box(0, 0, 50, 50, uid="a").as_dict()
    assert count_changes([before], [before]) == {}
    after = before | {"box": [5, 0, 50, 50], "label": "Polo"}
    assert count_changes([before], [after]) == {"moved": 1, "renamed": 1}
    assert count_changes([before], [before | {"box": [0.2, 0, 50, 50]}]) == {}
