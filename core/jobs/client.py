"""What pages call: work is asked for, and done by whichever worker comes next."""

from __future__ import annotations

from core.access import Right, needs
from core.errors import NotFoundError
from core.store import Store

IMPORT, LABEL, ORDER, TRAIN = "import", "label", "order", "train"
LAPEL = "lapel"
"""Who asks for work that nobody asked for."""


@needs(Right.IMPORT)
def start_import(store: Store, import_id: int) -> str:
    """Have an import done; gives the job, the same where asked again. Raises NotFoundError for no import."""
    row, job = store.imports.get(import_id), f"{IMPORT}-{import_id}"
    store.jobs.begin(job, IMPORT, row.by)
    return job


@needs(Right.IMPORT)
def start_labelling(store: Store, by: str = LAPEL) -> str:
    """Have the models look at all photos that they have not seen; while a job does so, it is that job."""
    return store.jobs.ask(LABEL, by)


@needs(Right.ANNOTATE)
def start_ordering(store: Store, by: str = LAPEL) -> str:
    """Have the queue put in order; while a job waits or does so, it is that job."""
    return store.jobs.ask(ORDER, by)


@needs(Right.TRAIN)
def start_training(store: Store, kind: str, mode: str, revision: int) -> int:
    """Have a detector or a classifier trained on a revision, quick or full; gives the training.

    While one of the kind waits or is trained, it is that one. Raises RecipeError for another kind or mode,
    NotFoundError for no such revision.
    """
    row = store.trainings.begin(kind, mode, revision)
    if row.job is not None:
        store.jobs.begin(row.job, TRAIN, row.by)
    return row.id


@needs(Right.TRAIN)
def cancel_training(store: Store, training: int) -> None:
    """Stop a training within seconds; nothing of it is kept. Raises NotFoundError for no such training."""
    store.trainings.cancel(training)
    row = store.trainings.get(training)
    if row.job is not None:
        store.jobs.finish(row.job, "cancelled")


@needs(Right.IMPORT)
def cancel(store: Store, job: str) -> None:
    """Stop a job after the step that it is at; what it has done stays. Raises NotFoundError for no job."""
    kind = store.jobs.get(job).kind
    if kind == TRAIN:
        cancel_training(store, training_of(job))
    store.jobs.finish(job, "cancelled")
    if kind == IMPORT:
        store.imports.cancel(import_of(job))


@needs(Right.IMPORT)
def resume(store: Store, job: str) -> None:
    """Have a cancelled or failed job go on where it stopped. Raises NotFoundError for no job."""
    kind = store.jobs.get(job).kind
    if kind == IMPORT:
        store.imports.again(import_of(job))
    if kind == TRAIN:
        store.trainings.again(training_of(job))
    store.jobs.again(job)


def import_of(job: str) -> int:
    """The import that a job does. Raises NotFoundError for another kind of job."""
    number = job.removeprefix(f"{IMPORT}-")
    if not number.isdigit():
        raise NotFoundError("There is no such import.")
    return int(number)


def training_of(job: str) -> int:
    """The training that a job does. Raises NotFoundError for another kind of job."""
    number = job.removeprefix(f"{TRAIN}-")
    if not number.isdigit():
        raise NotFoundError("There is no such training.")
    return int(number)
