"""The queue's tasks and photos' annotations: ``/queue``, ``/tasks``, ``/photos/{id}/annotations``."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from app.api.bearer import ActingStore
from app.api.forms import AnnotationIn, annotation_out, boxes_of, timed
from core.errors import ConflictError
from core.store import Store
from core.store.tasks import Task
from core.store.versions import Annotation

router = APIRouter(tags=["annotating"])


@router.get("/queue")
def queue(store: ActingStore) -> dict[str, Any]:
    """How far the work is."""
    return asdict(store.queue.counts(store.actor.name))


@router.post("/tasks/next")
def next_task(store: ActingStore) -> dict[str, Any] | None:
    """The next task, leased for 15 minutes; null where nothing is left to do."""
    task = store.queue.next(store.actor.name)
    return None if task is None else _task(task)


@router.get("/tasks/{id}")
def task(store: ActingStore, id: int) -> dict[str, Any]:
    """A task, with why it is where it is in the queue."""
    return _task(store.queue.get(id))


@router.post("/tasks/{id}/annotation", status_code=201)
def submit_task(store: ActingStore, id: int, body: AnnotationIn) -> dict[str, Any]:
    """Submit a task's boxes: a new version of its photo's annotation."""
    found = store.queue.get(id)
    if found.state != "open" and body.request is None:
        raise ConflictError(f"Task {id} is {found.state} already.")
    return _submit(store, found.photo_id, body, "second" if found.kind == "second" else "submitted")


@router.post("/tasks/{id}/skip", status_code=204)
def skip_task(store: ActingStore, id: int) -> None:
    """Give a task back, and not get it again."""
    store.queue.skip(id, store.actor.name)


@router.post("/tasks/{id}/release", status_code=204)
def release_task(store: ActingStore, id: int) -> None:
    """Give a task back."""
    store.queue.release(id, store.actor.name)


@router.get("/photos/{id}/annotations")
def annotation_versions(store: ActingStore, id: int) -> list[dict[str, Any]]:
    """All versions of a photo's annotation, the oldest first."""
    store.photos.get(id, deleted_ok=True)
    return [annotation_out(store, version) for version in store.annotations.history(id)]


@router.post("/photos/{id}/annotations", status_code=201)
def annotate_photo(store: ActingStore, id: int, body: AnnotationIn) -> dict[str, Any]:
    """Save a photo's next version. 409 with the newest one where that is not `base_version`."""
    return _submit(store, id, body, "submitted")


def _submit(store: Store, photo_id: int, body: AnnotationIn, kind: str) -> dict[str, Any]:
    before: Annotation | None = store.annotations.latest(photo_id) if kind == "submitted" else None
    boxes = boxes_of(store, body.boxes, before)
    saved = store.annotations.submit(
        photo_id,
        boxes,
        author=store.actor.name,
        base_version=body.base_version,
        request=body.request or uuid.uuid4().hex,
        kind=kind,
        seconds=body.seconds,
        note=body.note,
    )
    return annotation_out(store, saved)


def _task(task: Task) -> dict[str, Any]:
    return timed({"photo" if name == "photo_id" else name: value for name, value in asdict(task).items()})
