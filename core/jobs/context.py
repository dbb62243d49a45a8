"""What a worker's jobs share: the store, the models, the device, and how a cancelled job ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from dbos._error import DBOSWorkflowCancelledError

from core.jobs.steps import JobCancelled, Steps, WorkerClosed
from core.store import Store
from core.store.predictions import ModelPair

if TYPE_CHECKING:
    from core.inference.labeler import Labeler
    from core.inference.model_cache import ModelCache

REST_SECONDS, LONGEST_REST = 5.0, 40.0
"""Before a worker's next chunk once one has failed on it, doubled with each."""

CHECK_SECONDS = 0.1
"""How often a step that waits for the models asks whether its job was cancelled."""


class WorkerContext:
    """What jobs need: the store, the models, loaded on first use, and the device.

    The models are the champions, also after a promotion, unless ``load`` returns others. ``device``, of
    labeling and trainings, is auto, cpu, cuda or cuda:N. ``steps`` says in which process all steps but
    labeling are done, by default this one.
    """

    def __init__(
        self,
        store: Store,
        load: Callable[[], Labeler] | None = None,
        *,
        device: str = "auto",
        steps: Steps | None = None,
    ) -> None:
        self.store, self.device = store, device
        self.steps = steps or Steps(store)
        self._load = load
        self._labeler: Labeler | None = None
        self._other: tuple[ModelPair, Labeler] | None = None
        self.labeling = threading.Lock()
        """Held while photos of the store are labeled: runs wait for them."""
        self.running = threading.Lock()
        """Held while a shard of a run is labeled."""
        self.importing = threading.Lock()
        """Held for each step that brings photos in: imports take turns."""
        self.preparing = threading.Lock()
        """Held while a chunk of an import is prepared."""
        self.misplaced: dict[str, str] = {}
        """Jobs that this worker took and cannot do, by their ids: the queue of those that can."""
        self._stopping = threading.Event()
        self._rested_at, self._rest = 0.0, 0.0
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="lapel-models")

    def stop(self, seconds: float) -> None:
        """Have labeling end after the photos at hand, and wait for that, at most so long."""
        self._stopping.set()
        until = time.monotonic() + seconds
        for lock in (self.labeling, self.running):
            if lock.acquire(timeout=max(0.0, until - time.monotonic())):
                lock.release()

    def rest(self) -> None:
        """Leave chunks to other workers for a while after one that failed here; no longer once it stops."""
        self._stopping.wait(self.rest_left)

    @property
    def rest_left(self) -> float:
        """The seconds for which it still rests."""
        return max(0.0, self._rested_at - time.monotonic())

    def note_failure(self, failed: bool) -> None:
        """Note whether the last chunk failed."""
        self._rest = min(max(REST_SECONDS, 2 * self._rest), LONGEST_REST) if failed else 0.0
        self._rested_at = time.monotonic() + self._rest

    def require_open(self) -> None:
        """Raises WorkerClosed once the worker stops: what is left is another worker's."""
        if self._stopping.is_set():
            raise WorkerClosed

    @property
    def is_ready(self) -> bool:
        """Whether models are loaded."""
        return self._labeler is not None

    @property
    def labeler(self) -> Labeler:
        """The models that serve now, loaded at the first call."""
        if self._load is None:
            self._labeler = self._model_cache.current().labeler
        elif self._labeler is None:
            self._labeler = self._load()
        return self._labeler

    def labeler_for(self, job: str) -> Labeler:
        """The models, for a job. Raises JobCancelled at once: loading goes on, for the next job."""
        return self._loaded(job, lambda: self.labeler)

    def labeler_of(self, job: str, models: ModelPair) -> Labeler:
        """These models of the store, for a job, whoever serves; one pair beside the champions is kept."""
        from core.inference.predictions import model_pair

        def load() -> Labeler:
            if model_pair(self.store, self.labeler) == models:
                return self.labeler
            if self._other is None or self._other[0] != models:
                from core.inference.model_cache import load_pair  # brings torch

                self._other = models, load_pair(self.store, models, self.device)
            return self._other[1]

        return self._loaded(job, load)

    def _loaded(self, job: str, load: Callable[[], Labeler]) -> Labeler:
        loading = self._loader.submit(load)
        while not wait([loading], CHECK_SECONDS).done:
            self.require_open()
            if self.steps.is_cancelled(job):
                raise JobCancelled(job)
        return loading.result()

    @cached_property
    def _model_cache(self) -> ModelCache:
        from core.inference.model_cache import ModelCache  # brings torch

        return ModelCache(self.store, self.device)


@contextmanager
def cancellable() -> Iterator[None]:
    """Within a step: where its job is cancelled, DBOS records nothing of it, and does it again if resumed."""
    try:
        yield
    except JobCancelled as error:
        raise DBOSWorkflowCancelledError(f"{error} was cancelled") from error
