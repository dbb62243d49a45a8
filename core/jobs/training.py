"""Training as a workflow: one long step that resumes from its own checkpoints, then a comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dbos import DBOS

from core.jobs.client import training_of
from core.jobs.context import WorkerContext, cancellable
from core.jobs.steps import JobCancelled, StepResult
from core.jobs.workflows import run_or_fail
from core.store import Store


def training_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of a training's job, registered with DBOS."""
    store, steps, one_at_once = context.store, context.steps, threading.Lock()

    @DBOS.step(name="train.learn")
    def learn(job: str) -> StepResult:
        with one_at_once, cancellable():  # a cancelled run of the same training may not have ended yet
            return _run_or_clear(context, job, "train.learn", device=context.device)

    @DBOS.step(name="train.compare")
    def compare(job: str, answer: StepResult) -> StepResult:
        with cancellable():
            candidate = int(answer["candidate"])
            return _run_or_clear(context, job, "train.compare", candidate=candidate, device=context.device)

    @DBOS.step(name="train.finish")
    def end_training(job: str, answer: StepResult) -> None:
        steps.end(job)
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
    from core.training.finetune.run_directory import finish_training  # not run, which brings Lightning

    training = training_of(job)
    if "failed" in answer:
        finish_training(store, training, "failed", answer["failed"])
    else:
        finish_training(store, training, "done", answer["message"])
    row = store.trainings.get(training)
    store.jobs.finish(job, row.state, row.message)


def _run_or_clear(context: WorkerContext, job: str, name: str, **arguments: Any) -> StepResult:
    """The result of a training's step. Raises JobCancelled, with nothing of the training left on the disk."""
    from core.training.finetune.run_directory import RunDirectory

    try:
        return run_or_fail(context.steps, job, name, **arguments)
    except JobCancelled:
        RunDirectory.of(context.store, training_of(job)).clear()
        raise
