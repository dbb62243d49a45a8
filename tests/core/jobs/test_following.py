"""A worker follows promotions without being started again: the photos are seen by whoever serves now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.inference.predictions import prediction_of, queue_models, serving_models
from core.jobs.client import cancel
from core.jobs.context import WorkerContext
from core.jobs.labeling import is_labeling_due, request_labeling
from core.jobs.worker import Worker
from core.store import Store
from core.store.predictions import ModelPair
from tests.core.jobs.conftest import settle
from tests.core.store.models import add_candidate
from tests.core.training.holdout import add_photo
from tests.databases import on_sqlite
from tests.weights import MANY

FIRST, SECOND = ModelPair(1, 2), ModelPair(3, 2)
"""The tiny weights that ship, which become models 1 and 2 of a store, and a candidate detector with them."""


@pytest.fixture
def follower(store: Store, tiny_ships: Path) -> Iterator[Worker]:
    """A worker with the champions, and a photo to look at."""
    add_photo(store, MANY)
    hired = Worker(WorkerContext(store))
    yield hired
    hired.close()


def promote(store: Store, folder: Path) -> None:
    champion, candidate = store.models.champion("detector"), add_candidate(store, folder)
    store.promotions.promote(
        candidate.id, expected_champion=champion.id, request="p", overrule_reason="a test"
    )


@on_sqlite
def test_after_a_promotion_the_photos_are_labeled_by_the_new_model_and_the_queue_follows(
    follower: Worker, tmp_path: Path
) -> None:
    store = follower.store
    request_labeling(store)
    settle(follower)
    [photo] = store.photos.page(0, 9)
    assert (queue_models(store), serving_models(store), is_labeling_due(store)) == (FIRST, FIRST, False)

    promote(store, tmp_path)
    before = prediction_of(store, photo.id)
    assert before is not None and before.models == FIRST  # until the new one has seen the photo
    assert is_labeling_due(store) and queue_models(store) == FIRST
    follower.maintain()
    settle(follower)
    after = prediction_of(store, photo.id)
    assert after is not None and after.models == SECOND == queue_models(store)
    assert store.predictions.get(photo.id, FIRST) is not None
    assert not is_labeling_due(store)

    store.promotions.rollback("detector", request="b")
    again = prediction_of(store, photo.id)
    assert again is not None and again.models == FIRST
    follower.maintain()
    settle(follower)
    assert queue_models(store) == FIRST


@on_sqlite
def test_labeling_that_a_person_cancelled_is_not_asked_for_again(follower: Worker, tmp_path: Path) -> None:
    store = follower.store
    store.models.register_shipped()
    follower.maintain()
    [job] = store.jobs.running()
    cancel(store, job.id)
    follower.maintain()
    assert store.jobs.running() == ()
    promote(store, tmp_path)
    follower.maintain()
    assert [job.kind for job in store.jobs.running()] == ["label"]


@on_sqlite
def test_a_store_without_photos_has_nothing_to_follow(store: Store, tiny_ships: Path) -> None:
    assert not is_labeling_due(store) and serving_models(store) is None
    store.models.register_shipped()
    assert not is_labeling_due(store) and serving_models(store) == FIRST
