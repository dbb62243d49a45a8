"""Trainings as background work: one long step that goes on from its own checkpoints, then a comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dbos import DBOS

from core.errors import StoreBusyError
from core.jobs.client import training_of
from core.jobs.workflows import Answer, Workshop, answered
from core.store import Store


def training_workflow(shop: Workshop) -> Callable[[str], None]:
    """The workflow that does a training's job, known to DBOS from now on."""
    store, alone = shop.store, threading.Lock()

    @DBOS.step(name="train.learn")
    def learn(job: str) -> Answer:
        with alone:  # one that was cancelled and asked for again may not have noticed yet
            return answered(lambda: _learn(shop, job))

    @DBOS.step(name="train.compare")
    def compare(job: str, answer: Answer) -> Answer:
        return answered(lambda: _compare(store, job, answer))

    @DBOS.step(name="train.finish")
    def end_training(job: str, answer: Answer) -> None:
        end_job(store, job, answer)

    @DBOS.workflow(name="train", max_recovery_attempts=None)
    def train(job: str) -> None:
        answer = learn(job)
        if "failed" not in answer:
            answer = compare(job, answer)
        end_training(job, answer)

    return train


def end_job(store: Store, job: str, answer: Answer) -> None:
    """Note down how a training's job ended, in the training as well; cancelled stays cancelled."""
    from core.training.finetune.run import end

    training = training_of(job)
    if "failed" in answer:
        end(store, training, "failed", answer["failed"])
    else:
        end(store, training, "done", answer["message"])
    row = store.trainings.get(training)
    store.jobs.finish(job, row.state, row.message)


def _learn(shop: Workshop, job: str) -> Answer:
    """The training itself, up to a candidate in the store: another machine finds it there."""
    from core.training.finetune.run import register, train_revision

    store, training = shop.store, training_of(job)
    weights = train_revision(
        store, training, _stopper(store, training), device=shop.device, told=_teller(store, job)
    )
    return {"candidate": register(store, training, weights).id}


def _compare(store: Store, job: str, answer: Answer) -> Answer:
    from core.training.finetune.run import outcome
    from core.training.finetune.run_directory import Brake

    training, candidate = training_of(job), int(answer["candidate"])
    row, brake = store.trainings.get(training), Brake(_stopper(store, training))
    store.trainings.progress(training, row.steps, row.steps, "Comparing with the champion on the holdout.")
    message = outcome(store, training, candidate, lambda *_: brake.check())
    return answer | {"message": message}


def _stopper(store: Store, training: int) -> Callable[[], bool]:
    """Whether a training was cancelled; as long as the database is busy it goes on."""

    def stop() -> bool:
        with suppress(StoreBusyError):
            return not store.trainings.get(training).is_going
        return False

    return stop


def _teller(store: Store, job: str) -> Callable[[int, int, str], None]:
    def tell(step: int, steps: int, message: str) -> Any:
        store.jobs.progress(job, step, steps, message)

    return tell
