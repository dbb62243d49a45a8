"""A worker: hands the jobs that were asked for to DBOS, sees to those of dead workers, and opens no port."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.jobs.client import start_ordering
from core.jobs.engine import Engine
from core.jobs.seats import seat_number, take_seat, try_seat
from core.jobs.work import Workshop, is_order_due
from core.store import Store

POLL_SECONDS = 1.0
LOOK_ROUND_SECONDS = 5.0


class Worker:
    """One worker on a store; ``tend`` is to be called again and again."""

    def __init__(self, shop: Workshop) -> None:
        self.store: Store = shop.store
        self.seat = take_seat(self.store)
        self.engine = Engine(shop, self.seat.name)
        self._cancelled: set[str] = set()

    def tend(self) -> None:
        """Start what waits, and stop what is to be stopped."""
        for job in self.store.jobs.running():
            self._cancelled.discard(job.id)
            if not self.engine.further(job):  # where it ended in the meantime, this says nothing
                self.store.jobs.finish(job.id, "failed", "The work stopped; the worker's log says why.")
        for id in self.store.jobs.cancelled():
            if id not in self._cancelled:
                self.engine.cancel(id)
                self._cancelled.add(id)

    def look_round(self) -> None:
        """Go on with the jobs of workers that are gone, and ask for a new order where it is due."""
        self.seat.check()
        for name in self.engine.busy() - {self.engine.name}:
            number = seat_number(name)
            empty = None if number is None else try_seat(self.store, number)
            if empty is not None:
                self.engine.take_over(name)
                empty.leave()
        if is_order_due(self.store):
            start_ordering(self.store)

    def close(self) -> None:
        """Stop; what is under way goes on when a worker is started again."""
        self.engine.close()
        self.seat.leave()


def work(
    shop: Workshop, stop: threading.Event, ready: Callable[[Worker], None] = lambda worker: None
) -> None:
    """Work until told to stop. Raises StoreError where the database is lost."""
    worker = Worker(shop)
    try:
        ready(worker)
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
