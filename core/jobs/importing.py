"""An import as a workflow: photos are prepared in chunks by many workers, and brought in one after the other.

Decoding, hashing and encoding are most of an import's work and depend on each photo alone: a chunk of files
is a workflow of its own, for any worker that sees the files. What a photo comes to depends on those before it
(copies, near duplicates and with them the holdout, names of categories), so the import's own workflow brings
the prepared photos in by the order of the manifest, and the outcome is that of an import in one go, whoever
prepared what and when. A photo that is not prepared is read there and then.

All state is in the import's folder, beside an upload's files: chunks go to the workers that share the store's
folder, by a queue that is named after it, and so does an import that was recovered elsewhere. Chunks of a
smaller import come first.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos._error import DBOSWorkflowCancelledError

from core.jobs.client import import_of, start_labeling, start_ordering
from core.jobs.context import WorkerContext, cancellable
from core.jobs.import_steps import list_photos, next_photos, prepare_chunk
from core.jobs.labeling import is_over
from core.jobs.steps import JobCancelled, StepResult, run_step
from core.jobs.worker_lock import folder_token
from core.store import Store
from core.store.importing import STEP_PHOTOS, ImportCheckpoint, fail_import, finish_import

IN_FLIGHT = 32
"""Chunks of an import that are enqueued and not brought in: two for each of sixteen workers."""

log = logging.getLogger("lapel.worker")


def chunk_queue(store: Store) -> str:
    """The queue of chunks whose files lie where this machine's workers see them."""
    return f"import-chunk-{folder_token(store)}"


def folder_queue(store: Store) -> str:
    """The queue of imports whose files were listed where this machine's workers see them."""
    return f"import-in-{folder_token(store)}"


def import_workflow(context: WorkerContext) -> Callable[[str], None]:
    """The workflow of an import's job, registered with DBOS with that of its chunks."""
    store, steps = context.store, context.steps

    @DBOS.step(name="import.prepare")
    def list_files(job: str) -> StepResult:
        with cancellable():
            answer = list_photos(steps, job)
        return answer if "failed" in answer else answer | {"queue": folder_queue(store)}

    @DBOS.step(name="import.chunks")
    def name_chunks() -> StepResult:
        return {"round": uuid.uuid4().hex[:8], "queue": chunk_queue(store)}

    @DBOS.step(name="import.pictures")
    def prepare(job: str, chunk: int) -> StepResult:
        with context.preparing:  # another chunk is taken before one ends, so that no core waits for a poll
            return run_step(lambda: prepare_pictures(context, job, chunk), store)

    @DBOS.step(name="import.photos")
    def bring_in(job: str, mark: StepResult, most: int = STEP_PHOTOS) -> StepResult:
        with cancellable(), context.importing:
            answer = next_photos(steps, job, mark, most)
        if "failed" not in answer:
            store.jobs.progress(job, answer["done"], answer["total"])
        return answer

    @DBOS.step(name="import.finish")
    def end(job: str, answer: StepResult) -> None:
        steps.end(job)
        _end_import(store, job, answer)

    @DBOS.workflow(name="import.chunk", max_recovery_attempts=None)
    def prepare_one_chunk(job: str, chunk: int) -> StepResult:
        return prepare(job, chunk)

    @DBOS.workflow(name="import", max_recovery_attempts=None)
    def import_photos(job: str) -> None:
        answer = list_files(job)
        queue = answer.pop("queue", None)
        if queue not in (None, folder_queue(store)):  # recovered where its files are not
            context.misplaced[job] = queue  # the worker enqueues it there; here it ends without a result
            raise DBOSWorkflowCancelledError(f"{job} is left to a worker that sees its files")
        chunks = Chunks(job, answer, name_chunks, prepare_one_chunk) if answer.get("chunk") else None
        while "failed" not in answer and not ImportCheckpoint(**answer).ended:
            if chunks is None:
                answer = bring_in(job, answer)
                continue
            failed = chunks.wait_for(answer["done"])
            answer = failed or bring_in(job, answer, chunks.most(answer["done"]))
        end(job, answer)

    return import_photos


class Chunks:
    """The enqueued chunks of one import, in its workflow: all it does follows from the results of steps."""

    def __init__(
        self,
        job: str,
        mark: StepResult,
        name: Callable[[], StepResult],
        prepare: Callable[[str, int], StepResult],
    ) -> None:
        self._job, self._prepare, self._named = job, prepare, name()
        self._size, self._total = mark["chunk"], mark["total"]
        self._next = mark["done"] // self._size + 1  # the first is not waited for
        self._flying: dict[int, Any] = {}

    def wait_for(self, done: int) -> StepResult | None:
        """Have the next chunks prepared, and wait for the next file's; why the import fails, or None."""
        current = done // self._size
        while self._next * self._size < self._total and self._next <= current + IN_FLIGHT:
            self._flying[self._next] = self._enqueue(self._next, 0)
            self._next += 1
        attempt, handle = 0, self._flying.pop(current, None)
        while handle is not None:
            result: StepResult = handle.get_result(polling_interval_sec=0.2)
            if not result.get("cut"):
                return result if "failed" in result else None
            attempt += 1  # the job was cancelled meanwhile, and goes on now
            handle = self._enqueue(current, attempt)
        return None

    def most(self, done: int) -> int:
        """How many files are brought in at a time: none of a chunk that was not waited for."""
        return min(STEP_PHOTOS, self._size - done % self._size)

    def _enqueue(self, chunk: int, attempt: int) -> Any:
        name = f"{self._job}-{self._named['round']}-{chunk}" + (f"-{attempt}" if attempt else "")
        with SetWorkflowID(name), SetEnqueueOptions(priority=min(self._total, 2**31 - 1)):
            return DBOS.enqueue_workflow(self._named["queue"], self._prepare, self._job, chunk)


def prepare_pictures(context: WorkerContext, job: str, chunk: int) -> StepResult:
    """Prepare a chunk; "cut" where the job is cancelled before its end.

    Raises WorkerClosed where the worker stops: the chunk is another's then.
    """
    context.require_open()
    if is_over(context.store, job):
        return {"cut": True}
    began = time.monotonic()
    try:
        answer = prepare_chunk(context.steps, job, chunk)
    except JobCancelled:
        return {"cut": True}
    told = {"chunk": chunk, "photos": answer.get("prepared", 0), "seconds": time.monotonic() - began}
    log.info("Photos were prepared", extra={"job": job, **told})
    return answer


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
