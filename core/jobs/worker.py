"""The worker: polls the store's jobs, runs them on DBOS, recovers those of dead workers; opens no port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from core.errors import LapelError
from core.jobs.client import IMPORT, TRAIN, start_ordering
from core.jobs.context import WorkerContext
from core.jobs.engine import KINDS, JobEngine
from core.jobs.labeling import is_labeling_due, is_over, request_labeling
from core.jobs.training import end_job
from core.jobs.worker_lock import acquire_worker_lock, try_worker_lock, worker_number
from core.jobs.workflows import DIED, is_order_due
from core.store import Store
from core.store.imports import UploadFolder
from core.store.jobs import JobRow

POLL_SECONDS = 1.0
MAINTENANCE_SECONDS = 5.0
FORGET_EVERY = 720
"""Maintenances between two times that ended jobs are forgotten: an hour."""

STOP_SECONDS = 10.0
"""That a worker which stops waits for the photos at hand."""

MAX_IMPORTS = 100_000

ELSEWHERE = "This waits for a worker that sees its files."

log = logging.getLogger("lapel.worker")


class Worker:
    """One worker on a store; ``poll`` is called about once a second, ``maintain`` now and then."""

    def __init__(self, context: WorkerContext, kinds: Collection[str] = KINDS) -> None:
        self.context = context
        self.store: Store = context.store
        self.steps = context.steps
        self.lock = acquire_worker_lock(self.store)
        self.engine = JobEngine(context, self.lock.name, kinds)
        self._cancelled: set[str] = set()
        self._rests = 0
        """Maintenances until ended jobs are forgotten."""

    def poll(self) -> None:
        """Start waiting jobs and due deliveries, and cancel those that were cancelled."""
        going = self.store.jobs.running()
        for job in going:
            self._cancelled.discard(job.id)
            self.steps.allow(job.id)
            if not self.engine.ensure_running(job):  # has no effect where the job has ended by now
                self._fail(job)
        for id in self.store.jobs.cancelled():
            if id not in self._cancelled:
                self.engine.cancel(id)
                self.steps.cancel(id)  # after the engine: a step that is ended now is not taken for failed
                self._cancelled.add(id)
        for id in self.steps.held() - {job.id for job in going}:  # of a chunk whose job ended elsewhere
            if is_over(self.store, id):
                self.steps.end(id)
        for delivery in self.store.webhooks.due():
            self.engine.ensure_delivered(delivery)

    def _fail(self, job: JobRow) -> None:
        """Record a job as failed whose workflow ended without recording it."""
        self.steps.end(job.id)
        if job.kind == TRAIN:
            end_job(self.store, job.id, {"failed": DIED})
        self.store.jobs.finish(job.id, "failed", DIED)

    def maintain(self) -> None:
        """Recover the jobs of dead workers, hand over those that cannot be done here, request what is due."""
        self.lock.check()
        self.store.database.require_known_schema()
        for name in self.engine.busy_workers() - {self.engine.name}:
            number = worker_number(name)
            free = None if number is None else try_worker_lock(self.store, number)
            if free is not None:
                self.engine.recover(name)
                free.release()
        for id in list(self.context.misplaced):
            self._hand_over(id, self.context.misplaced.pop(id))
        self.store.queue.add_up_counts()
        if is_labeling_due(self.store):
            request_labeling(self.store)
        if is_order_due(self.store):
            start_ordering(self.store)
        self._rests -= 1
        if self._rests < 0 and not self.engine.forget():
            self._rests = FORGET_EVERY

    def _hand_over(self, id: str, queue: str) -> None:
        """Leave a job to the workers that can do it, which may not be there yet."""
        job = self.store.jobs.get(id)
        if job.is_going:
            self.store.jobs.progress(id, job.done, job.total, ELSEWHERE)
            self.engine.hand_over(id, queue)
            log.info("A job is left to a worker that sees its files", extra={"job": id})

    def close(self) -> None:
        """Stop after the photos at hand; other workers go on with the rest, or the next one that starts."""
        self.context.stop(STOP_SECONDS)
        self.steps.close()
        self.engine.close()
        self.lock.release()


def clean_up(store: Store) -> None:
    """Remove unreferenced pictures, old uploads, stale run directories, and unused copies of models."""
    from core.training.finetune.run_directory import remove_stale_runs

    wanted = {Path(row.folder) for row in store.imports.recent(MAX_IMPORTS) if row.folder is not None}
    importing = any(job.kind == IMPORT for job in store.jobs.running())
    steps: tuple[Callable[[], object], ...] = (
        *(() if importing else (store.photos.sweep,)),  # what is prepared has no row yet
        lambda: UploadFolder.of(store.folder).sweep(wanted),
        lambda: remove_stale_runs(store),
        store.webhooks.sweep,
        store.models.drop_unused_copies,
    )
    for step in steps:
        try:
            step()
        except (LapelError, OSError) as error:
            log.warning("Cleaning up failed: %s", error)


def work(
    context: WorkerContext,
    stop: threading.Event,
    ready: Callable[[Worker], None] = lambda worker: None,
    *,
    kinds: Collection[str] = KINDS,
) -> None:
    """Run a worker until ``stop`` is set.

    Raises StoreError where the database is lost, or a newer Lapel has migrated it: jobs are handed back then.
    """
    worker = Worker(context, kinds)
    try:
        ready(worker)
        context.steps.warm_up()
        threading.Thread(target=clean_up, args=(context.store,), name="clean-up", daemon=True).start()
        maintenance_in = 0.0
        while not stop.is_set():
            worker.poll()
            if maintenance_in <= 0:
                worker.maintain()
                maintenance_in = MAINTENANCE_SECONDS
            maintenance_in -= POLL_SECONDS
            stop.wait(POLL_SECONDS)
    finally:
        worker.close()
