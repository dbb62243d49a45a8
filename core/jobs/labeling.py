"""Labeling jobs of the store: photos in chunks, each a workflow of its own that any worker takes.

The workflow plans chunks that take some seconds each and keeps a few in the queue; DBOS hands them to the
workers, one at a time to each, and a killed worker's chunk to another. A chunk leaves out what is labeled
already, so that each photo has one prediction of a model pair, whatever is done twice. Small imports are
planned first, with a higher priority, whenever they come: who has ten photos does not wait for a million.

A chunk that fails says nothing about its photos, which are planned again: its worker has no models, no disk
or no way to the pictures. That worker rests before its next chunk, so that others take what there is; where
many chunks in a row fail, so does the job.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dbos import DBOS, SetEnqueueOptions

from core.errors import LapelError, NotFoundError, PhotoError, StoreBusyError, StoreError, StoreFullError
from core.jobs.client import start_labeling, start_ordering
from core.jobs.context import WorkerContext, cancellable
from core.jobs.steps import JobCancelled, StepResult, run_step
from core.store import Store
from core.store.predictions import NO_IMPORT, ModelPair

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

CHUNKS = "label-chunk"
"""The queue of chunks."""

CHUNK_SECONDS = 8.0
FIRST_CHUNK, LARGEST_CHUNK = 16, 1024
IN_FLIGHT = 32
"""Chunks that are planned and not done: two for each of sixteen workers."""

MOST_MISMATCHES = 20
"""Chunks in a row that were labeled by other models than those that are planned for."""

KNOWN_PHOTOS = 3
"""That a worker tries again to tell whether a photo or itself is at fault."""

COUNT_EVERY = 64
"""Plans between two counts of all that is left, which takes a second with a million photos."""

MOST_IMPORTS = 1000
"""That are planned from at a time, the smallest; the next are looked for once these are done."""

MOST_FAILED = 5
"""Chunks in a row that may fail before the job does."""

log = logging.getLogger("lapel.worker")

ASKED_SETTING = "labeling_requested_for"
"""The serving models for whom labeling was last asked, by id."""

BEGUN: dict[str, Any] = {
    "done": 0, "total": 0, "failures": [], "imports": [], "newest": 0, "since": 0, "flying": [],
    "size": FIRST_CHUNK, "plans": 0, "mismatches": 0, "failed_chunks": 0, "trouble": "",
}  # fmt: skip


def labeling_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of a labeling's job, registered with DBOS with that of its chunks."""
    store = context.store

    @DBOS.step(name="label.plan")
    def plan(job: str, state: StepResult) -> StepResult:
        with cancellable():
            return run_step(lambda: plan_chunks(context, job, state), store)

    @DBOS.step(name="label.photos")
    def label(job: str, ids: list[int], models: list[int]) -> StepResult:
        with context.labeling:  # another chunk is taken before one ends, so that no core waits for a poll
            context.rest()
            result = run_step(lambda: label_chunk(context, job, ids, models), store)
            context.note_failure("failed" in result)
            return result

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
    """The state with the next chunks under "chunks": the smallest import first, of each the oldest."""
    from core.inference.predictions import model_pair

    store, state = context.store, BEGUN | state
    if context.steps.is_cancelled(job):
        raise JobCancelled(job)
    loading = state["trouble"] if context.is_ready else "The models are being loaded."
    store.jobs.progress(job, state["done"], state["total"], loading)
    models = model_pair(store, context.labeler_for(job))
    remember_request(store)
    if state["mismatches"] >= MOST_MISMATCHES:
        return state | {"failed": "The workers serve other models than the champions; their logs say why."}
    if state["failed_chunks"] >= MOST_FAILED:
        return state | {"failed": state["trouble"]}
    _list_imports(store, models, state)
    room = max(0, IN_FLIGHT * state["size"] - len(state["flying"]))
    found = _next_photos(store, models, state, room)
    flying = [*state["flying"], *(id for id, _ in found)]
    state |= {"plans": state["plans"] + 1, "flying": flying, "models": models.as_list()}
    state["total"] = max(state["total"], state["done"] + len(flying))
    store.jobs.progress(job, state["done"], state["total"], state["trouble"])
    return state | {"chunks": _chunks(found, state["size"])}


