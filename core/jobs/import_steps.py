"""An import's steps within limits of time and memory: a file that ends its process is refused by name."""

from __future__ import annotations

import os
from typing import Any

from core.errors import StoreError
from core.jobs.client import IMPORT, import_of
from core.jobs.step_process import steps_of
from core.jobs.steps import StepDied, StepLimits, StepResult, Steps, WorkerClosed, run_step
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.import_step import Prepared
from core.store.importing import (
    STEP_PHOTOS,
    ImportCheckpoint,
    ImportManifest,
    fail_import,
    finish_import,
    skip_photo,
)
from core.store.imports import ImportRow, UploadFolder

MINUTES_VARIABLE, GIB_VARIABLE = "LAPEL_IMPORT_MINUTES", "LAPEL_IMPORT_GIB"
MINUTES, GIB = 10.0, 4.0
PHOTO_MINUTES = 1.0
"""Of the processor, for a batch of photos that takes two seconds as a rule."""

PICTURES = "pictures"
"""The lane of steps that prepare photos: a chunk of an import is prepared while another is brought in."""

WAITING = 6
"""How many times longer a step may take by the clock, where the machine is busy or a disk is slow."""


def import_here(
    store: Store, import_id: int, progress: Progress = ignore_progress, steps: Steps | None = None
) -> ImportRow:
    """Import everything now, within the limits of a worker's imports, from anywhere on this machine.

    ``progress`` counts files after every step. Raises StoreError where a limit ends the import, or an error.
    """
    steps = steps or steps_of(store)
    job = f"{IMPORT}-{import_id}"
    try:
        mark = list_photos(steps, job, trusted=True)
        while "failed" not in mark and not ImportCheckpoint(**mark).ended:
            progress(mark["done"], mark["total"])
            mark = next_photos(steps, job, mark)
    except WorkerClosed:
        store.database.require_known_schema()  # which says why
        raise
    finally:
        steps.close()
    if "failed" in mark:
        fail_import(store, import_id, mark["failed"])
        raise StoreError(mark["failed"])
    progress(mark["done"], mark["total"])
    return finish_import(store, import_id, ImportCheckpoint(**mark))


def list_photos(steps: Steps, job: str, *, trusted: bool = False) -> StepResult:
    """List an import's files, the first step of it; ``trusted`` from anywhere. Raises JobCancelled."""
    try:
        return steps.run(job, "import.prepare", import_limits(), trusted=trusted)
    except StepDied as error:
        return {"failed": f"Reading the files of this import {error}, and was given up."}


def next_photos(steps: Steps, job: str, mark: StepResult, most: int = STEP_PHOTOS) -> StepResult:
    """Import the next photos after a checkpoint, at most so many; the next checkpoint. Raises JobCancelled.

    Where their process dies, they are imported one by one, up to the photo that it dies of again, which is
    refused.
    """
    limits = photo_limits()
    try:
        return steps.run(job, "import.photos", limits, mark=mark, most=most)
    except StepDied:
        pass
    imported_before = {"newest": mark["newest"]}  # by what died: its photos still count as this import's
    for _ in range(most):
        try:
            mark = steps.run(job, "import.photos", limits, mark=mark | imported_before, most=1)
        except StepDied as error:
            return _skip(steps, job, mark, _given_up(error))
        if "failed" in mark or ImportCheckpoint(**mark).ended:
            break
    return mark


def prepare_chunk(steps: Steps, job: str, chunk: int) -> StepResult:
    """Prepare all files of an import's chunk; nothing where that is done. Raises JobCancelled.

    Where their process dies, they are prepared one by one, up to the one that it dies of again: that is
    refused.
    """
    store, limits, prepared = steps.store, photo_limits(), list[list[Any]]()
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_of(job)))
    one_by_one, ended = 0, manifest.has_prepared(chunk)
    while not ended:
        first, most = len(prepared), 1 if one_by_one else STEP_PHOTOS
        arguments: dict[str, Any] = {"chunk": chunk, "first": first, "most": most}
        try:
            answer = steps.run(job, "import.pictures", limits, lane=PICTURES, **arguments)
        except StepDied as error:
            if not one_by_one:
                one_by_one = STEP_PHOTOS
                continue
            answer = {"prepared": [Prepared(error=_given_up(error)).as_list()], "ended": False}
            one_by_one = 1
        if "failed" in answer:
            return answer
        one_by_one = max(0, one_by_one - 1)
        prepared += answer["prepared"]
        ended = answer["ended"]
    if prepared:
        return run_step(lambda: _keep(manifest, chunk, prepared))
    return {"prepared": 0}


def _keep(manifest: ImportManifest, chunk: int, prepared: list[list[Any]]) -> StepResult:
    manifest.keep_prepared(chunk, prepared)
    return {"prepared": len(prepared)}


def _given_up(error: StepDied) -> str:
    return f"Reading the photo {error}, and was given up."


def import_limits() -> StepLimits:
    """What reading an import's files may use, from the environment. Raises StoreError for no such limit."""
    seconds = 60 * _positive(MINUTES_VARIABLE, MINUTES)
    return StepLimits(seconds, WAITING * seconds, _memory_bytes())


def photo_limits() -> StepLimits:
    """What importing a batch of photos may use. Raises StoreError as import_limits does."""
    seconds = 60 * min(PHOTO_MINUTES, _positive(MINUTES_VARIABLE, MINUTES))
    return StepLimits(seconds, WAITING * seconds, _memory_bytes())


def _skip(steps: Steps, job: str, mark: StepResult, reason: str) -> StepResult:
    return run_step(
        lambda: skip_photo(steps.store, import_of(job), ImportCheckpoint(**mark), reason).as_dict()
    )


def _memory_bytes() -> int:
    return round(_positive(GIB_VARIABLE, GIB) * 2**30)


def _positive(variable: str, default: float) -> float:
    said = os.environ.get(variable, "").strip()
    try:
        number = float(said or default)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise StoreError(f"expected a number above 0 in {variable}, got {said!r}")
    return number
