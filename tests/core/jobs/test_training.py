"""Trainings as jobs: done to the end, cancelled, failed; other work goes on beside them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import DatasetError
from core.jobs.client import cancel_training, resume, start_import, start_ordering, start_training
from core.jobs.context import WorkerContext
from core.jobs.worker import Worker, clean_up
from core.models.cards import read_card, write_card
from core.store import Store
from core.training.finetune import run
from core.training.finetune.run_directory import RunDirectory, TrainingCancelled
from tests.core.jobs.conftest import settle
from tests.databases import on_sqlite
from tests.waiting import PATIENCE_SECONDS, until

Learn = Callable[..., Path]


@pytest.fixture
def revision(store: Store, light_weights: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of a revision, in a store whose champions are tiny."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", light_weights)
    return store.revisions.create("ada").number


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Trainings give a copy of the champion, at once; their numbers."""
    begun: list[int] = []

    def learn(store: Store, training: int, stop: Callable[[], bool], **_: Any) -> Path:
        begun.append(training)
        return as_candidate(store, training)

    monkeypatch.setattr(run, "train_revision", learn)
    return begun


def as_candidate(store: Store, training: int) -> Path:
    """The champion's weights under another name, where a training leaves its own."""
    champion = store.models.champion(store.trainings.get(training).kind)
    store.trainings.prepared(training, parent_id=champion.id, settings={})
    store.trainings.progress(training, 1, 1, "Learning.")
    target = RunDirectory.of(store, training).folder / "final.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(store.models.file_of(champion), target)
    write_card(replace(read_card(store.models.file_of(champion)), name=f"candidate {training}"), target)
    return target


def test_a_training_ends_as_a_candidate(
    store: Store, worker: Worker, revision: int, lessons: list[int]
) -> None:
    id = start_training(store, "detector", "quick", revision)
    settle(worker)
    row, job = store.trainings.get(id), store.jobs.get(f"train-{id}")
    assert (row.state, job.state) == ("done", "done") and lessons == [id]
    model = store.models.named(f"candidate {id}")
    assert (model.training_id, model.revision) == (id, revision)
    assert "was not compared" in row.message  # the holdout is empty here
    assert not RunDirectory.of(store, id).folder.exists()


@on_sqlite
def test_a_failure_is_one_sentence_and_the_training_can_be_begun_again(
    store: Store, worker: Worker, revision: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Iterator[Any] = iter((DatasetError("Nothing is new."), None))

    def learn(store: Store, training: int, stop: Callable[[], bool], **_: Any) -> Path:
        problem = next(answers)
        if problem:
            raise problem
        return as_candidate(store, training)

    monkeypatch.setattr(run, "train_revision", learn)
    id = start_training(store, "detector", "quick", revision)
    settle(worker)
    assert (store.trainings.get(id).state, store.trainings.get(id).message) == ("failed", "Nothing is new.")
    assert store.jobs.get(f"train-{id}").message == "Nothing is new."
    resume(store, f"train-{id}")
    settle(worker)
    assert store.trainings.get(id).state == store.jobs.get(f"train-{id}").state == "done"


def test_a_cancelled_training_stops_and_can_be_begun_again(
    store: Store, worker: Worker, revision: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def learn(store: Store, training: int, stop: Callable[[], bool], **_: Any) -> Path:
        if stopped.is_set():
            return as_candidate(store, training)
        store.trainings.progress(training, 1, 10, "Learning.")
        while not stop():
            time.sleep(0.02)
        stopped.set()
        raise TrainingCancelled("The training was cancelled.")

    monkeypatch.setattr(run, "train_revision", learn)
    id = start_training(store, "detector", "quick", revision)
    until(lambda: store.trainings.get(id).step == 1, worker.poll)
    cancel_training(store, id)
    assert stopped.wait(PATIENCE_SECONDS)
    settle(worker)
    assert store.trainings.get(id).state == store.jobs.get(f"train-{id}").state == "cancelled"
    assert not [model for model in store.models.all() if model.training_id]
    resume(store, f"train-{id}")
    settle(worker)
    assert store.trainings.get(id).state == "done"


@on_sqlite
def test_imports_and_the_order_go_on_while_something_learns(
    store: Store,
    worker: Worker,
    revision: int,
    shoot: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enough = threading.Event()

    def learn(store: Store, training: int, stop: Callable[[], bool], **_: Any) -> Path:
        store.trainings.progress(training, 1, 10, "Learning.")
        assert enough.wait(PATIENCE_SECONDS)
        return as_candidate(store, training)

    monkeypatch.setattr(run, "train_revision", learn)
    id = start_training(store, "detector", "quick", revision)
    until(lambda: store.trainings.get(id).step == 1, worker.poll)
    import_id = store.imports.begin("shoot", "ada", str(shoot(3)))
    start_import(store, import_id)
    order = start_ordering(store)
    ended = lambda: store.imports.get(import_id).state == store.jobs.get(order).state == "done"  # noqa: E731
    until(ended, worker.poll)
    assert store.trainings.get(id).is_going
    enough.set()
    settle(worker)
    assert store.trainings.get(id).state == "done"


@on_sqlite
def test_a_worker_leaves_what_is_not_its_kind_of_work(
    store: Store, context: WorkerContext, revision: int, lessons: list[int]
) -> None:
    orderly = Worker(context, kinds=("order",))
    try:
        id, order = start_training(store, "detector", "quick", revision), start_ordering(store)
        until(lambda: store.jobs.get(order).state == "done", orderly.poll)
        again = start_ordering(store)  # the worker looks into its queues once more
        until(lambda: store.jobs.get(again).state == "done", orderly.poll)
        assert store.trainings.get(id).state == "waiting" and not lessons
    finally:
        orderly.close()
    teacher = Worker(context, kinds=("train",))
    try:
        until(lambda: store.trainings.get(id).state == "done", teacher.poll)
    finally:
        teacher.close()


@on_sqlite
def test_tidying_up_leaves_what_is_needed(store: Store, revision: int, tmp_path: Path) -> None:
    incoming = store.folder / "incoming"
    for name in ("wanted", "old"):
        (incoming / name).mkdir(parents=True)
    for name in ("wanted", "old"):
        os.utime(incoming / name, (0, 0))
    store.imports.begin("photos", "ada", str(incoming / "wanted"))
    store.models.register_shipped()
    (store.folder / "trainings" / "77").mkdir(parents=True)
    orphan = store.blobs.put(b"a picture of nobody")
    clean_up(store)
    assert sorted(path.name for path in incoming.iterdir()) == ["wanted"]
    assert not store.blobs.has(orphan) and store.blobs.has(store.models.champion("detector").digest)
    assert list((store.folder / "trainings").iterdir()) == []
