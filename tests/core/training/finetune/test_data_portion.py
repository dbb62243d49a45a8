"""Which photos a training learns from: never the holdout, the corrected ones apart from what was known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.errors import DatasetError
from core.images.decode import Photo
from core.store import Store
from core.training.finetune.data import MOST_VALIDATION, Portion, portion_of, validation_of
from core.training.finetune.run_directory import Brake, TrainingStopped
from tests.core.training.finetune.shapes import annotate

GOING = Brake(lambda: False)
Make = Callable[..., Photo]


def fill(store: Store, make: Make, seeds: range, *, holdout: bool = False) -> list[int]:
    """Photos with one red box each; their numbers."""
    ids = []
    for seed in seeds:
        row = store.photos.add(make(seed, holdout=holdout), by="ada").row
        assert row is not None
        annotate(store, row.id, ["red"], [(10, 10, 60, 70)], request=f"first {seed}")
        ids.append(row.id)
    return ids


def ids_of(items: tuple) -> list[int]:
    return [item.photo.id for item in items]


def look(store: Store, known: int | None = None, *, replay: float | None = 2.0, seed: int = 0) -> Portion:
    number = store.revisions.create("ada").number
    return portion_of(store, number, known, replay=replay, seed=seed, brake=GOING)


def test_photos_of_the_holdout_are_never_learned_from_or_watched_by(store: Store, make_photo: Make) -> None:
    pool = fill(store, make_photo, range(12))
    fill(store, make_photo, range(100, 104), holdout=True)
    portion = look(store)
    assert sorted(ids_of(portion.photos)) == pool
    assert len(portion.corrected) == 11 and not portion.replayed and len(portion.validation) == 1
    assert set(ids_of(portion.validation)).isdisjoint(ids_of(portion.training))


def test_corrected_is_what_was_annotated_since_the_parent_s_revision(store: Store, make_photo: Make) -> None:
    first = fill(store, make_photo, range(12))
    known = store.revisions.create("ada").number
    annotate(store, first[3], ["blue"], [(10, 10, 60, 70)], request="again")
    second = fill(store, make_photo, range(12, 15))
    watched = set(ids_of(look(store, known).validation))
    assert set(ids_of(look(store, known).corrected)) == {first[3], *second} - watched
    assert set(ids_of(look(store, known, replay=None).replayed)) == set(first) - {first[3]} - watched
    assert len(look(store, known, replay=0.5).replayed) == 4  # twice what an epoch takes


def test_deleted_photos_are_left_out(store: Store, make_photo: Make) -> None:
    ids = fill(store, make_photo, range(3))
    number = store.revisions.create("ada").number
    store.photos.delete(ids[0], "ada")
    portion = portion_of(store, number, None, replay=2.0, seed=0, brake=GOING)
    assert ids_of(portion.corrected) == ids[1:]


def test_so_few_photos_that_none_is_spared_are_watched_by_as_well(store: Store, make_photo: Make) -> None:
    portion = look_of(store, make_photo, 4)
    assert len(portion.corrected) == 4
    assert set(ids_of(portion.validation)) <= set(ids_of(portion.corrected))


def look_of(store: Store, make: Make, count: int) -> Portion:
    fill(store, make, range(count))
    return look(store)


def test_who_watches_follows_content_and_seed(store: Store, make_photo: Make) -> None:
    items = look_of(store, make_photo, 12).training
    assert validation_of(items, 1) == validation_of(items[::-1], 1)
    chosen = {ids_of(validation_of(items, seed))[0] for seed in range(20)}
    assert len(chosen) > 3
    assert len(validation_of(items * 100, 0)) == MOST_VALIDATION


def test_nothing_new_and_nothing_at_all_are_told_apart(store: Store, make_photo: Make) -> None:
    with pytest.raises(DatasetError, match="no photo with boxes outside the holdout"):
        look(store)
    fill(store, make_photo, range(2))
    known = store.revisions.create("ada").number
    with pytest.raises(DatasetError, match=f"Nothing was annotated since revision {known}"):
        look(store, known)
    assert len(look(store, known, replay=None).replayed) == 2


def test_a_brake_stops_between_two_photos(store: Store, make_photo: Make) -> None:
    fill(store, make_photo, range(2))
    number = store.revisions.create("ada").number
    with pytest.raises(TrainingStopped):
        portion_of(store, number, None, replay=1.0, seed=0, brake=Brake(lambda: True))
