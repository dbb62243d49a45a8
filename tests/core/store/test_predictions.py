"""Predictions: the last one of a model for a photo, and which photos have none."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import NotFoundError
from core.garments import Garment

SHIRT = Garment((1.25, 2, 30, 40.5), "top", 0.875, (("Shirt", 0.75), ("T-Shirt", 0.25)))
SHOE = Garment((3, 4, 5, 6), "footwear", 0.5)


@pytest.fixture
def ids(store, make_photo) -> list[int]:
    return [store.photos.add(make_photo(n), by="ada").row.id for n in range(3)]


def test_a_prediction_comes_back(store, ids):
    store.predictions.save(ids[0], "model", [SHIRT, SHOE], np.array([0.5, -2, 100]))
    found = store.predictions.get(ids[0])
    assert (found.photo_id, found.model, found.garments) == (ids[0], "model", (SHIRT, SHOE))
    assert found.embedding.dtype == np.float32 and found.embedding.tolist() == [0.5, -2, 100]


def test_a_photo_without_garments_and_features_has_a_prediction_too(store, ids):
    store.predictions.save(ids[0], "model", [], None)
    found = store.predictions.get(ids[0], "model")
    assert found.garments == () and found.embedding is None


def test_features_beyond_half_precision_stay_finite(store, ids):
    store.predictions.save(ids[0], "model", [], np.array([1e6, -1e6]))
    assert store.predictions.get(ids[0]).embedding.tolist() == [65504, -65504]


def test_the_last_word_of_a_model_counts(store, ids):
    store.predictions.save(ids[0], "model", [SHIRT], np.ones(2))
    store.predictions.save(ids[0], "model", [SHOE], None)
    found = store.predictions.get(ids[0], "model")
    assert found.garments == (SHOE,) and found.embedding is None


def test_without_a_models_name_the_latest_is_given(store, ids):
    assert store.predictions.get(ids[0]) is None and store.predictions.latest_model() is None
    store.predictions.save(ids[0], "old", [SHIRT], None)
    store.predictions.save(ids[0], "new", [SHOE], None)
    assert store.predictions.get(ids[0]).model == "new" == store.predictions.latest_model()
    store.predictions.save(ids[0], "old", [SHIRT], None)
    assert store.predictions.get(ids[0]).model == "old" == store.predictions.latest_model()


def test_photos_that_wait_for_a_model_are_listed(store, ids):
    store.predictions.save(ids[1], "model", [], None)
    assert store.predictions.missing("model", 10) == [ids[0], ids[2]]
    assert store.predictions.missing("model", 1) == [ids[0]]
    assert store.predictions.missing("other", 10) == ids


def test_a_deleted_photo_waits_for_nothing_and_takes_nothing(store, ids):
    store.predictions.save(ids[0], "model", [SHIRT], None)
    store.photos.delete(ids[0], "ada")
    assert store.predictions.get(ids[0]) is None and store.predictions.missing("other", 10) == ids[1:]
    for gone in (ids[0], 99):
        with pytest.raises(NotFoundError):
            store.predictions.save(gone, "model", [], None)


def test_all_of_a_models_predictions_come_in_the_order_of_the_photos(store, ids):
    for id in reversed(ids):
        store.predictions.save(id, "model", [SHIRT], np.full(2, id))
    store.predictions.save(ids[0], "other", [], None)
    assert [(found.photo_id, found.embedding[0]) for found in store.predictions.iterate("model")] == [
        (id, id) for id in ids
    ]
    assert list(store.predictions.iterate("nobody")) == []


def test_predictions_can_be_saved_while_others_are_read(store, ids):
    for id in ids:
        store.predictions.save(id, "model", [], None)
    for found in store.predictions.iterate("model"):
        store.predictions.save(found.photo_id, "model", [SHOE], None)
    assert [found.garments for found in store.predictions.iterate("model")] == [(SHOE,)] * 3
