"""Batch labeling as a workflow: photos in chunks, each a workflow of its own that any worker takes.

The workflow plans chunks that take some seconds each and keeps a few in the queue; DBOS hands them to the
workers, one at a time to each, and a killed worker's chunk to another. A chunk leaves out what is labeled
already, so that each photo has one prediction of a model pair, whatever is done twice. Photos that came after
the job began are planned first, with a higher priority: a person with ten photos does not wait for a million.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS, SetEnqueueOptions

from core.errors import PhotoError, StoreBusyError, StoreError, StoreFullError
from core.jobs.client import start_labeling, start_ordering
from core.jobs.context import WorkerContext, cancellable
from core.jobs.steps import JobCancelled, StepResult, run_step
from core.store import Store
from core.store.predictions import ModelPair

CHUNKS = "label-chunk"
"""The queue of chunks."""

CHUNK_SECONDS = 8.0
FIRST_CHUNK, LARGEST_CHUNK = 16, 1024
IN_FLIGHT = 32
"""Chunks that are planned and not done: two for each of sixteen workers."""

MOST_MISMATCHES = 20
"""Chunks in a row that were labeled by other models than those that are planned for."""

COUNT_EVERY = 64
"""Plans between two counts of all that is left, which takes a second with a million photos."""

COMING, WAITING = 1, 2
"""Priorities: of photos that came after the job began, and of those that were there."""

log = logging.getLogger("lapel.worker")

ASKED_SETTING = "labeling_requested_for"
"""The serving models for whom labeling was last asked, by id."""

BEGUN: dict[str, Any] = {
    "done": 0, "total": 0, "failures": [], "after": 0, "newest": -1, "flying": [], "size": FIRST_CHUNK,
    "plans": 0, "mismatches": 0,
}  # fmt: skip


def labeling_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of a labeling's job, registered with DBOS with that of its chunks."""

    @DBOS.step(name="label.plan")
    def plan(job: str, state: StepResult) -> StepResult:
        with cancellable():
            return run_step(lambda: plan_chunks(context, job, state))

    @DBOS.step(name="label.photos")
    def label(job: str, ids: list[int], models: list[int]) -> StepResult:
        with context.labeling:  # another chunk is taken before one ends, so that no core waits for a poll
            return run_step(lambda: label_chunk(context, job, ids, models))

    @DBOS.step(name="label.finish")
    def end(job: str, answer: StepResult) -> None:
        end_labeling(context, job, answer)

    @DBOS.workflow(name="label.chunk", max_recovery_attempts=None)
    def label_one_chunk(job: str, ids: list[int], models: list[int]) -> StepResult:
        return label(job, ids, models)

    @DBOS.workflow(name="label", max_recovery_attempts=None)
    def label_photos(job: str) -> None:
        state, flying = dict(BEGUN), []
        while True:
            answer = plan(job, state)
            if "failed" in answer:
                break
            for chunk in answer.pop("chunks"):
                with SetEnqueueOptions(priority=chunk["priority"]):
                    args = (job, chunk["ids"], answer["models"])
                    flying.append((DBOS.enqueue_workflow(CHUNKS, label_one_chunk, *args), chunk["ids"]))
            if not flying:
                break
            handle, ids = flying.pop(0)
            state = after_chunk(answer, ids, handle.get_result(polling_interval_sec=0.2))
        end(job, answer)

    return label_photos


def plan_chunks(context: WorkerContext, job: str, state: StepResult) -> StepResult:
    """The state with the next chunks under "chunks": of photos that came meanwhile, then the oldest first."""
    from core.inference.predictions import model_pair

    store, state = context.store, dict(state)
    if context.steps.is_cancelled(job):
        raise JobCancelled(job)
    loading = "" if context.is_ready else "The models are being loaded."
    store.jobs.progress(job, state["done"], state["total"], loading)
    models = model_pair(store, context.labeler_for(job))
    remember_request(store)
    if state["mismatches"] >= MOST_MISMATCHES:
        return state | {"failed": "The workers serve other models than the champions; their logs say why."}
    if state["newest"] < 0:
        state["newest"] = store.photos.last_id()
    left_out = {*state["flying"], *state["failures"]}
    room = max(0, IN_FLIGHT * state["size"] - len(state["flying"]))
    coming = store.predictions.missing(models, room, after=state["newest"]) if room else []
    if coming:
        state["newest"] = coming[-1]
    waiting = _waiting(store, models, state, room - len(coming), left_out | {*coming}) if room else []
    chunks = _chunks(coming, state["size"], COMING) + _chunks(waiting, state["size"], WAITING)
    if state["plans"] % COUNT_EVERY == 0:
        missing = store.predictions.missing_count(models)
        state["total"] = state["done"] + max(missing, len(coming) + len(waiting))
    flying = [*state["flying"], *coming, *waiting]
    state |= {"plans": state["plans"] + 1, "flying": flying, "models": models.as_list()}
    state["total"] = max(state["total"], state["done"] + len(flying))
    store.jobs.progress(job, state["done"], state["total"])
    return state | {"chunks": chunks}


