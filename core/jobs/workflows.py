"""Background jobs as DBOS workflows: the results of steps are stored, so that a rerun skips them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dbos import DBOS
from dbos._error import DBOSWorkflowCancelledError

from core.errors import PhotoError, StoreBusyError, StoreError, StoreFullError
from core.jobs.client import IMPORT, LABEL, ORDER, import_of, start_labeling, start_ordering
from core.jobs.import_steps import list_photos, next_photos
from core.jobs.steps import ORDERED_AT, JobCancelled, StepDied, StepResult, Steps, run_step
from core.store import Store
from core.store.importing import ImportCheckpoint, fail_import, finish_import

if TYPE_CHECKING:
    from core.inference.labeler import Labeler
    from core.inference.model_cache import ModelCache

LABEL_SECONDS = 2.0
ORDER_EVERY = 20
"""Saved annotations after which the queue is ordered anew."""

ORDER_EVERY_SETTING = "order_every"
ASKED_SETTING = "labeling_requested_for"
"""The serving models for whom labeling was last asked, by id."""

log = logging.getLogger("lapel.worker")

DIED = "The work stopped; the worker's log says why."
CHECK_SECONDS = 0.1
"""How often a step that waits for the models asks whether its job was cancelled."""

_PAGE = 1024  # photos listed at a time, once their number is known


class WorkerContext:
    """What jobs need: the store, the models, loaded on first use, and the device of trainings.

    The models are the champions, also after a promotion, unless ``load`` returns others. ``device`` is auto,
    cpu, cuda or cuda:N. ``steps`` says in which process all steps but labeling are done, by default this one.
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
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="lapel-models")

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
        loading = self._loader.submit(lambda: self.labeler)
        while not wait([loading], CHECK_SECONDS).done:
            if self.steps.is_cancelled(job):
                raise JobCancelled(job)
        return loading.result()

    @cached_property
    def _model_cache(self) -> ModelCache:
        from core.inference.model_cache import ModelCache  # brings torch

        return ModelCache(self.store)


def workflows(context: WorkerContext) -> Mapping[str, Callable[[str], None]]:
    """The workflows by kind of job, registered with DBOS; each takes the job's id."""
    store, steps = context.store, context.steps

    @DBOS.step(name="import.prepare")
    def prepare(job: str) -> StepResult:
        with cancellable():
            return list_photos(steps, job)

    @DBOS.step(name="import.photos")
    def import_photo_batch(job: str, mark: StepResult) -> StepResult:
        with cancellable():
            answer = next_photos(steps, job, mark)
        if "failed" not in answer:
            store.jobs.progress(job, answer["done"], answer["total"])
        return answer

    @DBOS.step(name="import.finish")
    def end_import(job: str, answer: StepResult) -> None:
        steps.end(job)
        _end_import(store, job, answer)

    @DBOS.workflow(name="import", max_recovery_attempts=None)
    def import_photos(job: str) -> None:
        answer = prepare(job)
        while "failed" not in answer and not ImportCheckpoint(**answer).ended:
            answer = import_photo_batch(job, answer)
        end_import(job, answer)

    @DBOS.step(name="label.photos")
    def label_batch(job: str, state: StepResult) -> StepResult:
        with cancellable():
            return run_step(lambda: label_next_photos(context, job, state))

    @DBOS.step(name="label.finish")
    def end_labeling(job: str, answer: StepResult) -> None:
        _end_labeling(context, job, answer)

    @DBOS.workflow(name="label", max_recovery_attempts=None)
    def label_photos(job: str) -> None:
        answer: StepResult = {"done": 0, "total": 0, "left": 1, "failures": []}
        while answer.get("left"):
            answer = label_batch(job, answer)
        end_labeling(job, answer)

    @DBOS.step(name="order")
    def reorder_queue(job: str) -> None:
        with cancellable():
            answer = run_or_say(steps, job, "order")
        steps.end(job)
        _end_ordering(store, job, answer)

    @DBOS.workflow(name="order", max_recovery_attempts=None)
    def order_queue(job: str) -> None:
        reorder_queue(job)

    return {IMPORT: import_photos, LABEL: label_photos, ORDER: order_queue}


@contextmanager
def cancellable() -> Iterator[None]:
    """Within a step: where its job is cancelled, DBOS records nothing of it, and does it again if resumed."""
    try:
        yield
    except JobCancelled as error:
        raise DBOSWorkflowCancelledError(f"{error} was cancelled") from error


def run_or_say(steps: Steps, job: str, name: str, **arguments: Any) -> StepResult:
    """The result of a step; where its process dies, that is why the job fails. Raises JobCancelled."""
    try:
        return steps.run(job, name, **arguments)
    except StepDied as error:
        log.error("%s: the step %s %s", job, name, error)
        return {"failed": DIED}


def label_next_photos(context: WorkerContext, job: str, state: StepResult) -> StepResult:
    """Label photos for two seconds, the oldest first; photos that cannot be opened are skipped."""
    from core.inference.predictions import model_pair, predict

    store, failures, done = context.store, list(state["failures"]), int(state["done"])
    store.jobs.progress(job, done, state["total"], "" if context.is_ready else "The models are being loaded.")
    labeler = context.labeler_for(job)
    _remember_request(store)
    models, ends = model_pair(store, labeler), time.monotonic() + LABEL_SECONDS
    missing = store.predictions.missing(models, _PAGE if done else 2**31 - 1)
    left = [id for id in missing if id not in failures]
    total = max(state["total"], done + len(left))
    for id in left:
        if context.steps.is_cancelled(job):
            raise JobCancelled(job)
        try:
            predict(store, labeler, id)
            done += 1
        except (StoreBusyError, StoreFullError):
            raise
        except (StoreError, PhotoError):  # gone meanwhile, or its picture is damaged
            failures.append(id)
        if time.monotonic() > ends:
            break
    store.jobs.progress(job, done, total)
    return {"done": done, "total": total, "left": len(left), "failures": failures}


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
    _remember_request(store)


def _remember_request(store: Store) -> None:
    from core.inference.predictions import serving_models

    models = serving_models(store)
    if models is not None and models.as_list() != store.settings.get(ASKED_SETTING):
        store.settings.remember(ASKED_SETTING, models.as_list())


def is_order_due(store: Store) -> bool:
    """Whether enough annotations were saved since the queue was last ordered, or that was cancelled."""
    every = int(store.settings.get(ORDER_EVERY_SETTING, ORDER_EVERY))
    if store.annotations.last_id() - int(store.settings.get(ORDERED_AT, 0)) < every:
        return False
    latest = store.jobs.latest(ORDER)
    if latest is None or latest.state != "cancelled":
        return True
    return store.annotations.count_since(latest.updated_at) >= every


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


def _end_labeling(context: WorkerContext, job: str, answer: StepResult) -> None:
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


def _end_ordering(store: Store, job: str, answer: StepResult) -> None:
    if "failed" in answer:
        store.jobs.finish(job, "failed", answer["failed"])
        return
    store.jobs.finish(job, "done")
    labeling = any(row.kind == LABEL for row in store.jobs.running())  # which asks for an order when it ends
    if not labeling and answer["predicted"] != store.predictions.last_at():
        start_ordering(store)
