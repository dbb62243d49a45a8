"""An annotator's session: the open photo and its state; opening the next, a linked, the previous photo."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import streamlit as st

from app.editor import EditorAction, Tightened
from app.text import clock
from core.errors import ConflictError
from core.inference.predictions import (
    category_ids,
    is_unaided,
    prediction_of,
    proposals,
    proposed_boxes,
)
from core.store import Store
from core.store.annotations import Annotation, Draft
from core.store.boxes import AnnotatedBox
from core.store.photos import PhotoRow
from core.store.queue import QueueCounts, Task

KEY = "annotate-session"
MOST_CANDIDATES = 40
UNAIDED = "A holdout photo, annotated without the models' proposals: draw the boxes yourself."


@dataclass(frozen=True)
class OpenPhoto:
    """A photo in the editor, as it was opened.

    ``base_version`` is the version that the person has seen, 0 where there was none; ``boxes`` are the
    draft's, else the version's, else the models' proposals; ``sequence`` is the draft's. ``task`` is None
    where somebody else has the photo's lease, as ``locked_reason`` says. ``notice`` is shown in the editor.
    ``predicted_boxes`` are all that the models see, also below the threshold of proposals; an unaided photo
    shows none.
    """

    photo: PhotoRow
    base_version: int
    boxes: tuple[AnnotatedBox, ...]
    sequence: int
    person: str
    task: Task | None = None
    notice: str = ""
    locked_reason: str = ""
    predicted_boxes: tuple[AnnotatedBox, ...] = ()
    is_unaided: bool = False

    @property
    def key(self) -> str:
        """The editor's key for this task: the same after a reload, different for every other task.

        The browser stores unsent drafts under it: it names photo, base version, content digest and user.
        """
        person = hashlib.sha256(self.person.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{self.photo.id}.{self.base_version}.{self.photo.digest[:8]}.{person}"

    @property
    def is_consensus_review(self) -> bool:
        """Whether this is a second, independent annotation of a photo that somebody else has annotated."""
        return self.task is not None and self.task.kind == "second"

    @property
    def has_lease(self) -> bool:
        """Whether the photo is leased to this user; one that is annotated already is not."""
        return self.task is not None and self.task.state == "open"


@dataclass(frozen=True)
class Conflict:
    """Two versions of one photo: mine, the one that came before mine, and what both began with.

    ``request`` names the save that the merging will end in, the same however often it is sent.
    """

    base: tuple[AnnotatedBox, ...]
    mine: tuple[AnnotatedBox, ...]
    theirs: Annotation
    seconds: float
    request: str


@dataclass
class AnnotationSession:
    """One user's state of the page, kept between its runs.

    ``boxes`` are the photo's as the store has them, with ``saved_sequence`` as the last change in them, 0 for
    none. ``unsaved`` is a submit that the store was too busy for. ``message`` is the result of the last
    action, ``tightened`` the last answer about a tighter box, ``lease_lost`` a sentence about a lease that
    ran out. ``back_from`` is the task that "back" goes on from, ``skipped`` the photo that it leads to where
    that was skipped just now; ``address`` the photo that the URL named last; ``next_photo`` the key of the
    open photo with the id of the one that follows.
    """

    person: str
    opened: OpenPhoto | None = None
    boxes: tuple[AnnotatedBox, ...] = ()
    saved_sequence: int = 0
    unsaved: EditorAction | None = None
    conflict: Conflict | None = None
    counts: QueueCounts | None = None
    message: str = ""
    tightened: Tightened | None = None
    lease_lost: str = ""
    back_from: int | None = None
    skipped: int | None = None
    address: str | None = None
    started: bool = False
    next_photo: tuple[str, int | None] | None = None
    renewed_at: float = field(default_factory=time.monotonic)

    def open(self, opened: OpenPhoto | None) -> None:
        """Replace the open photo and reset what belonged to the last one."""
        self.opened, self.conflict, self.unsaved, self.lease_lost = opened, None, None, ""
        self.tightened = None
        self.boxes = opened.boxes if opened else ()
        self.saved_sequence = opened.sequence if opened else 0
        self.renewed_at = time.monotonic()


def session_of(person: str) -> AnnotationSession:
    """The session of this user in this tab; another user gets an empty one."""
    found: AnnotationSession | None = st.session_state.get(KEY)
    if found is None or found.person != person:
        found = st.session_state[KEY] = AnnotationSession(person)
    return found


def open_next(store: Store, session: AnnotationSession) -> None:
    """Open the next photo of the queue, or none where none is left for this user."""
    session.back_from, session.skipped = None, None
    task = store.queue.next(session.person)
    session.open(None if task is None else load_photo(store, session.person, task.photo_id, task))
    session.counts = store.queue.counts(session.person)


def open_photo(store: Store, session: AnnotationSession, photo_id: int) -> None:
    """Open a certain photo, to be annotated or, where it is annotated already, corrected.

    Raises NotFoundError for no such photo. One that is leased to another user opens read-only.
    """
    task, locked_reason = None, ""
    try:
        task = store.queue.take(photo_id, session.person)
    except ConflictError as error:
        locked_reason = str(error)
    opened = load_photo(store, session.person, photo_id, task, locked_reason)
    _release_task(store, session, photo_id)
    session.open(opened)
    session.counts = store.queue.counts(session.person)


def open_previous(store: Store, session: AnnotationSession) -> None:
    """Open the photo that this user submitted or skipped last; called again, the one before it."""
    if session.skipped is not None:
        skipped, session.skipped = session.skipped, None
        open_photo(store, session, skipped)
        return
    task = store.queue.last_done(session.person, session.back_from)
    if task is None:
        session.message = "There is no previous photo: you have annotated no other yet."
        return
    open_photo(store, session, task.photo_id)
    session.back_from = task.id


def load_photo(
    store: Store, person: str, photo_id: int, task: Task | None, locked_reason: str = ""
) -> OpenPhoto:
    """A photo with its initial boxes: this user's draft, else the latest version, else the proposals."""
    photo = store.photos.get(photo_id)
    latest = store.annotations.latest(photo_id)
    draft = store.drafts.load(photo_id, person)
    unaided = is_unaided(store, photo)
    seen = () if unaided else predicted_boxes(store, photo_id)
    if draft is not None:
        notice, begun = _draft_notice(draft, latest), (draft.base_version, draft.boxes, draft.sequence)
    else:
        boxes = initial_boxes(store, photo_id, task)
        why = UNAIDED if unaided else _why_no_boxes(store, photo_id)
        notice = "" if boxes or latest else why
        begun = (latest.version if latest else 0, boxes, 0)
    return OpenPhoto(photo, *begun, person, task, notice, locked_reason, seen, unaided)


