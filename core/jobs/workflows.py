"""The background work as DBOS's workflows: steps whose results are kept, so that a rerun skips them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dbos import DBOS

from core.errors import LapelError, PhotoError, StoreBusyError, StoreError, StoreFullError
from core.jobs.client import IMPORT, LABEL, ORDER, import_of, start_labelling, start_ordering
from core.store import Store
from core.store.importing import Mark, bring_in, finish, give_up, prepare

if TYPE_CHECKING:
    from core.inference.labeler import Labeler
    from core.inference.model_cache import ModelCache

LABEL_SECONDS = 2.0
ORDER_EVERY = 20
"""Saved annotations after which the queue is put in order anew."""

ORDERED_AT, ORDER_EVERY_SETTING = "ordered_at", "order_every"
ASKED_SETTING = "labelling_asked_for"
"""The serving models for whom labelling was last asked, by id."""

_MOST = 1024  # photos asked for at a time, once their number is known
_PATIENCE_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)

StepResult = dict[str, Any]
"""What a step says, as JSON; with "failed" the sentence why the job ends here."""

log = logging.getLogger("lapel.worker")


class WorkerContext:
    """What all work needs: the store, the models once they are asked for, and where trainings run.

    The models are the champions, also after a promotion, unless ``load`` gives others. ``device`` is auto,
    cpu, cuda or cuda:N.
    """

    def __init__(
        self, store: Store, load: Callable[[], Labeler] | None = None, *, device: str = "auto"
    ) -> None:
        self.store, self.device = store, device
        self._load = load
        self._labeler: Labeler | None = None

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

    @cached_property
    def _model_cache(self) -> ModelCache:
        from core.inference.model_cache import ModelCache  # brings torch

        return ModelCache(self.store)


def workflows(context: WorkerContext) -> Mapping[str, Callable[[str], None]]:
    """The workflows by kind of job, known to DBOS from now on; each takes the job."""
    store = context.store

    @DBOS.step(name="import.prepare")
    def look_through(job: str) -> StepResult:
        return run_step(lambda: prepare(store, import_of(job)).as_dict())

    @DBOS.step(name="import.photos")
    def take_photos(job: str, mark: StepResult) -> StepResult:
        answer = run_step(lambda: bring_in(store, import_of(job), Mark(**mark)).as_dict())
        if "failed" not in answer:
            store.jobs.progress(job, answer["done"], answer["total"])
        return answer

    @DBOS.step(name="import.finish")
    def end_import(job: str, answer: StepResult) -> None:
        _end_import(store, job, answer)

    @DBOS.workflow(name="import", max_recovery_attempts=None)
    def import_photos(job: str) -> None:
        answer = look_through(job)
        while "failed" not in answer and not Mark(**answer).ended:
            answer = take_photos(job, answer)
        end_import(job, answer)

    @DBOS.step(name="label.photos")
    def take_a_look(job: str, state: StepResult) -> StepResult:
        return run_step(lambda: label_photos(context, job, state))

    @DBOS.step(name="label.finish")
    def end_labelling(job: str, answer: StepResult) -> None:
        _end_labelling(context, job, answer)

    @DBOS.workflow(name="label", max_recovery_attempts=None)
    def label_photos(job: str) -> None:
        answer: StepResult = {"done": 0, "total": 0, "left": 1, "failures": []}
        while answer.get("left"):
            answer = take_a_look(job, answer)
        end_labelling(job, answer)

    @DBOS.step(name="order")
    def put_in_order(job: str) -> None:
        _end_ordering(store, job, run_step(lambda: _order(store, job)))

    @DBOS.workflow(name="order", max_recovery_attempts=None)
    def order_queue(job: str) -> None:
        put_in_order(job)

    return {IMPORT: import_photos, LABEL: label_photos, ORDER: order_queue}


def run_step(act: Callable[[], StepResult]) -> StepResult:
    """What an act says; a busy database is waited for, other trouble becomes a sentence."""
    for seconds in (*_PATIENCE_SECONDS, None):
        try:
            return act()
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


def label_photos(context: WorkerContext, job: str, state: StepResult) -> StepResult:
    """Label photos for a while, the oldest first; photos that cannot be opened are passed over."""
    from core.inference.predictions import model_pair, predict

    store, failures, done = context.store, list(state["failures"]), int(state["done"])
    store.jobs.progress(job, done, state["total"], "" if context.is_ready else "The models are being loaded.")
    labeler = context.labeler
    _note_asked(store)
    models, ends = model_pair(store, labeler), time.monotonic() + LABEL_SECONDS
    missing = store.predictions.missing(models, _MOST if done else 2**31 - 1)
    left = [id for id in missing if id not in failures]
    total = max(state["total"], done + len(left))
    for id in left:
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


def is_labelling_due(store: Store) -> bool:
    """Whether others serve than those for whom labelling was last asked: photos are theirs to see too."""
    from core.inference.predictions import serving_models

    models = serving_models(store)
    if models is None or models.as_list() == store.settings.get(ASKED_SETTING):
        return False
    return store.photos.count() > 0


def request_labelling(store: Store) -> None:
    """Have the models that serve look at all photos; cancelled, it is not asked for again until others do."""
    start_labelling(store)
    _note_asked(store)


def _note_asked(store: Store) -> None:
    from core.inference.predictions import serving_models

    models = serving_models(store)
    if models is not None and models.as_list() != store.settings.get(ASKED_SETTING):
        store.settings.remember(ASKED_SETTING, models.as_list())


def is_order_due(store: Store) -> bool:
    """Whether so many annotations were saved since the queue was put in order that it should be again."""
    every = int(store.settings.get(ORDER_EVERY_SETTING, ORDER_EVERY))
    return store.annotations.last_id() - int(store.settings.get(ORDERED_AT, 0)) >= every


def _end_import(store: Store, job: str, answer: StepResult) -> None:
    import_id = import_of(job)
    if "failed" in answer:
        give_up(store, import_id, answer["failed"])
        store.jobs.finish(job, "failed", answer["failed"])
        return
    finish(store, import_id, Mark(**answer))
    start_labelling(store)
    start_ordering(store)
    store.jobs.finish(job, "done")


def _end_labelling(context: WorkerContext, job: str, answer: StepResult) -> None:
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
        start_labelling(store)


def _order(store: Store, job: str) -> StepResult:
    from core.active_learning.queue_order import reorder

    store.jobs.progress(job, 0, 1)
    saved, predicted = store.annotations.last_id(), store.predictions.last_at()
    reorder(store)
    store.settings.remember(ORDERED_AT, saved)
    store.jobs.progress(job, 1, 1)
    return {"predicted": predicted}


def _end_ordering(store: Store, job: str, answer: StepResult) -> None:
    if "failed" in answer:
        store.jobs.finish(job, "failed", answer["failed"])
        return
    store.jobs.finish(job, "done")
    labelling = any(row.kind == LABEL for row in store.jobs.running())  # which asks for an order when it ends
    if not labelling and answer["predicted"] != store.predictions.last_at():
        start_ordering(store)
