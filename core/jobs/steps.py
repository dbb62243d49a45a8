"""The steps of jobs by name: functions of a store and JSON, which a worker does itself or has done elsewhere.

Where steps are done is behind :class:`Steps`; :mod:`core.jobs.step_process` has the kind that can be ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.errors import LapelError, StoreBusyError, StoreError
from core.jobs.client import import_of, training_of
from core.store import Store
from core.store.importing import (
    STEP_PHOTOS,
    ImportCheckpoint,
    import_batch,
    prepare_import,
    prepare_photos,
)

ORDERED_AT = "ordered_at"
"""The setting that keeps the newest annotation which the queue's order knows."""

_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)

StepResult = dict[str, Any]
"""The result of a step as JSON; under "failed", why the job ends here."""

log = logging.getLogger("lapel.worker")


class JobCancelled(Exception):
    """The job was cancelled while a step of it ran; the step counts as not done."""


class StepDied(Exception):
    """The process of a step ended before its result was there; the text says why, after a subject."""


class WorkerClosed(BaseException):
    """The worker ends during a step, which the next one repeats: no outcome of it may be recorded."""


@dataclass(frozen=True)
class StepLimits:
    """What one step may use, where it has a process of its own; None for no limit.

    ``cpu_seconds`` are of the processor, ``wall_seconds`` of the clock: these also end a step that only
    waits, and are more, so that a busy machine ends nothing.
    """

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_bytes: int | None = None


NO_LIMITS = StepLimits()


class Steps:
    """Does the steps of jobs in this process, where nothing but the step itself can end it early."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cancelled: set[str] = set()
        self._lock = threading.RLock()

    def run(
        self, job: str, name: str, limits: StepLimits = NO_LIMITS, *, lane: str = "", **arguments: Any
    ) -> StepResult:
        """The result of a job's step. Raises JobCancelled, and StepDied where it has a process.

        Raises WorkerClosed where the step is another worker's. Steps of a job that are done at the same time
        have a ``lane`` each.
        """
        return unless_migrated(self.store, perform(lambda: self.store, name, {"job": job, **arguments}))

    def cancel(self, job: str) -> None:
        """End the job's step as soon as that is possible, and let it begin no other."""
        with self._lock:
            self._cancelled.add(job)

    def allow(self, job: str) -> None:
        """Let a job run that may have been cancelled before."""
        with self._lock:
            self._cancelled.discard(job)

    def is_cancelled(self, job: str) -> bool:
        """Whether the job is to do nothing more."""
        return job in self._cancelled

    def end(self, job: str) -> None:
        """Release what the job's steps hold; a job that goes on takes it again."""

    def held(self) -> set[str]:
        """The jobs for whose steps something is held."""
        return set()

    def warm_up(self) -> None:
        """Have the next job begin sooner, where that takes preparation."""

    def close(self) -> None:
        """End all steps."""


def run_step(step: Callable[[], StepResult], store: Store | None = None) -> StepResult:
    """The result of a step; a busy database is retried, other errors become a sentence under "failed".

    Raises JobCancelled and MemoryError, which are no results, and WorkerClosed as ``unless_migrated`` does,
    where the ``store`` is given.
    """
    answer = _result_of(step)
    return answer if store is None else unless_migrated(store, answer)


def unless_migrated(store: Store, answer: StepResult) -> StepResult:
    """A step's result. Raises WorkerClosed where it failed and a newer Lapel has migrated the database.

    Its tables are others then than this code's: the step is a newer worker's, and this worker ends soon.
    """
    if "failed" in answer:
        try:
            store.database.require_known_schema()
        except StoreError as error:
            log.warning("%s A step is left to a newer worker.", error)
            raise WorkerClosed from error
    return answer


def _result_of(step: Callable[[], StepResult]) -> StepResult:
    for seconds in (*_RETRY_SECONDS, None):
        try:
            return step()
        except (JobCancelled, MemoryError):
            raise
        except StoreBusyError as error:
            if seconds is None:
                return {"failed": str(error)}
            time.sleep(seconds)
        except LapelError as error:
            return {"failed": str(error)}
        except Exception:
            log.exception("Background work failed")
            return {"failed": "Something went wrong that should not have; the worker's log says what."}
    raise AssertionError("unreachable")


def perform(store: Callable[[], Store], name: str, arguments: Mapping[str, Any]) -> StepResult:
    """Do a step here and now; ``name`` is one of STEPS, ``store`` opens the store or gives the open one."""
    return run_step(lambda: STEPS[name](store(), **arguments))


def prepare(store: Store, job: str, trusted: bool = False) -> StepResult:
    """List an import's files; its first checkpoint. ``trusted``: they may lie anywhere on this machine."""
    return prepare_import(store, import_of(job), trusted=trusted).as_dict()


def import_photos(store: Store, job: str, mark: StepResult, most: int = STEP_PHOTOS) -> StepResult:
    """Import the next photos after a checkpoint, at most so many; the next checkpoint."""
    return import_batch(store, import_of(job), ImportCheckpoint(**mark), most=most).as_dict()


def prepare_pictures(store: Store, job: str, chunk: int, first: int, most: int = STEP_PHOTOS) -> StepResult:
    """Prepare the next files of an import's chunk after its ``first``, at most so many."""
    prepared, ended = prepare_photos(store, import_of(job), chunk, first, most=most)
    return {"prepared": [entry.as_list() for entry in prepared], "ended": ended}


def order(store: Store, job: str) -> StepResult:
    """Order the queue; "predicted" is when the newest prediction was made that the order knows."""
    from core.active_learning.queue_order import reorder

    store.jobs.progress(job, 0, 1)
    saved, predicted = store.annotations.last_id(), store.predictions.last_at()
    reorder(store)
    store.settings.remember(ORDERED_AT, saved)
    store.jobs.progress(job, 1, 1)
    return {"predicted": predicted}


def train_candidate(store: Store, job: str, device: str) -> StepResult:
    """Train, and register the candidate in the store, where another machine finds it."""
    from core.training.finetune.run import register_candidate, train_revision

    training = training_of(job)
    cancelled, report = is_training_cancelled(store, training), partial(store.jobs.progress, job)
    weights = train_revision(store, training, cancelled, device=device, progress=report)
    return {"candidate": register_candidate(store, training, weights).id}


def compare(store: Store, job: str, candidate: int, device: str = "auto") -> StepResult:
    """Compare a training's candidate with the champion; the result in words under "message"."""
    from core.training.finetune.run import compare_and_summarize
    from core.training.finetune.run_directory import CancelToken

    training = training_of(job)
    row, token = store.trainings.get(training), CancelToken(is_training_cancelled(store, training))
    store.trainings.progress(training, row.steps, row.steps, "Comparing with the champion on the holdout.")
    message = compare_and_summarize(store, training, candidate, lambda *_: token.check(), device=device)
    return {"candidate": candidate, "message": message}


STEPS: Mapping[str, Callable[..., StepResult]] = {
    "import.prepare": prepare,
    "import.pictures": prepare_pictures,
    "import.photos": import_photos,
    "order": order,
    "train.learn": train_candidate,
    "train.compare": compare,
}
"""The steps that can be done in any process."""


def is_training_cancelled(store: Store, training: int) -> Callable[[], bool]:
    """A function that says whether a training was cancelled; False while the database is busy."""

    def is_cancelled() -> bool:
        with suppress(StoreBusyError):
            return not store.trainings.get(training).is_going
        return False

    return is_cancelled
