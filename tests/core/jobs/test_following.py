"""A worker follows promotions without being started again: the photos are seen by whoever serves now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.inference.predictions import prediction_of, queue_model, serving_name
from core.jobs.client import cancel
from core.jobs.worker import Worker
from core.jobs.workflows import Workshop, is_labelling_due, label_anew
from core.store import Store
from tests.core.jobs.conftest import settle
from tests.core.store.models import add_candidate
from tests.core.training.holdout import add_scene
from tests.weights import MANY

FIRST, SECOND = "tiny detector + tiny classifier", "candidate + tiny classifier"


@pytest.fixture
def follower(store: Store, tiny_ships: Path) -> Iterator[Worker]:
    """A worker with the champions, and a photo to look at."""
    add_scene(store, MANY)
    hired = Worker(Workshop(store))
    yield hired
    hired.close()


def promote(store: Store, folder: Path) -> None:
    champion, candidate = store.models.champion("detector"), add_candidate(store, folder)
    store.promotions.promote(
        candidate.id, expected_champion=champion.id, request="p", overrule_reason="a test"
    )


def test_after_a_promotion_the_photos_are_labelled_by_the_new_model_and_the_queue_follows(
    follower: Worker, tmp_path: Path
) -> None:
    store = follower.store
    label_anew(store)
    settle(follower)
    [photo] = store.photos.page(0, 9)
    assert (queue_model(store), serving_name(store), is_labelling_due(store)) == (FIRST, FIRST, False)

    promote(store, tmp_path)
    before = prediction_of(store, photo.id)
    assert before is not None and before.model == FIRST  # until the new one has seen the photo
    assert is_labelling_due(store) and queue_model(store) == FIRST
    follower.look_round()
    settle(follower)
    after = prediction_of(store, photo.id)
    assert after is not None and after.model == SECOND == queue_model(store)
    assert store.predictions.get(photo.id, FIRST) is not None
    assert not is_labelling_due(store)

    store.promotions.rollback("detector", request="b")
    again = prediction_of(store, photo.id)
    assert again is not None and again.model == FIRST
    follower.look_round()
    settle(follower)
    assert queue_model(store) == FIRST


def test_labelling_that_a_person_cancelled_is_not_asked_for_again(follower: Worker, tmp_path: Path) -> None:
    store = follower.store
    store.models.found()
    follower.look_round()
    [job] = store.jobs.running()
    cancel(store, job.id)
    follower.look_round()
    assert store.jobs.running() == ()
    promote(store, tmp_path)
    follower.look_round()
    assert [job.kind for job in store.jobs.running()] == ["label"]


def test_a_store_without_photos_has_nothing_to_follow(store: Store, tiny_ships: Path) -> None:
    assert not is_labelling_due(store) and serving_name(store) is None
    store.models.found()
    assert not is_labelling_due(store) and serving_name(store) == FIRST
