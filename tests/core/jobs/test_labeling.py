"""Batch labeling in chunks: what is planned when, for how many workers, and that nothing is done twice."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.errors import StoreError
from core.garments import Garment
from core.inference import predictions
from core.jobs import labeling
from core.jobs.client import start_labeling
from core.jobs.labeling import BEGUN, COMING, WAITING, after_chunk, label_chunk, plan_chunks
from core.jobs.steps import JobCancelled, Steps
from tests.core.store.rows import add_models, add_photos


@pytest.fixture
def context(fresh_store, monkeypatch):
    """A worker's context whose models are rows alone, and find one garment on each photo."""
    store = fresh_store("sqlite")
    pair = add_models(store.database)
    monkeypatch.setattr(predictions, "model_pair", lambda store, labeler: labeler)
    seen: list[int] = []

    def predict(store, labeler, id):
        if id in made.damaged:
            raise StoreError("damaged")
        seen.append(id)
        store.predictions.save(id, labeler, [Garment((1, 1, 9, 9), "top", 0.9, ())], None)

    monkeypatch.setattr(predictions, "predict", predict)
    made = SimpleNamespace(
        store=store, steps=Steps(store), is_ready=True, labeler=pair, labeler_for=lambda job: pair,
        seen=seen, damaged=set(), job=start_labeling(store), require_open=lambda: None,
    )  # fmt: skip
    return made


def planned(context, state):
    answer = plan_chunks(context, context.job, state)
    return answer, answer.pop("chunks")


def done_all(context, most_rounds=200) -> list[list[int]]:
    """Plan and label as one worker would, the most urgent chunk first; the ids of each chunk in turn."""
    state, flying, order = dict(BEGUN), [], []
    for _ in range(most_rounds):
        state, chunks = planned(context, state)
        flying += chunks
        if not flying:
            return order
        chunk = min(flying, key=lambda chunk: chunk["priority"])
        flying.remove(chunk)
        order.append(chunk["ids"])
        result = label_chunk(context, context.job, chunk["ids"], state["models"])
        state = after_chunk(state, chunk["ids"], result | {"seconds": float(result["done"])})
    raise AssertionError("no end")


def test_every_photo_is_labeled_once_in_chunks_of_some_seconds(context):
    ids = add_photos(context.store.database, 700)
    order = done_all(context)
    assert sorted(context.seen) == ids and len(context.seen) == len(ids)
    assert len(order[0]) == labeling.FIRST_CHUNK
    assert len(order[-2]) == labeling.CHUNK_SECONDS  # at one photo a second
    job = context.store.jobs.get(context.job)
    assert (job.done, job.total) == (700, 700)


def test_no_more_than_a_few_chunks_wait_and_none_is_planned_twice(context):
    add_photos(context.store.database, 2000)
    state, chunks = planned(context, dict(BEGUN))
    assert len(chunks) == labeling.IN_FLIGHT and {chunk["priority"] for chunk in chunks} == {WAITING}
    again, more = planned(context, state)
    assert more == [] and again["flying"] == state["flying"]
    assert again["total"] == 2000


def test_photos_that_come_meanwhile_overtake_the_others(context):
    add_photos(context.store.database, 2000)
    state, chunks = planned(context, dict(BEGUN))
    first = chunks[0]["ids"]
    new = add_photos(context.store.database, 3, first=5000)
    result = label_chunk(context, context.job, first, state["models"])
    state, chunks = planned(context, after_chunk(state, first, result))
    urgent = [chunk["ids"] for chunk in chunks if chunk["priority"] == COMING]
    assert urgent == [new]


def test_a_chunk_done_before_is_not_done_again(context):
    ids = add_photos(context.store.database, 5)
    label_chunk(context, context.job, ids[:3], context.labeler.as_list())
    result = label_chunk(context, context.job, ids, context.labeler.as_list())
    assert result["done"] == 2 and sorted(context.seen) == ids


def test_photos_that_cannot_be_opened_are_counted_and_left(context):
    ids = add_photos(context.store.database, 40)
    context.damaged |= {ids[3], ids[20]}
    done_all(context)
    assert sorted(context.seen) == [id for id in ids if id not in context.damaged]


def test_a_cancelled_job_ends_its_chunk_and_plans_nothing(context):
    ids = add_photos(context.store.database, 5)
    context.steps.cancel(context.job)
    result = label_chunk(context, context.job, ids, context.labeler.as_list())
    assert result["done"] == 0
    with pytest.raises(JobCancelled):
        planned(context, dict(BEGUN))
    context.steps.allow(context.job)
    context.store.jobs.finish(context.job, "cancelled")
    assert label_chunk(context, context.job, ids, context.labeler.as_list())["done"] == 0
    assert not context.seen


def test_what_a_cut_off_chunk_left_is_planned_at_the_end(context):
    ids = add_photos(context.store.database, 20)
    state, chunks = planned(context, dict(BEGUN))
    for chunk in chunks:  # as if their job had been cancelled and resumed meanwhile
        nothing = {"done": 0, "seconds": 0.0, "failures": [], "mismatch": False}
        state = after_chunk(state, chunk["ids"], nothing)
    state, chunks = planned(context, state)
    assert sorted(id for chunk in chunks for id in chunk["ids"]) == ids


def test_workers_that_serve_other_models_do_not_go_on_for_ever(context):
    add_photos(context.store.database, 20)
    state, _ = planned(context, dict(BEGUN))
    other = {"done": 1, "seconds": 1.0, "failures": [], "mismatch": True}
    for _ in range(labeling.MOST_MISMATCHES):
        state = after_chunk(state, [], other)
    assert "other models" in plan_chunks(context, context.job, state)["failed"]
