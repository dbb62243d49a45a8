"""Labeling and trainings that are cancelled: the worker is free, and goes on with what was resumed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.inference.labeler import Labeler
from core.jobs import worker as worker_module
from core.jobs.client import cancel, cancel_training, resume, start_labeling, start_ordering, start_training
from core.jobs.context import WorkerContext
from core.jobs.step_process import StepProcesses
from core.jobs.steps import JobCancelled
from core.jobs.worker import Worker
from core.store import Store
from core.training.finetune.run_directory import RunDirectory
from tests.core.jobs.hostile_steps import COMMAND, STARTED
from tests.databases import on_sqlite
from tests.waiting import PATIENCE_SECONDS, until


@on_sqlite
def test_models_that_load_keep_no_cancelled_job_and_serve_the_next(
    store: Store, light_labeler: Labeler, tiny_ships: Path, make_photo: Callable
) -> None:
    store.models.register_shipped()
    store.photos.add(make_photo(1), by="ada")
    loading, go_on = threading.Event(), threading.Event()

    def load() -> Labeler:
        loading.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return light_labeler

    worker = Worker(WorkerContext(store, load), kinds=("label",))
    try:
        job = start_labeling(store)
        until(loading.is_set, worker.poll)
        cancel(store, job)
        until(lambda: not worker.engine.busy_workers(), worker.poll)
        assert store.jobs.get(job).state == "cancelled"
        go_on.set()
        resume(store, job)
        until(lambda: store.jobs.get(job).state == "done", worker.poll)
        assert len(store.predictions.missing(worker_models(store, light_labeler), 9)) == 0
    finally:
        go_on.set()
        worker.close()


def worker_models(store: Store, labeler: Labeler):
    """The pair of models that a labeler is."""
    from core.inference.predictions import model_pair

    return model_pair(store, labeler)


def test_a_job_that_is_cancelled_before_its_models_are_there_is_not_begun(store_of_steps: Store) -> None:
    waiting = threading.Event()
    context = WorkerContext(store_of_steps, lambda: waiting.wait(PATIENCE_SECONDS))  # type: ignore[arg-type]
    context.steps.cancel("label-1")
    with pytest.raises(JobCancelled):
        context.labeler_for("label-1")
    waiting.set()


@pytest.fixture
def store_of_steps(fresh_store: Callable[[str], Store]) -> Store:
    """A store on SQLite."""
    return fresh_store("sqlite")


@pytest.fixture
def hostile_worker(store_of_steps: Store) -> Iterator[Worker]:
    """A worker whose trainings and orderings never end."""
    context = WorkerContext(store_of_steps, steps=StepProcesses(store_of_steps, COMMAND))
    hired = Worker(context, kinds=("train", "order"))
    yield hired
    hired.close()


@pytest.mark.slow
def test_a_training_that_never_ends_is_cancelled_and_leaves_nothing(
    hostile_worker: Worker, tiny_ships: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hostile_worker.store
    monkeypatch.setenv("LAPEL_TEST_TRAIN", "compute")
    revision = store.revisions.create("ada").number
    first = start_training(store, "detector", "quick", revision)
    until((store.folder / STARTED).exists, hostile_worker.poll)
    (store.folder / STARTED).unlink()
    folder = RunDirectory.of(store, first).folder
    folder.mkdir(parents=True)
    cancel_training(store, first)
    second = start_training(store, "detector", "quick", revision)
    until((store.folder / STARTED).exists, hostile_worker.poll)
    assert (store.trainings.get(first).state, first != second) == ("cancelled", True)
    assert not folder.exists()


@pytest.mark.slow
def test_a_comparison_that_never_ends_is_cancelled_and_the_next_training_runs(
    hostile_worker: Worker, tiny_ships: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hostile_worker.store
    monkeypatch.setenv("LAPEL_TEST_TRAIN", "learned")
    monkeypatch.setenv("LAPEL_TEST_COMPARE", "compute")
    revision = store.revisions.create("ada").number
    first = start_training(store, "detector", "quick", revision)
    until((store.folder / STARTED).exists, hostile_worker.poll)
    comparing = int((store.folder / STARTED).read_text())
    folder = RunDirectory.of(store, first).folder
    folder.mkdir(parents=True)
    monkeypatch.setenv("LAPEL_TEST_COMPARE", "compared")
    cancel_training(store, first)
    second = start_training(store, "detector", "quick", revision)
    hostile_worker.poll()
    assert not is_running(comparing), "one poll of the worker is enough"
    until(lambda: store.trainings.get(second).state == "done", hostile_worker.poll)
    assert (store.trainings.get(first).state, store.jobs.get(f"train-{first}").state) == ("cancelled",) * 2
    assert store.trainings.get(second).message == "Compared."
    assert not folder.exists()
    # Cancelled means ended within five seconds: the worker polls once a second.
    assert worker_module.POLL_SECONDS <= 1


def is_running(process: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_an_ordering_that_never_ends_is_cancelled_and_the_next_one_runs(
    hostile_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hostile_worker.store
    monkeypatch.setenv("LAPEL_TEST_ORDER", "compute")
    job = start_ordering(store)
    until((store.folder / STARTED).exists, hostile_worker.poll)
    monkeypatch.delenv("LAPEL_TEST_ORDER")
    cancel(store, job)
    following = start_ordering(store)
    until(lambda: store.jobs.get(following).state == "done", hostile_worker.poll)
    assert store.jobs.get(job).state == "cancelled"
