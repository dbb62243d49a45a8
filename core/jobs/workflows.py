"""Background jobs as DBOS workflows: the results of steps are stored, so that a rerun skips them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from dbos import DBOS

from core.jobs.client import LABEL, ORDER, start_ordering
from core.jobs.context import WorkerContext, cancellable
from core.jobs.labeling import labeling_workflow
from core.jobs.steps import ORDERED_AT, StepDied, StepResult, Steps
from core.store import Store

ORDER_EVERY = 20
"""Saved annotations after which the queue is ordered anew."""

ORDER_EVERY_SETTING = "order_every"
log = logging.getLogger("lapel.worker")

DIED = "The work stopped; the worker's log says why."


def workflows(context: WorkerContext) -> Mapping[str, Callable[[str], None]]:
    """The workflows by kind of job, registered with DBOS; each takes the job's id."""
    store, steps = context.store, context.steps

    @DBOS.step(name="order")
    def reorder_queue(job: str) -> None:
        with cancellable():
            answer = run_or_fail(steps, job, "order")
        steps.end(job)
        _end_ordering(store, job, answer)

    @DBOS.workflow(name="order", max_recovery_attempts=None)
    def order_queue(job: str) -> None:
        reorder_queue(job)

    return {LABEL: labeling_workflow(context), ORDER: order_queue}


def run_or_fail(steps: Steps, job: str, name: str, **arguments: Any) -> StepResult:
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


def _end_ordering(store: Store, job: str, answer: StepResult) -> None:
    if "failed" in answer:
        store.jobs.finish(job, "failed", answer["failed"])
        return
    store.jobs.finish(job, "done")
    labeling = any(row.kind == LABEL for row in store.jobs.running())  # which asks for an order when it ends
    if not labeling and answer["predicted"] != store.predictions.last_at():
        start_ordering(store)
