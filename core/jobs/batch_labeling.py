"""Bulk inference by all workers of a store: each shard is a workflow of its own that any worker takes.

What is done is at the run's address alone (:mod:`core.inference.batch_labeling`): a shard without a record
there is enqueued, and enqueued again where a cancelled job left it. Shards of a smaller run come first.
Photos of the store come before all: a shard waits between two photos while its worker has a chunk of those.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

from core.access import Right, needs
from core.addresses import Address
from core.errors import NotFoundError
from core.files import current_commit
from core.inference.batch_labeling import BatchPlan, BatchRun
from core.jobs.client import RUN
from core.jobs.context import WorkerContext, cancellable
from core.jobs.labeling import is_over
from core.jobs.steps import JobCancelled, StepResult, run_step
from core.store import Store
from core.store.models import KINDS
from core.store.predictions import ModelPair

SHARDS = "run-shard"
"""The queue of shards."""

log = logging.getLogger("lapel.worker")

IN_FLIGHT = 64
"""Shards that are enqueued and not done: two for each of 32 workers."""


@needs(Right.IMPORT)
def start_batch(
    store: Store, chosen: dict[str, Any], out: Address, threshold: float | None, by: str
) -> tuple[BatchRun, str]:
    """Begin a run by the store's champions, or go on with it; returns it with its job.

    ``chosen`` are the fields source, formats and shard_photos of its plan. A run that was begun goes on with
    its own models. Raises LapelError where another run was begun there, or its models are not the store's.
    """
    store.models.register_shipped()
    serving = {kind: store.models.champion(kind) for kind in KINDS}
    models: Mapping[str, Mapping[str, str]] = {
        kind: {"name": model.name, "digest": model.digest} for kind, model in serving.items()
    }
    least = serving["detector"].card.score_threshold
    try:
        begun = BatchRun.at(out).plan
        models, least = begun.models, begun.threshold
    except NotFoundError:
        pass
    least = least if threshold is None else threshold
    run = BatchRun.begin(BatchPlan(threshold=least, models=models, commit=current_commit(), **chosen), out)
    job = f"{RUN}-{run.plan.id}"
    store.settings.remember(job, {"out": run.out.url, "models": _ids(store, run.plan).as_list()})
    store.jobs.begin(job, RUN, by)
    store.jobs.retry(job)
    return run, job


def _ids(store: Store, plan: BatchPlan) -> ModelPair:
    """The store's models of a plan. Raises NotFoundError where it has others alone."""
    found = []
    for kind in KINDS:
        wanted = plan.models[kind]
        same = [row for row in store.models.all(kind) if row.digest == wanted["digest"]]
        named = [row for row in same if row.name == wanted["name"]] or same
        if not named:
            raise NotFoundError(f"The store has no {kind} {wanted['name']}, by which the run was begun.")
        found.append(named[0].id)
    return ModelPair(*found)


def batch_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of a run's job, registered with DBOS with that of its shards."""
    store = context.store

    @DBOS.step(name="run.list")
    def list_shards(job: str) -> StepResult:
        with cancellable():
            return run_step(lambda: pending_shards(context, job), store)

    @DBOS.step(name="run.label")
    def label(job: str, out: str, shard: int, models: list[int]) -> StepResult:
        with context.running:  # another shard is taken before one ends, so that no core waits for a poll
            return run_step(lambda: label_shard(context, job, out, shard, models), store)

    @DBOS.step(name="run.progress")
    def progress(job: str, done: int, total: int) -> None:
        store.jobs.progress(job, done, total)

    @DBOS.step(name="run.finish")
    def end(job: str, answer: StepResult) -> None:
        answer = answer if "failed" in answer else run_step(lambda: _finish(answer["out"]))
        failed = "failed" in answer
        store.jobs.finish(job, "failed" if failed else "done", answer["failed" if failed else "message"])

    @DBOS.workflow(name="run.shard", max_recovery_attempts=None)
    def label_one_shard(job: str, out: str, shard: int, models: list[int]) -> StepResult:
        return label(job, out, shard, models)

    @DBOS.workflow(name="run", max_recovery_attempts=None)
    def batch_labeling(job: str) -> None:
        while True:
            answer = list_shards(job)
            left, flying = list(answer.get("pending", ())), list[Any]()
            if not left:
                break
            done = answer["done"]
            while left or flying:
                while left and len(flying) < IN_FLIGHT:
                    shard = left.pop(0)
                    name, urgency = f"{job}-{answer['round']}-{shard}", min(answer["total"], 2**31 - 1)
                    with SetWorkflowID(name), SetEnqueueOptions(priority=urgency):
                        args = (job, answer["out"], shard, answer["models"])
                        flying.append(DBOS.enqueue_workflow(SHARDS, label_one_shard, *args))
                result = flying.pop(0).get_result(polling_interval_sec=0.2)
                if "failed" in result:
                    end(job, result)
                    return
                done += result["photos"]
                progress(job, done, answer["total"])
        end(job, answer)

    return batch_labeling


def pending_shards(context: WorkerContext, job: str) -> StepResult:
    """The shards of a job's run that are not done, and how many photos are."""
    if context.steps.is_cancelled(job):
        raise JobCancelled(job)
    wanted = context.store.settings.get(job)
    if not isinstance(wanted, dict):
        raise NotFoundError("There is no such run.")
    run = BatchRun.at(Address.of(wanted["out"]))
    records, total = run.records(), run.plan.photos
    done = sum(record["photos"] for record in records.values())
    context.store.jobs.progress(job, done, total)
    pending = [shard for shard in range(run.plan.shards) if shard not in records]
    return {**wanted, "pending": pending, "done": done, "total": total, "round": uuid.uuid4().hex[:8]}


def label_shard(context: WorkerContext, job: str, out: str, shard: int, models: list[int]) -> StepResult:
    """Label a shard, unless it is done; where the job is cancelled nothing of it is kept.

    Raises WorkerClosed where the worker stops: the shard is another's then.
    """
    run, nothing = BatchRun.at(Address.of(out)), {"photos": 0}

    def is_cancelled() -> bool:
        with context.labeling:  # photos of the store come first
            context.require_open()
            return context.steps.is_cancelled(job)

    context.require_open()
    if is_over(context.store, job):
        return nothing
    known = run.record(shard)
    if known is None:
        try:
            labeler = context.labeler_of(job, ModelPair(*models))
        except JobCancelled:
            return nothing
        known = run.label_shard(shard, labeler, is_cancelled=is_cancelled)
        if known is not None:
            told = {name: known[name] for name in ("shard", "photos", "failed", "seconds")}
            log.info("A shard was labeled", extra={"job": job, **told})
    return nothing if known is None else {"photos": known["photos"]}


def _finish(out: str) -> StepResult:
    failed = BatchRun.at(Address.of(out)).finish()["failed"]
    return {"message": f"{failed:,} photos could not be read." if failed else ""}
