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
from core.jobs.worker_lock import seat_number, take_seat, try_seat
from core.jobs.workflows import Workshop, is_labelling_due, is_order_due, label_anew
from core.store import Store
from core.store.imports import Incoming
from core.store.jobs import JobRow

POLL_SECONDS = 1.0
LOOK_ROUND_SECONDS = 5.0
MOST_IMPORTS = 100_000

log = logging.getLogger("lapel.worker")


class Worker:
    """One worker on a store; ``tend`` is to be called again and again."""

    def __init__(self, shop: Workshop, kinds: Collection[str] = KINDS) -> None:
        self.store: Store = shop.store
        self.seat = take_seat(self.store)
        self.engine = Engine(shop, self.seat.name, kinds)
        self._cancelled: set[str] = set()

    def tend(self) -> None:
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

    def look_round(self) -> None:
        """Go on with the jobs of workers that are gone; have photos labelled and ordered where it is due."""
        self.seat.check()
        for name in self.engine.busy() - {self.engine.name}:
            number = seat_number(name)
            empty = None if number is None else try_seat(self.store, number)
            if empty is not None:
                self.engine.take_over(name)
                empty.leave()
        if is_labelling_due(self.store):
            label_anew(self.store)
        if is_order_due(self.store):
            start_ordering(self.store)

    def close(self) -> None:
        """Stop; what is under way goes on when a worker is started again."""
        self.engine.close()
        self.seat.leave()


def tidy(store: Store) -> None:
    """Remove what nobody needs: pictures of no photo, old uploads, what trainings needed, unused copies."""
    from core.training.finetune.run_directory import sweep

    wanted = {Path(row.folder) for row in store.imports.recent(MOST_IMPORTS) if row.folder is not None}
    steps: tuple[Callable[[], object], ...] = (
        store.photos.sweep,
        lambda: Incoming.of(store.folder).sweep(wanted),
        lambda: sweep(store),
        store.models.drop_unused_copies,
    )
    for step in steps:
        try:
            step()
        except (LapelError, OSError) as error:
            log.warning("Something could not be tidied up: %s", error)


def work(
    shop: Workshop,
    stop: threading.Event,
    ready: Callable[[Worker], None] = lambda worker: None,
    *,
    kinds: Collection[str] = KINDS,
) -> None:
    """Work until told to stop, tidying up meanwhile. Raises StoreError where the database is lost."""
    worker = Worker(shop, kinds)
    try:
        ready(worker)
        threading.Thread(target=tidy, args=(shop.store,), name="tidy", daemon=True).start()
        rounds = 0.0
        while not stop.is_set():
            worker.tend()
            if rounds <= 0:
                worker.look_round()
                rounds = LOOK_ROUND_SECONDS
            rounds -= POLL_SECONDS
            stop.wait(POLL_SECONDS)
    finally:
        worker.close()
