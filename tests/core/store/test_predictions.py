"""Predictions: the last one of a model for a photo, and which photos have none."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from core.errors import NotFoundError
from core.garments import Garment
from core.store.box_index import predicted_boxes
from core.store.predictions import ModelPair
from core.store.schema import predictions as table
from tests.core.store.rows import add_models

SHIRT = Garment((1.25, 2, 30, 40.5), "top", 0.875, (("Shirt", 0.75), ("T-Shirt", 0.25)))
SHOE = Garment((3, 4, 5, 6), "footwear", 0.5)


@pytest.fixture
def pair(store) -> ModelPair:
    return add_models(store.database)


@pytest.fixture
def other(store) -> ModelPair:
    return add_models(store.database, "other", threshold=0.5)


@pytest.fixture
def ids(store, make_photo) -> list[int]:
    return [store.photos.add(make_photo(n), by="ada").row.id for n in range(3)]


def test_a_prediction_comes_back(store, ids, pair):
    store.predictions.save(ids[0], pair, [SHIRT, SHOE], np.array([0.5, -2, 100]))
    found = store.predictions.get(ids[0])
    assert (found.photo_id, found.models, found.garments) == (ids[0], pair, (SHIRT, SHOE))
    assert found.embedding.dtype == np.float32 and found.embedding.tolist() == [0.5, -2, 100]


def test_a_photo_without_garments_and_features_has_a_prediction_too(store, ids, pair):
    store.predictions.save(ids[0], pair, [], None)
    found = store.predictions.get(ids[0], pair)
    assert found.garments == () and found.embedding is None


def test_features_beyond_half_precision_stay_finite(store, ids, pair):
    store.predictions.save(ids[0], pair, [], np.array([1e6, -1e6]))
    assert store.predictions.get(ids[0]).embedding.tolist() == [65504, -65504]


def test_the_last_word_of_a_model_counts(store, ids, pair):
    store.predictions.save(ids[0], pair, [SHIRT], np.ones(2))
    store.predictions.save(ids[0], pair, [SHOE], None)
    found = store.predictions.get(ids[0], pair)
    assert found.garments == (SHOE,) and found.embedding is None


def test_without_models_the_latest_prediction_is_given(store, ids, pair, other):
    assert store.predictions.get(ids[0]) is None and store.predictions.latest_models() is None
    store.predictions.save(ids[0], other, [SHIRT], None)
    store.predictions.save(ids[0], pair, [SHOE], None)
    assert store.predictions.get(ids[0]).models == pair == store.predictions.latest_models()
    store.predictions.save(ids[0], other, [SHIRT], None)
    assert store.predictions.get(ids[0]).models == other == store.predictions.latest_models()


def test_photos_that_wait_for_a_model_are_listed(store, ids, pair, other):
    store.predictions.save(ids[1], pair, [], None)
    assert store.predictions.missing(pair, 10) == [ids[0], ids[2]]
    assert store.predictions.missing(pair, 1) == [ids[0]]
    assert store.predictions.missing(other, 10) == ids


def test_a_deleted_photo_waits_for_nothing_and_takes_nothing(store, ids, pair, other):
    store.predictions.save(ids[0], pair, [SHIRT], None)
    store.photos.delete(ids[0], "ada")
    assert store.predictions.get(ids[0]) is None and store.predictions.missing(other, 10) == ids[1:]
    for gone in (ids[0], 99):
        with pytest.raises(NotFoundError):
            store.predictions.save(gone, pair, [], None)


def test_all_of_a_models_predictions_come_in_the_order_of_the_photos(store, ids, pair, other):
    for id in reversed(ids):
        store.predictions.save(id, pair, [SHIRT], np.full(2, id))
    store.predictions.save(ids[0], other, [], None)
    assert [(found.photo_id, found.embedding[0]) for found in store.predictions.iterate(pair)] == [
        (id, id) for id in ids
    ]
    assert list(store.predictions.iterate(ModelPair(98, 99))) == []


def test_predictions_can_be_saved_while_others_are_read(store, ids, pair):
    for id in ids:
        store.predictions.save(id, pair, [], None)
    for found in store.predictions.iterate(pair):
        store.predictions.save(found.photo_id, pair, [SHOE], None)
    assert [found.garments for found in store.predictions.iterate(pair)] == [(SHOE,)] * 3


def test_the_threshold_is_that_of_the_detectors_card(store, pair, other):
    assert store.predictions.score_threshold(pair) == 0.25
    assert store.predictions.score_threshold(other) == 0.5
    with pytest.raises(NotFoundError):
        store.predictions.score_threshold(ModelPair(98, 99))


def age(store, photo_id: int, models: ModelPair, days: float) -> None:
    """Have a prediction be so many days older."""
    of = (table.c.photo_id == photo_id, table.c.detector_id == models.detector_id)
    store.database.change(sa.update(table).where(*of).values(at=table.c.at - days * 86_400))


def test_old_predictions_of_models_that_serve_no_more_are_deleted(store, ids, pair, other):
    third = add_models(store.database, "third")
    for models in (pair, other, third):
        for id in ids:
            store.predictions.save(id, models, [SHIRT], None)
            age(store, id, models, 40)
    store.predictions.save(ids[0], other, [SHOE], None)  # a new one
    assert store.predictions.prune(30, pair, [third], dry_run=True) == 2
    assert store.predictions.prune(30, pair, [third]) == 2
    assert store.predictions.prune(30, pair, [third]) == 0
    left = store.predictions.of_photos(ids)
    assert [{found.models for found in left[id]} for id in ids] == [
        {pair, third, other},
        *[{pair, third}] * 2,
    ]
    rows = store.database.rows(sa.select(predicted_boxes.c.photo_id, predicted_boxes.c.detector_id))
    assert len(rows) == 7 and (ids[1], other.detector_id) not in map(tuple, rows)
    assert [entry.details for entry in store.audit.entries(action="prune")] == [
        {"deleted": 0},
        {"deleted": 2},
    ]


def test_a_photo_that_the_serving_models_have_not_labeled_keeps_what_it_has(store, ids, pair, other):
    store.predictions.save(ids[0], other, [SHIRT], None)
    age(store, ids[0], other, 40)
    assert store.predictions.prune(30, pair) == 0 and store.predictions.get(ids[0]).models == other