def predicted_boxes(store: Store, photo_id: int) -> tuple[AnnotatedBox, ...]:
    """What the models see in a photo, the surest first, also below the threshold of proposals."""
    prediction = prediction_of(store, photo_id)
    garments = prediction.garments[:MOST_CANDIDATES] if prediction else ()
    return proposed_boxes(photo_id, garments, category_ids(store))


def initial_boxes(
    store: Store, photo_id: int, task: Task | None, *, blind: bool = False
) -> tuple[AnnotatedBox, ...]:
    """The boxes before any change: those of the latest version, else the models' proposals.

    A consensus review sees proposals only, and so does ``blind``.
    """
    prediction = prediction_of(store, photo_id)
    threshold = store.predictions.score_threshold(prediction.models) if prediction else 0.0
    return proposals(store, photo_id, threshold, blind=blind or (task is not None and task.kind == "second"))


def _draft_notice(draft: Draft, latest: Annotation | None) -> str:
    """The notice over a draft that is opened again."""
    notice = f"Your draft of {clock(draft.at)} is open again."
    if latest is not None and latest.version > draft.base_version:
        notice += (
            f" {latest.author} has saved version {latest.version} since; you can compare when you submit."
        )
    return notice


def _why_no_boxes(store: Store, photo_id: int) -> str:
    if store.predictions.get(photo_id) is None:
        return "The models have not labeled this photo yet: draw the boxes yourself."
    return "The models found nothing above the score threshold."


def _release_task(store: Store, session: AnnotationSession, photo_id: int) -> None:
    """Release the lease of the photo that is left, unless this user has a draft of it."""
    left = session.opened
    if left is not None and left.has_lease and left.photo.id != photo_id and not session.saved_sequence:
        assert left.task is not None
        store.queue.release(left.task.id, session.person)
