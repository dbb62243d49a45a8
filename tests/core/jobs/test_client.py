"""Asking for work takes a row in the store, and no more."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import NotFoundError
from core.jobs.client import (
    cancel,
    cancel_training,
    resume,
    start_import,
    start_labeling,
    start_ordering,
    start_training,
)
from core.store import Store

ROOT = Path(__file__).parents[3]


def test_a_job_asked_for_twice_is_one_job_until_it_has_ended(store: Store) -> None:
    first = start_labeling(store)
    assert start_labeling(store, "eve") == first
    store.jobs.progress(first, 1, 2)
    assert start_labeling(store) == first
    assert start_ordering(store) != first
    store.jobs.finish(first, "done")
    assert start_labeling(store) != first
    assert sorted(job.kind for job in store.jobs.running()) == ["label", "order"]


def test_many_who_ask_at_once_get_one_job(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        jobs = list(threads.map(lambda _: start_ordering(store), range(16)))
    assert len(set(jobs)) == 1


def test_an_import_is_one_job_in_the_name_of_who_brought_it(store: Store) -> None:
    import_id = store.imports.begin("shoot", "ada", "/nowhere")
    job = start_import(store, import_id)
    assert start_import(store, import_id) == job
    assert [(row.kind, row.by, row.state) for row in store.jobs.recent()] == [("import", "ada", "waiting")]
    with pytest.raises(NotFoundError):
        start_import(store, import_id + 1)


def test_cancelled_and_failed_work_can_wait_again_and_done_work_cannot(store: Store) -> None:
    import_id = store.imports.begin("shoot", "ada", "/nowhere")
    job = start_import(store, import_id)
    cancel(store, job)
    assert (store.jobs.get(job).state, store.imports.get(import_id).state) == ("cancelled", "cancelled")
    store.imports.progress(import_id, 1, 2, {})
    assert store.imports.get(import_id).state == "cancelled", "a step under way does not undo it"
    resume(store, job)
    assert (store.jobs.get(job).state, store.imports.get(import_id).state) == ("waiting", "waiting")
    store.jobs.finish(job, "done")
    store.imports.progress(import_id, 2, 2, {}, "done")
    resume(store, job)
    assert (store.jobs.get(job).state, store.imports.get(import_id).state) == ("done", "done")


def test_unknown_jobs_are_not_found(store: Store) -> None:
    for act in (cancel, resume):
        with pytest.raises(NotFoundError):
            act(store, "import-99")


def test_who_asks_does_not_load_the_engine_and_who_ends_a_training_does_not_load_pytorch() -> None:
    code = (
        "import sys, core.jobs.client, core.training.finetune.run_directory;"
        "print(sorted({'dbos', 'torch', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_second_press_does_not_start_a_second_training(store: Store) -> None:
    revision = store.revisions.create("ada").number
    with ThreadPoolExecutor(4) as threads:
        started = list(threads.map(lambda _: start_training(store, "detector", "quick", revision), range(8)))
    assert len(set(started)) == 1 and len(store.trainings.recent()) == 1
    assert [(job.kind, job.state) for job in store.jobs.running()] == [("train", "waiting")]


def test_a_cancelled_training_is_a_cancelled_job_whichever_is_cancelled(store: Store) -> None:
    revision = store.revisions.create("ada").number
    for stop in (lambda id: cancel_training(store, id), lambda id: cancel(store, f"train-{id}")):
        id = start_training(store, "detector", "quick", revision)
        stop(id)
        assert store.trainings.get(id).state == store.jobs.get(f"train-{id}").state == "cancelled"
    resume(store, f"train-{id}")
    assert store.trainings.get(id).state == store.jobs.get(f"train-{id}").state == "waiting"
