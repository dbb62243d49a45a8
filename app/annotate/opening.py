"""Laying a photo on the desk: the next of the queue, one out of a link, or the one that was done before."""

from __future__ import annotations

from app.annotate.session import Desk, Opened
from app.annotate.wording import clock
from core.errors import ConflictError
from core.inference.predictions import prediction_of, proposals, threshold_of
from core.store import Store
from core.store.annotations import Annotation, Draft
from core.store.boxes import AnnotatedBox
from core.store.queue import Task


def open_next(store: Store, desk: Desk) -> None:
    """Lay the next photo of the queue on the desk, or nothing where there is none for this person."""
    desk.back_from, desk.skipped = None, None
    task = store.queue.next(desk.person)
    desk.lay(None if task is None else laid_out(store, desk.person, task.photo_id, task))
    desk.counts = store.queue.counts(desk.person)


def open_photo(store: Store, desk: Desk, photo_id: int) -> None:
    """Lay a certain photo on the desk, to be annotated or, where it was done, annotated again.

    Raises NotFoundError for no such photo. One that another person holds can only be looked at.
    """
    task, held_by = None, ""
    try:
        task = store.queue.take(photo_id, desk.person)
    except ConflictError as error:
        held_by = str(error)
    opened = laid_out(store, desk.person, photo_id, task, held_by)
    _let_go(store, desk, photo_id)
    desk.lay(opened)
    desk.counts = store.queue.counts(desk.person)


def open_previous(store: Store, desk: Desk) -> None:
    """Lay the photo on the desk that this person did or skipped last; once more, the one before that."""
    if desk.skipped is not None:
        skipped, desk.skipped = desk.skipped, None
        open_photo(store, desk, skipped)
        return
    task = store.queue.last_done(desk.person, desk.back_from)
    if task is None:
        desk.said = "There is nothing before this: you have done no other photo yet."
        return
    open_photo(store, desk, task.photo_id)
    desk.back_from = task.id


def laid_out(store: Store, person: str, photo_id: int, task: Task | None, held_by: str = "") -> Opened:
    """A photo with what there is to begin with: this person's draft, the last version, or proposals."""
    photo = store.photos.get(photo_id)
    latest = store.annotations.latest(photo_id)
    draft = store.drafts.load(photo_id, person)
    if draft is not None:
        notice = _unfinished(draft, latest)
        return Opened(photo, draft.base_version, draft.boxes, draft.sequence, person, task, notice, held_by)
    boxes = to_begin_with(store, photo_id, task)
    notice = "" if boxes or latest else _why_empty(store, photo_id)
    return Opened(photo, latest.version if latest else 0, boxes, 0, person, task, notice, held_by)


def to_begin_with(
    store: Store, photo_id: int, task: Task | None, *, blind: bool = False
) -> tuple[AnnotatedBox, ...]:
    """What there is before a person has done anything: the last version, else the models' proposals.

    A second look sees proposals only, and so does ``blind``.
    """
    prediction = prediction_of(store, photo_id)
    threshold = threshold_of(store, prediction.model) if prediction else 0.0
    return proposals(store, photo_id, threshold, blind=blind or (task is not None and task.kind == "second"))


def _unfinished(draft: Draft, latest: Annotation | None) -> str:
    """The notice over a draft that comes back."""
    notice = f"Your unfinished work of {clock(draft.at)} is here again."
    if latest is not None and latest.version > draft.base_version:
        notice += (
            f" {latest.author} has saved version {latest.version} since; you can compare when you submit."
        )
    return notice


def _why_empty(store: Store, photo_id: int) -> str:
    if store.predictions.get(photo_id) is None:
        return "The models have not seen this photo yet: draw the boxes yourself."
    return "The models found nothing here that they are sure enough of."


def _let_go(store: Store, desk: Desk, photo_id: int) -> None:
    """Give the photo at hand back, so that another can have it, unless there is work of this person on it."""
    left = desk.opened
    if left is not None and left.holds and left.photo.id != photo_id and not desk.saved_sequence:
        assert left.task is not None
        store.queue.release(left.task.id, desk.person)
