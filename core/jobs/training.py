"""Training as a workflow: one long step that resumes from its own checkpoints, then a comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dbos import DBOS

from core.errors import StoreBusyError
from core.jobs.client import training_of
from core.jobs.workflows import StepResult, WorkerContext, run_step
from core.store import Store


def training_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of a training's job, registered with DBOS."""
    store, one_at_once = context.store, threading.Lock()

    @DBOS.step(name="train.learn")
    def learn(job: str) -> StepResult:
        with one_at_once:  # a cancelled run of the same training may not have ended yet
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
    """Record how a training's job ended, in the training as well; a cancelled one stays cancelled."""
    from core.training.finetune.run import finish_training

    training = training_of(job)
    if "failed" in answer:
        finish_training(store, training, "failed", answer["failed"])
    else:
        finish_training(store, training, "done", answer["message"])
    row = store.trainings.get(training)
    store.jobs.finish(job, row.state, row.message)


def _learn(context: WorkerContext, job: str) -> StepResult:
    """Train, and register the candidate in the store, where another machine finds it."""
    from core.training.finetune.run import register_candidate, train_revision

    store, training = context.store, training_of(job)
    is_cancelled, report = _is_cancelled(store, training), partial(store.jobs.progress, job)
    weights = train_revision(store, training, is_cancelled, device=context.device, on_progress=report)
    return {"candidate": register_candidate(store, training, weights).id}


def _compare(store: Store, job: str, answer: StepResult) -> StepResult:
    from core.training.finetune.run import compare_and_summarize
    from core.training.finetune.run_directory import CancelToken

    training, candidate = training_of(job), int(answer["candidate"])
    row, cancel_token = store.trainings.get(training), CancelToken(_is_cancelled(store, training))
    store.trainings.progress(training, row.steps, row.steps, "Comparing with the champion on the holdout.")
    message = compare_and_summarize(store, training, candidate, lambda *_: cancel_token.check())
    return answer | {"message": message}


def _is_cancelled(store: Store, training: int) -> Callable[[], bool]:
    """A function that says whether a training was cancelled; False while the database is busy."""

    def is_cancelled() -> bool:
        with suppress(StoreBusyError):
            return not store.trainings.get(training).is_going
        return False

    return is_cancelled