def _list_imports(store: Store, models: ModelPair, state: StepResult) -> None:
    """Keep "imports": how many photos each had to label when it was first seen, and after which one they are.

    All are counted now and then, and once nothing is left: of chunks that failed or were cut short, or photos
    that came back. In between those are added that came since the "newest" photo.
    """
    newest, known = store.photos.last_id(), [list(entry) for entry in state["imports"]]
    is_counted = state["plans"] % COUNT_EVERY == 0
    if is_counted or not (known or state["flying"]):
        counts = store.predictions.missing_by_import(models)
        if is_counted:
            state["total"] = state["done"] + sum(counts.values())
        seen = {id: (size, after) for id, size, after in sorted(known, key=lambda entry: -entry[2])}
        found = []
        for id, count in counts.items():
            size, after = seen.get(id, (0, 0))
            found.append([id, max(size, count), after])
        state["imports"] = sorted(found, key=_by_size)[:MOST_IMPORTS]
    elif newest > state["newest"]:
        # Photos without an import are of people who wait: new ones do not queue behind those before.
        there = {entry[0]: entry for entry in known if entry[0] != NO_IMPORT or entry[2] >= state["since"]}
        for id, count in store.predictions.missing_by_import(models, after=state["newest"]).items():
            if id in there:
                there[id][1] += count
            else:
                known.append([id, count, state["newest"]])
        state["imports"] = known
    if not state["plans"]:
        state["since"] = newest
    state["newest"] = newest


def _by_size(entry: list[int]) -> tuple[int, int]:
    return entry[1], entry[0]


def _next_photos(store: Store, models: ModelPair, state: StepResult, room: int) -> list[tuple[int, int]]:
    """At most so many photos to plan, each with the size of its import; small imports first."""
    left_out, found = {*state["flying"], *state["failures"]}, list[tuple[int, int]]()
    left = list[list[int]]()
    for id, size, after in sorted(state["imports"], key=_by_size):
        wanted = room - len(found)
        if wanted <= 0:
            left.append([id, size, after])
            continue
        most = wanted + sum(photo > after for photo in left_out)
        some = store.predictions.missing(models, most, after=after, import_id=id)
        free = [photo for photo in some if photo not in left_out]
        taken = free[:wanted]
        found += [(photo, size) for photo in taken]
        left_out.update(taken)
        if len(some) == most or len(taken) < len(free):
            left.append([id, size, taken[-1]])
    state["imports"] = left
    return found


def _chunks(found: list[tuple[int, int]], size: int) -> list[dict[str, Any]]:
    """Chunks with DBOS's priority: the size of the first photo's import in powers of two.

    Coarse, so that of an import that grows the chunks that were planned first stay the first.
    """
    parts = [found[at : at + size] for at in range(0, len(found), size)]
    return [{"ids": [id for id, _ in part], "priority": 1 + part[0][1].bit_length()} for part in parts]


def label_chunk(context: WorkerContext, job: str, ids: list[int], models: list[int]) -> StepResult:
    """Label those of the photos that are not labeled yet; photos that cannot be opened are "failures".

    What is wrong with the worker, or with the place of all pictures, is raised instead. Where the job is
    cancelled it ends after the photo at hand: what is left is planned again if it goes on. Raises
    WorkerClosed there where the worker stops: the whole chunk is another's then.
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
        except (StoreBusyError, StoreFullError, MemoryError):
            raise
        except NotFoundError:  # deleted meanwhile, or all pictures are away
            store.blobs.require_there()
            failures.append(id)
        except (StoreError, PhotoError):  # its picture is damaged
            failures.append(id)
        except LapelError:
            raise
        except Exception:
            if not _is_well(store, labeler, mine):
                raise
            log.exception("A photo could not be labeled", extra={"job": job})
            failures.append(id)
    mismatch, seconds = mine.as_list() != models, time.monotonic() - began
    log.info("Photos were labeled", extra={"job": job, "photos": done, "seconds": round(seconds, 3)})
    return {"done": done, "seconds": seconds, "failures": failures, "mismatch": mismatch}


def _is_well(store: Store, labeler: Labeler, models: ModelPair) -> bool:
    """Whether a photo that these models have labeled can be labeled again, after what nobody foresaw."""
    from core.inference.predictions import predict

    for _, id in store.predictions.made_after(models, (0.0, 0), KNOWN_PHOTOS):
        with suppress(Exception):
            predict(store, labeler, id)
            return True
    return False


def after_chunk(state: StepResult, ids: list[int], result: StepResult) -> StepResult:
    """The state once a chunk's result is there; chunks are as large as its speed says."""
    state, gone = BEGUN | state, set(ids)
    state["flying"] = [id for id in state["flying"] if id not in gone]
    if "failed" in result:
        return state | {"failed_chunks": state["failed_chunks"] + 1, "trouble": result["failed"]}
    state |= {"failed_chunks": 0, "trouble": ""}
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
