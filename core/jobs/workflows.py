"""Background jobs as DBOS workflows: the results of steps are stored, so that a rerun skips them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from dbos import DBOS

from core.jobs.client import IMPORT, LABEL, ORDER, import_of, start_labeling, start_ordering
from core.jobs.context import WorkerContext, cancellable
from core.jobs.import_steps import list_photos, next_photos
from core.jobs.labeling import labeling_workflow
from core.jobs.steps import ORDERED_AT, StepDied, StepResult, Steps
from core.store import Store
from core.store.importing import ImportCheckpoint, fail_import, finish_import

ORDER_EVERY = 20
"""Saved annotations after which the queue is ordered anew."""

ORDER_EVERY_SETTING = "order_every"
log = logging.getLogger("lapel.worker")

DIED = "The work stopped; the worker's log says why."


def workflows(context: WorkerContext) -> Mapping[str, Callable[[str], None]]:
    """The workflows by kind of job, registered with DBOS; each takes the job's id."""
    store, steps = context.store, context.steps

    @DBOS.step(name="import.prepare")
    def prepare(job: str) -> StepResult:
        with cancellable():
            return list_photos(steps, job)

    @DBOS.step(name="import.photos")
    def import_photo_batch(job: str, mark: StepResult) -> StepResult:
        with cancellable():
            answer = next_photos(steps, job, mark)
        if "failed" not in answer:
            store.jobs.progress(job, answer["done"], answer["total"])
        return answer

    @DBOS.step(name="import.finish")
    def end_import(job: str, answer: StepResult) -> None:
        steps.end(job)
        _end_import(store, job, answer)

    @DBOS.workflow(name="import", max_recovery_attempts=None)
    def import_photos(job: str) -> None:
        answer = prepare(job)
        while "failed" not in answer and not ImportCheckpoint(**answer).ended:
            answer = import_photo_batch(job, answer)
        end_import(job, answer)

    @DBOS.step(name="order")
    def reorder_queue(job: str) -> None:
        with cancellable():
            answer = run_or_say(steps, job, "order")
        steps.end(job)
        _end_ordering(store, job, answer)

    @DBOS.workflow(name="order", max_recovery_attempts=None)
    def order_queue(job: str) -> None:
        reorder_queue(job)

    return {IMPORT: import_photos, LABEL: labeling_workflow(context), ORDER: order_queue}


def run_or_say(steps: Steps, job: str, name: str, **arguments: Any) -> StepResult:
    """The result of a step; where its process dies, that is why the job fails. Raises JobCancelled."""
    try:
        return steps.run(job, name, **arguments)
    except StepDied as error:
        log.error("%s: the step %s %s", job, name, error)
        return {"failed": DIED}


def is_order_due(store: Store) -> bool:
    """Whether enough annotations were saved since the queue was last ordered, or that was cancelled."""
    every = int(store.settings.get(ORDER_EVERY_SETTING, ORDER_EVERY))
    if store.annotations.last_id() - int(store.settings.get(ORDERED_AT, 0)) < every:
        return False
    latest = store.jobs.latest(ORDER)
    if latest is None or latest.state != "cancelled":
        return True
    return store.annotations.count_since(latest.updated_at) >= every


def _end_import(store: Store, job: str, answer: StepResult) -> None:
    import_id = import_of(job)
    if "failed" in answer:
        fail_import(store, import_id, answer["failed"])
        store.jobs.finish(job, "failed", answer["failed"])
        return
    finish_import(store, import_id, ImportCheckpoint(**answer))
    start_labeling(store)
    start_ordering(store)
    store.jobs.finish(job, "done")


def _end_ordering(store: Store, job: str, answer: StepResult) -> None:
    if "failed" in answer:
        store.jobs.finish(job, "failed", answer["failed"])
        return
    store.jobs.finish(job, "done")
    labeling = any(row.kind == LABEL for row in store.jobs.running())  # which asks for an order when it ends
    if not labeling and answer["predicted"] != store.predictions.last_at():
        start_ordering(store)
