"""Trainings as background work: one long step that goes on from its own checkpoints, then a comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dbos import DBOS

from core.errors import StoreBusyError
from core.jobs.client import training_of
from core.jobs.workflows import StepResult, WorkerContext, run_step
from core.store import Store


def training_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow that does a training's job, known to DBOS from now on."""
    store, alone = context.store, threading.Lock()

    @DBOS.step(name="train.learn")
    def learn(job: str) -> StepResult:
        with alone:  # one that was cancelled and asked for again may not have noticed yet
            return run_step(lambda: _learn(context, job))

    @DBOS.step(name="train.compare")
    def compare(job: str, answer: StepResult) -> StepResult:
        return run_step(lambda: _compare(store, job, answer))

    @DBOS.step(name="train.finish")
    def end_training(job: str, answer: StepResult) -> None:
        end_job(store, job, answer)

    @DBOS.workflow(name="train", max_recovery_attempts=None)
    def train(job: str) -> None:
        answer = learn(job)
        if "failed" not in answer:
            answer = compare(job, answer)
        end_training(job, answer)

    return train


def end_job(store: Store, job: str, answer: StepResult) -> None:
    """Note down how a training's job ended, in the training as well; cancelled stays cancelled."""
    from core.training.finetune.run import finish_training

    training = training_of(job)
    if "failed" in answer:
        finish_training(store, training, "failed", answer["failed"])
    else:
        finish_training(store, training, "done", answer["message"])
    row = store.trainings.get(training)
    store.jobs.finish(job, row.state, row.message)


def _learn(context: WorkerContext, job: str) -> StepResult:
    """The training itself, up to a candidate in the store: another machine finds it there."""
    from core.training.finetune.run import register_candidate, train_revision

    store, training = context.store, training_of(job)
    weights = train_revision(
        store, training, _stopper(store, training), device=context.device, on_progress=_teller(store, job)
    )
    return {"candidate": register_candidate(store, training, weights).id}


def _compare(store: Store, job: str, answer: StepResult) -> StepResult:
    from core.training.finetune.run import compare_and_summarize
    from core.training.finetune.run_directory import CancelToken

    training, candidate = training_of(job), int(answer["candidate"])
    row, cancel_token = store.trainings.get(training), CancelToken(_stopper(store, training))
    store.trainings.progress(training, row.steps, row.steps, "Comparing with the champion on the holdout.")
    message = compare_and_summarize(store, training, candidate, lambda *_: cancel_token.check())
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
