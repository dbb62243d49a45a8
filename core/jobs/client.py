"""Requests for background jobs, which the next free worker does; what pages call."""

from __future__ import annotations

from core.access import Right, needs
from core.errors import NotFoundError, RecipeError
from core.models.registry import finetuning_refusal
from core.store import Store
from core.store.trainings import Anchors

IMPORT, LABEL, ORDER, TRAIN, RUN = "import", "label", "order", "train", "run"
LAPEL = "lapel"
"""The user in whose name jobs run that no user requested."""


@needs(Right.IMPORT)
def start_import(store: Store, import_id: int) -> str:
    """Request an import; returns the job, the same when repeated. Raises NotFoundError for no such import."""
    row, job = store.imports.get(import_id), f"{IMPORT}-{import_id}"
    store.jobs.begin(job, IMPORT, row.by)
    return job


@needs(Right.IMPORT)
def start_labeling(store: Store, by: str = LAPEL) -> str:
    """Request a labeling job for all photos without predictions; returns the running one if there is one."""
    return store.jobs.request(LABEL, by)


@needs(Right.ANNOTATE)
def start_ordering(store: Store, by: str = LAPEL) -> str:
    """Request the ordering of the queue; returns the waiting or running job if there is one."""
    return store.jobs.request(ORDER, by)


@needs(Right.TRAIN)
def start_training(store: Store, kind: str, mode: str, revision: int, *, anchors: Anchors = None) -> int:
    """Request a quick or full fine-tuning of the detector or classifier on a revision; returns the training.

    A waiting or running training of the kind is returned instead. ``anchors`` are as in
    :meth:`Trainings.begin`. Raises RecipeError for another kind or mode, for other anchors and for a champion
    that is not fine-tuned, NotFoundError for no such revision.
    """
    require_finetuned(store, kind)
    row = store.trainings.begin(kind, mode, revision, anchors=anchors)
    if row.job is not None:
        store.jobs.begin(row.job, TRAIN, row.by)
    return row.id


@needs(Right.TRAIN)
def require_finetuned(store: Store, kind: str) -> None:
    """Raise RecipeError, with what else can be done, where a kind's champion is not fine-tuned."""
    refusal = champions_refusal(store, kind)
    if refusal:
        raise RecipeError(refusal)


@needs(Right.TRAIN)
def champions_refusal(store: Store, kind: str) -> str | None:
    """Why a kind's champion is not fine-tuned, in a sentence; None where it is, or there is none yet."""
    serving = store.models.champion_ids().get(kind)
    return None if serving is None else finetuning_refusal(store.models.get(serving).card.model)


@needs(Right.TRAIN)
def cancel_training(store: Store, training: int) -> None:
    """Cancel a training within seconds; nothing of it is kept. Raises NotFoundError for no such training."""
    store.trainings.cancel(training)
    row = store.trainings.get(training)
    if row.job is not None:
        store.jobs.finish(row.job, "cancelled")


@needs(Right.IMPORT)
def cancel(store: Store, job: str) -> None:
    """Cancel a job within seconds; its finished steps stay. Raises NotFoundError for no such job."""
    kind = store.jobs.get(job).kind
    if kind == TRAIN:
        cancel_training(store, training_of(job))
    store.jobs.finish(job, "cancelled")
    if kind == IMPORT:
        store.imports.cancel(import_of(job))


@needs(Right.IMPORT)
def resume(store: Store, job: str) -> None:
    """Resume a cancelled or failed job where it stopped. Raises NotFoundError for no such job."""
    kind = store.jobs.get(job).kind
    if kind == IMPORT:
        store.imports.retry(import_of(job))
    if kind == TRAIN:
        store.trainings.retry(training_of(job))
    store.jobs.retry(job)


def import_of(job: str) -> int:
    """The import of a job. Raises NotFoundError for another kind of job."""
    return _number_of(job, IMPORT, "import")


def training_of(job: str) -> int:
    """The training of a job. Raises NotFoundError for another kind of job."""
    return _number_of(job, TRAIN, "training")


def _number_of(job: str, kind: str, noun: str) -> int:
    number = job.removeprefix(f"{kind}-")
    if not number.isdigit():
        raise NotFoundError(f"There is no such {noun}.")
    return int(number)
