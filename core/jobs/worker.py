"""A worker: hands the jobs that were asked for to DBOS, sees to those of dead workers, and opens no port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from core.errors import LapelError
from core.jobs.client import TRAIN, start_ordering
from core.jobs.engine import KINDS, Engine
from core.jobs.training import end_job
from core.jobs.worker_lock import acquire_worker_lock, try_worker_lock, worker_number
from core.jobs.workflows import WorkerContext, is_labelling_due, is_order_due, request_labelling
from core.store import Store
from core.store.imports import Incoming
from core.store.jobs import JobRow

POLL_SECONDS = 1.0
LOOK_ROUND_SECONDS = 5.0
MOST_IMPORTS = 100_000

log = logging.getLogger("lapel.worker")


class Worker:
    """One worker on a store; ``poll`` is to be called again and again."""

    def __init__(self, context: WorkerContext, kinds: Collection[str] = KINDS) -> None:
        self.store: Store = context.store
        self.seat = acquire_worker_lock(self.store)
        self.engine = Engine(context, self.seat.name, kinds)
        self._cancelled: set[str] = set()

    def poll(self) -> None:
        """Start what waits, and stop what is to be stopped."""
        for job in self.store.jobs.running():
            self._cancelled.discard(job.id)
            if not self.engine.further(job):  # where it ended in the meantime, this says nothing
                self._give_up(job)
        for id in self.store.jobs.cancelled():
            if id not in self._cancelled:
                self.engine.cancel(id)
                self._cancelled.add(id)

    def _give_up(self, job: JobRow) -> None:
        """A job whose workflow ended without a word has failed."""
        sentence = "The work stopped; the worker's log says why."
        if job.kind == TRAIN:
            end_job(self.store, job.id, {"failed": sentence})
        self.store.jobs.finish(job.id, "failed", sentence)

    def maintain(self) -> None:
        """Go on with the jobs of workers that are gone; have photos labelled and ordered where it is due."""
        self.seat.check()
        for name in self.engine.busy() - {self.engine.name}:
            number = worker_number(name)
            empty = None if number is None else try_worker_lock(self.store, number)
            if empty is not None:
                self.engine.recover(name)
                empty.leave()
        if is_labelling_due(self.store):
            request_labelling(self.store)
        if is_order_due(self.store):
            start_ordering(self.store)

    def close(self) -> None:
        """Stop; what is under way goes on when a worker is started again."""
        self.engine.close()
        self.seat.leave()


def clean_up(store: Store) -> None:
    """Remove what nobody needs: pictures of no photo, old uploads, what trainings needed, unused copies."""
    from core.training.finetune.run_directory import remove_stale_runs

    wanted = {Path(row.folder) for row in store.imports.recent(MOST_IMPORTS) if row.folder is not None}
    steps: tuple[Callable[[], object], ...] = (
        store.photos.sweep,
        lambda: Incoming.of(store.folder).sweep(wanted),
        lambda: remove_stale_runs(store),
        store.models.drop_unused_copies,
    )
    for step in steps:
        try:
            step()
        except (LapelError, OSError) as error:
            log.warning("Something could not be tidied up: %s", error)


def work(
    context: WorkerContext,
    stop: threading.Event,
    ready: Callable[[Worker], None] = lambda worker: None,
    *,
    kinds: Collection[str] = KINDS,
) -> None:
    """Work until told to stop, tidying up meanwhile. Raises StoreError where the database is lost."""
    worker = Worker(context, kinds)
    try:
        ready(worker)
        threading.Thread(target=clean_up, args=(context.store,), name="clean_up", daemon=True).start()
        rounds = 0.0
        while not stop.is_set():
            worker.poll()
            if rounds <= 0:
                worker.maintain()
                rounds = LOOK_ROUND_SECONDS
            rounds -= POLL_SECONDS
            stop.wait(POLL_SECONDS)
    finally:
        worker.close()
