"""Labeling jobs in chunks: what is planned when, for how many workers, and that nothing is done twice."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.errors import LapelError, NotFoundError, StoreAwayError, StoreError
from core.garments import Garment
from core.inference import predictions
from core.jobs import context as contexts
from core.jobs import labeling
from core.jobs.client import start_labeling
from core.jobs.labeling import BEGUN, after_chunk, end_labeling, label_chunk, plan_chunks
from core.jobs.steps import JobCancelled, Steps
from core.store.blobs import Blobs
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
            raise made.damaged[id]
        seen.append(id)
        store.predictions.save(id, labeler, [Garment((1, 1, 9, 9), "top", 0.9, ())], None)

    monkeypatch.setattr(predictions, "predict", predict)
    made = SimpleNamespace(
        store=store, steps=Steps(store), is_ready=True, labeler=pair, labeler_for=lambda job: pair,
        seen=seen, damaged={}, job=start_labeling(store), require_open=lambda: None,
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
    assert len(chunks) == labeling.IN_FLIGHT and len({chunk["priority"] for chunk in chunks}) == 1
    again, more = planned(context, state)
    assert more == [] and again["flying"] == state["flying"]
    assert again["total"] == 2000


def begin_import(store) -> int:
    return store.imports.begin("photos", "ann", "/photos")


def test_photos_that_are_saved_meanwhile_overtake_the_others(context):
    add_photos(context.store.database, 2000)
    state, chunks = planned(context, dict(BEGUN))
    first = chunks[0]
    new = add_photos(context.store.database, 3, first=5000)
    result = label_chunk(context, context.job, first["ids"], state["models"])
    state, chunks = planned(context, after_chunk(state, first["ids"], result))
    assert chunks[0]["ids"][:3] == new and chunks[0]["priority"] < first["priority"]


def test_a_small_import_overtakes_a_large_one_whichever_came_first_and_whenever(context, monkeypatch):
    monkeypatch.setattr(labeling, "IN_FLIGHT", 4)
    store = context.store
    large, small, later = (begin_import(store) for _ in range(3))
    many = add_photos(store.database, 90, import_id=large)
    few = add_photos(store.database, 10, first=2000, import_id=small)
    state, chunks = planned(context, dict(BEGUN))
    assert chunks[0]["ids"][:10] == few and chunks[0]["priority"] < chunks[1]["priority"]
    many += add_photos(store.database, 90, first=3000, import_id=large)  # goes on, and a third comes
    fewer = add_photos(store.database, 4, first=6000, import_id=later)
    result = label_chunk(context, context.job, chunks[0]["ids"], state["models"])
    state, more = planned(context, after_chunk(state, chunks[0]["ids"], result))
    assert more[0]["ids"][:4] == fewer and more[0]["priority"] < chunks[1]["priority"]
    done_all(context)
    assert sorted(context.seen) == sorted([*many, *few, *fewer]) and len(set(context.seen)) == len(
        context.seen
    )


def test_more_imports_than_are_planned_from_at_a_time_are_all_labeled(context, monkeypatch):
    monkeypatch.setattr(labeling, "MOST_IMPORTS", 3)
    ids = [
        id
        for number in range(8)
        for id in add_photos(
            context.store.database, 2, first=10 * number + 1, import_id=begin_import(context.store)
        )
    ]
    done_all(context)
    assert context.seen == ids


def test_a_chunk_done_before_is_not_done_again(context):
    ids = add_photos(context.store.database, 5)
    label_chunk(context, context.job, ids[:3], context.labeler.as_list())
    result = label_chunk(context, context.job, ids, context.labeler.as_list())
    assert result["done"] == 2 and sorted(context.seen) == ids


def test_photos_that_cannot_be_opened_are_counted_and_left(context):
    ids = add_photos(context.store.database, 40)
    context.damaged |= {ids[3]: StoreError("damaged"), ids[20]: RuntimeError("of this photo alone")}
    done_all(context)
    assert sorted({*context.seen}) == [id for id in ids if id not in context.damaged]


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error"), LapelError("no engine"), StoreAwayError("The bucket is away.")]
)
def test_what_is_wrong_with_a_worker_is_no_failure_of_its_photos(context, error):
    ids = add_photos(context.store.database, 3)
    context.damaged |= dict.fromkeys(ids, error)
    with pytest.raises(type(error)):
        label_chunk(context, context.job, ids, context.labeler.as_list())


def test_pictures_that_are_missing_because_their_place_is_are_no_failures(context, s3):
    ids = add_photos(context.store.database, 2)
    context.store = replace(context.store, blobs=Blobs("s3://bucket/lapel"))
    context.damaged[ids[0]] = NotFoundError("The picture is missing.")
    done = label_chunk(context, context.job, ids, context.labeler.as_list())
    assert (done["done"], done["failures"]) == (1, [ids[0]])
    s3.no_buckets.add("bucket")
    with pytest.raises(StoreAwayError, match="s3://bucket/lapel is not there"):
        label_chunk(context, context.job, ids, context.labeler.as_list())


def test_photos_of_a_chunk_that_failed_are_planned_again(context):
    ids = add_photos(context.store.database, 20)
    state, chunks = planned(context, dict(BEGUN))
    for chunk in chunks:
        state = after_chunk(state, chunk["ids"], {"failed": "The disk is full."})
    assert context.store.jobs.get(context.job).message == ""
    state, chunks = planned(context, state)
    assert sorted(id for chunk in chunks for id in chunk["ids"]) == ids and not state["failures"]
    assert context.store.jobs.get(context.job).message == "The disk is full."
    result = label_chunk(context, context.job, chunks[0]["ids"], state["models"])
    assert after_chunk(state, chunks[0]["ids"], result)["failed_chunks"] == 0


def test_chunks_that_fail_in_a_row_end_the_job_and_no_models_serve(context):
    add_photos(context.store.database, 20)
    state, _ = planned(context, dict(BEGUN))
    for _ in range(labeling.MOST_FAILED):
        state = after_chunk(state, [], {"failed": "The disk is full."})
    end_labeling(context, context.job, plan_chunks(context, context.job, state))
    row = context.store.jobs.get(context.job)
    assert (row.state, row.message) == ("failed", "The disk is full.")
    assert context.store.settings.get(predictions.QUEUE_SETTING) is None


def test_a_worker_on_which_a_chunk_failed_rests_longer_each_time(context, monkeypatch):
    monkeypatch.setattr(contexts, "time", SimpleNamespace(monotonic=lambda: 100.0))
    worker, rests = contexts.WorkerContext(context.store), list[float]()
    for failed in (True, True, False, True):
        worker.note_failure(failed)
        rests.append(worker.rest_left)
    assert rests == [contexts.REST_SECONDS, 2 * contexts.REST_SECONDS, 0.0, contexts.REST_SECONDS]
    worker.stop(0.0)
    worker.rest()  # ends at once


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