def _waiting(store: Store, models: ModelPair, state: StepResult, room: int, left_out: set[int]) -> list[int]:
    """At most so many photos after the last one that was planned; at the end those that were left behind."""
    found = store.predictions.missing(models, room + len(left_out), after=state["after"])
    found = [id for id in found if id not in left_out][:room]
    if found:
        state["after"] = found[-1]
    elif state["after"] and not state["flying"]:  # chunks that were cut short, photos that came back
        state["after"] = 0
        return _waiting(store, models, state, room, left_out)
    return found


def _chunks(ids: list[int], size: int, priority: int) -> list[dict[str, Any]]:
    return [{"ids": ids[at : at + size], "priority": priority} for at in range(0, len(ids), size)]


def label_chunk(context: WorkerContext, job: str, ids: list[int], models: list[int]) -> StepResult:
    """Label those of the photos that are not labeled yet; photos that cannot be opened are "failures".

    Where the job is cancelled it ends after the photo at hand: what is left is planned again if it goes on.
    Raises WorkerClosed there where the worker stops: the whole chunk is another's then.
    """
    from core.inference.predictions import model_pair, predict

    context.require_open()
    store, began, done, failures = context.store, time.monotonic(), 0, []
    if is_over(store, job):
        return {"done": 0, "seconds": 0.0, "failures": [], "mismatch": False}
    try:
        labeler = context.labeler_for(job)
    except JobCancelled:
        return {"done": 0, "seconds": 0.0, "failures": [], "mismatch": False}
    mine = model_pair(store, labeler)
    began = time.monotonic()
    for id in store.predictions.missing_among(mine, ids):
        context.require_open()
        if context.steps.is_cancelled(job):
            break
        try:
            predict(store, labeler, id)
            done += 1
        except (StoreBusyError, StoreFullError):
            raise
        except (StoreError, PhotoError):  # gone meanwhile, or its picture is damaged
            failures.append(id)
    mismatch, seconds = mine.as_list() != models, time.monotonic() - began
    log.info("Photos were labeled", extra={"job": job, "photos": done, "seconds": round(seconds, 3)})
    return {"done": done, "seconds": seconds, "failures": failures, "mismatch": mismatch}


def after_chunk(state: StepResult, ids: list[int], result: StepResult) -> StepResult:
    """The state once a chunk's result is there; chunks are as large as its speed says."""
    state, gone = dict(state), set(ids)
    state["flying"] = [id for id in state["flying"] if id not in gone]
    if "failed" in result:
        return state | {"failures": [*state["failures"], *ids]}
    state["done"] += result["done"]
    state["failures"] = [*state["failures"], *result["failures"]]
    state["mismatches"] = state["mismatches"] + 1 if result["mismatch"] else 0
    if result["done"] and result["seconds"] > 0:
        wanted = result["done"] / result["seconds"] * CHUNK_SECONDS
        state["size"] = int(min(max(wanted, 1), LARGEST_CHUNK))
    return state


def is_over(store: Store, job: str) -> bool:
    """Whether a chunk's job has ended, so that nothing more is to be done for it."""
    return store.jobs.get(job).state in ("cancelled", "failed", "done")


def is_labeling_due(store: Store) -> bool:
    """Whether other models serve than those for which labeling was last requested."""
    from core.inference.predictions import serving_models

    models = serving_models(store)
    if models is None or models.as_list() == store.settings.get(ASKED_SETTING):
        return False
    return store.photos.count() > 0


def request_labeling(store: Store) -> None:
    """Request labeling by the serving models, once for them: cancelled, it is not requested again."""
    start_labeling(store)
    remember_request(store)


def remember_request(store: Store) -> None:
    """Note for which models labeling was requested."""
    from core.inference.predictions import serving_models

    models = serving_models(store)
    if models is not None and models.as_list() != store.settings.get(ASKED_SETTING):
        store.settings.remember(ASKED_SETTING, models.as_list())


def end_labeling(context: WorkerContext, job: str, answer: StepResult) -> None:
    """Record how a labeling ended; the queue is ordered by what it found, and what came late is labeled."""
    from core.inference.predictions import model_pair, set_queue_models

    store = context.store
    if "failed" in answer:
        store.jobs.finish(job, "failed", answer["failed"])
        return
    failures = len(answer["failures"])
    models = model_pair(store, context.labeler)
    set_queue_models(store, models)
    store.jobs.finish(job, "done", f"{failures} photos could not be opened." if failures else "")
    start_ordering(store)
    missing = store.predictions.missing(models, failures + 1)
    if set(missing) - set(answer["failures"]):  # photos that came while this job was ending
        start_labeling(store)
