"""The counts behind the charts: what holds now, by category, size, origin, day and person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from core.store.boxes import AnnotatedBox
from core.store.statistics import (
    SIZE_BINS,
    Day,
    agreements,
    count_annotations,
    daily_work,
    proposed_holdout,
    statistics_state,
)

WHOLE = (0.0, 0.0, 96.0, 128.0)
QUARTER = (0.0, 0.0, 48.0, 64.0)


@pytest.fixture
def ids(store):
    return [category.id for category in store.categories.all()]


@pytest.fixture
def submit(store):
    def save(photo_id: int, *boxes: AnnotatedBox, author: str = "Anna", kind: str = "submitted") -> None:
        latest = store.annotations.latest(photo_id)
        base = latest.version if latest else 0
        store.annotations.submit(
            photo_id, boxes, author=author, base_version=base, request=f"{photo_id} {base} {kind}", kind=kind
        )

    return save


def test_an_empty_store_counts_nothing(store):
    found = count_annotations(store)
    assert (found.photos, sum(found.boxes.values()), sum(found.sizes), found.days) == (0, 0, 0, ())
    assert len(found.sizes) == SIZE_BINS


def test_only_the_newest_versions_of_live_photos_count(store, make_photo, submit, ids):
    one, two = (store.photos.add(make_photo(n), by="Anna").row.id for n in range(2))
    submit(one, AnnotatedBox(WHOLE, ids[0]))
    submit(one, AnnotatedBox(WHOLE, ids[1]), AnnotatedBox(QUARTER, ids[1]))
    submit(two, AnnotatedBox(QUARTER, ids[2]))
    store.photos.delete(two, "Anna")
    found = count_annotations(store)
    assert found.photos == 1
    assert dict(found.boxes) == {ids[1]: 2}
    assert found.sizes[-1] == 1 and found.sizes[SIZE_BINS // 2] == 1 and sum(found.sizes) == 2


def test_boxes_are_told_apart_by_where_they_came_from(store, make_photo, submit, ids):
    photo = store.photos.add(make_photo(1), by="Anna").row.id
    model = AnnotatedBox(WHOLE, ids[0], origin="model")
    submit(photo, model, replace(model, uid="put right", changed=True), AnnotatedBox(QUARTER, ids[0]))
    assert dict(count_annotations(store).origins) == {"model": 1, "model, changed": 1, "person": 1}


def test_work_is_counted_a_day_and_a_person_but_imports_are_nobodys(store, make_photo, submit, ids):
    one, two, three = (store.photos.add(make_photo(n), by="Anna").row.id for n in range(3))
    before = datetime.now().date().isoformat()
    submit(one, AnnotatedBox(WHOLE, ids[0]))
    submit(one, AnnotatedBox(QUARTER, ids[0]))
    submit(two, author="Bo")
    submit(three, AnnotatedBox(WHOLE, ids[0]), kind="imported")
    found = count_annotations(store)
    assert found.photos == 3
    if datetime.now().date().isoformat() == before:
        assert found.days == (Day(before, "Anna", 1), Day(before, "Bo", 1))


def test_second_annotations_tell_how_far_people_agree(store, make_photo, submit, ids):
    store.settings.put("second_share", 1.0)
    photo = store.photos.add(make_photo(1), by="Anna").row.id
    submit(photo, AnnotatedBox(WHOLE, ids[0]))
    assert agreements(store) == []
    submit(photo, AnnotatedBox(WHOLE, ids[1]), author="Bo", kind="second")
    (found,) = agreements(store)
    assert (found.mean_iou, found.matched, found.same_category) == (1.0, 1, 0)
    assert count_annotations(store).boxes == {ids[0]: 1}


def test_whatever_changes_the_counts_changes_the_state(store, make_photo, submit, ids):
    states = [statistics_state(store)]
    photo = store.photos.add(make_photo(1), by="Anna").row.id
    states.append(statistics_state(store))
    submit(photo, AnnotatedBox(WHOLE, ids[0]))
    states.append(statistics_state(store))
    store.photos.delete(photo, "Anna")
    states.append(statistics_state(store))
    assert len(set(states)) == 4


def test_holdout_photos_that_began_as_proposals_are_counted(store, make_photo, submit, ids):
    held = [store.photos.add(make_photo(n, holdout=True), by="Anna").row.id for n in range(2)]
    other = store.photos.add(make_photo(5), by="Anna").row.id
    proposal = AnnotatedBox(WHOLE, ids[0], origin="model", score=0.5)
    submit(held[0], proposal, AnnotatedBox(QUARTER, ids[0]))
    submit(held[1], AnnotatedBox(QUARTER, ids[0]))
    submit(other, proposal)
    assert proposed_holdout(store, store.revisions.create("Anna").number) == (1, 2)


def test_work_is_counted_by_person_and_day(store, make_photo, ids):
    store.settings.put("second_share", 1.0)
    one, two = (store.photos.add(make_photo(n), by="Anna").row.id for n in range(2))
    kept = {"base_version": 0, "boxes": [AnnotatedBox(WHOLE, ids[0]), AnnotatedBox(QUARTER, ids[1])]}
    store.annotations.submit(one, author="Anna", request="1", seconds=10.0, **kept)
    store.annotations.submit(two, author="Anna", request="2", seconds=30.0, **kept)
    store.annotations.submit(
        one, [AnnotatedBox(WHOLE, ids[0])], author="Ben", base_version=0, request="3", kind="second"
    )
    today = datetime.now().date().isoformat()
    anna, ben = daily_work(store)
    assert (anna.day, anna.person, anna.photos, anna.boxes) == (today, "Anna", 2, 4)
    assert anna.seconds_a_photo == 20.0 and ben.seconds_a_photo is None
    assert (ben.person, ben.photos, ben.boxes) == ("Ben", 1, 1)
    assert anna.agreement == ben.agreement == pytest.approx(2 / 3)  # of three boxes, two are alike
    later = {"base_version": 1, "request": "4", "seconds": 20.0}
    store.annotations.submit(two, [], author="Anna", **later)  # the same photo on the same day: done once
    anna, _ = daily_work(store)
    assert (anna.photos, anna.boxes, anna.seconds_a_photo) == (2, 2, 30.0)
