"""What the editor reports, saved to the store: drafts, submits, skips, key bindings, the task's lease."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import streamlit as st

from app.annotate.session import (
    AnnotationSession,
    Conflict,
    OpenPhoto,
    initial_boxes,
    open_next,
    open_previous,
)
from app.editor import EditorAction, EditorDraft, Tightened
from app.text import literal
from core.errors import ConflictError, LapelError, NotFoundError, StoreBusyError, StoreError, StoreFullError
from core.store import Store
from core.store.annotations import VersionConflict
from core.store.boxes import AnnotatedBox
from core.store.queue import LEASE_SECONDS
from core.threads import IMPORTS

TICK_SECONDS = 30.0
SETTING = "keys"
OPTIONS = "editor"
RENEW_AFTER_SECONDS = 60.0


def save_draft(store: Store, session: AnnotationSession, work: EditorDraft) -> None:
    """Save the boxes as this user's draft; ``session.saved_sequence`` acknowledges them.

    A later draft from another tab wins, and is what the session shows then.

    Raises StoreBusyError or StoreFullError where the store cannot take them now; the editor sends them again.
    """
    opened = require_open(session, work.key)
    saved = store.drafts.save(
        opened.photo.id,
        session.person,
        boxes=work.boxes,
        sequence=work.sequence,
        base_version=opened.base_version,
    )
    if saved.sequence > work.sequence:  # the same user has gone on in another tab
        draft = store.drafts.load(opened.photo.id, session.person)
        if draft is not None:
            session.boxes, session.saved_sequence = draft.boxes, draft.sequence
    else:
        session.boxes, session.saved_sequence = work.boxes, saved.sequence
        session.message = ""  # what was said before this change has been read
    renew_lease(store, session)


def perform(store: Store, session: AnnotationSession, done: EditorAction) -> None:
    """Perform an action of the editor: submit, skip, back, keys, options or tighten.

    Raises a LapelError with a sentence where it cannot be done; a submit that the store was too busy for
    waits in ``session.unsaved``.
    """
    actions: dict[str, Callable[[], None]] = {
        "submit": partial(submit, store, session, done),
        "skip": partial(skip, store, session),
        "back": partial(open_previous, store, session),
        "keys": partial(save_keys, store, session.person, done.keys),
        "tighten": partial(tighten, store, session, done),
        "options": partial(store.settings.put_own, session.person, OPTIONS, dict(done.options)),
    }
    session.message = ""
    if done.name in actions:
        actions[done.name]()


def submit(store: Store, session: AnnotationSession, done: EditorAction) -> None:
    """Save the boxes as the photo's next version and open the next photo.

    Where somebody else has saved a version meanwhile, ``session.conflict`` holds both, and the boxes stay a
    draft until they are merged. Proposals that are undecided are accepted or rejected as the user has chosen;
    raises StoreError where that is to be asked, which the editor does before it submits.
    """
    opened = require_open(session, done.key)
    done = replace(
        done, boxes=settled(done.boxes, own_options(store, session.person).get("undecided", "ask"))
    )
    try:
        store.annotations.submit(
            opened.photo.id,
            done.boxes,
            author=session.person,
            base_version=opened.base_version,
            request=done.request,
            kind="second" if opened.is_consensus_review else "submitted",
            seconds=done.seconds,
        )
    except VersionConflict as conflict:
        save_draft(store, session, EditorDraft(done.key, done.sequence, done.boxes, done.seconds))
        session.conflict = Conflict(
            _base_boxes(store, opened), done.boxes, conflict.theirs, done.seconds, new_request_id()
        )
        return
    except (StoreBusyError, StoreFullError):
        session.unsaved = done
        raise
    advance(store, session)


def settled(boxes: Sequence[AnnotatedBox], undecided: str) -> tuple[AnnotatedBox, ...]:
    """The boxes with no proposal undecided: accepted, or rejected and left out, by the user's choice.

    Raises StoreError where there are some and the choice is to ask.
    """
    open_boxes = sum(not box.accepted for box in boxes)
    if open_boxes and undecided == "ask":
        are = "proposal is" if open_boxes == 1 else "proposals are"
        raise StoreError(f"{open_boxes} {are} undecided: accept or reject them, then submit.")
    kept = boxes if undecided == "accept" else [box for box in boxes if box.accepted]
    return tuple(replace(box, accepted=True) for box in kept)


def retry_submit(store: Store, session: AnnotationSession) -> None:
    """Submit again what the store was too busy for. Raises as ``submit`` does."""
    if session.unsaved is not None:
        again, session.unsaved = session.unsaved, None
        submit(store, session, again)


def submit_merged(store: Store, session: AnnotationSession, boxes: Sequence[AnnotatedBox]) -> None:
    """Save the merge of two versions, and open the next photo.

    A third version that was saved meanwhile makes another conflict.
    """
    opened, conflict = session.opened, session.conflict
    if opened is None or conflict is None:
        return
    try:
        store.annotations.submit(
            opened.photo.id,
            boxes,
            author=session.person,
            base_version=conflict.theirs.version,
            request=conflict.request,
            kind="merged",
            seconds=conflict.seconds,
        )
    except VersionConflict as another:
        session.conflict = Conflict(
            conflict.theirs.boxes, tuple(boxes), another.theirs, conflict.seconds, new_request_id()
        )
        return
    advance(store, session)


def back_to_editor(session: AnnotationSession) -> None:
    """Leave the two versions for later; the own boxes are still a draft, and submitting compares again."""
    session.conflict = None
    session.message = ""


def new_request_id() -> str:
    """An idempotency key: a save that is sent twice makes one version."""
    return uuid.uuid4().hex


def tighten(store: Store, session: AnnotationSession, done: EditorAction) -> None:
    """Look for a tighter place for one box of the open photo; ``session.tightened`` is the answer."""
    opened = require_open(session, done.key)
    box = next((box for box in done.boxes if box.uid == done.uid), None)
    if box is None:
        return
    with IMPORTS:
        from core.images.foreground import tighten_box
    image = store.photos.open(opened.photo.id).image
    session.tightened = Tightened(box.uid, box.box_xyxy, tighten_box(image, box.box_xyxy))


def skip(store: Store, session: AnnotationSession) -> None:
    """Skip the open photo; its draft stays, and "back" leads to it."""
    skipped = None
    if session.opened is not None and session.opened.has_lease:
        assert session.opened.task is not None
        store.queue.skip(session.opened.task.id, session.person)
        skipped = session.opened.photo.id
    advance(store, session)
    session.skipped = skipped


def advance(store: Store, session: AnnotationSession) -> None:
    """Close the photo, then open the next; where the store is too busy, the last one does not come back."""
    session.open(None)
    session.started = False
    open_next(store, session)
    session.started = True


def renew_lease(store: Store, session: AnnotationSession) -> None:
    """Renew the lease while the user works; note in the session where somebody else has taken it."""
    opened = session.opened
    if opened is None or not opened.has_lease or time.monotonic() - session.renewed_at < RENEW_AFTER_SECONDS:
        return
    assert opened.task is not None
    session.renewed_at = time.monotonic()
    with suppress(StoreBusyError):  # the draft is saved; the next change renews
        session.lease_lost = (
            "" if store.queue.renew(opened.task.id, session.person) else lease_loss(store, session, opened)
        )


def lease_loss(store: Store, session: AnnotationSession, opened: OpenPhoto) -> str:
    """A sentence about a lease that could not be renewed; empty where it could be taken again."""
    try:
        store.queue.take(opened.photo.id, session.person)
    except ConflictError as error:
        return (
            f"Your lease on this photo expired, and {error} Your draft is saved; if both of you submit, "
            "the second merges."
        )
    return ""


def show_lease(store: Store, session: AnnotationSession) -> None:
    """A warning once the lease of the open photo has expired; polls every ``TICK_SECONDS``."""
    st.fragment(_show_lease, run_every=TICK_SECONDS)(store, session)


def _show_lease(store: Store, session: AnnotationSession) -> None:
    warning = lease_expired(store, session)
    if warning:
        st.warning(literal(warning), icon=":material/timer_off:")


def lease_expired(store: Store, session: AnnotationSession) -> str:
    """A sentence about a lease that has expired; empty while it is valid."""
    opened = session.opened
    if opened is None or not opened.has_lease or time.monotonic() - session.renewed_at < LEASE_SECONDS:
        return ""
    assert opened.task is not None
    try:
        task = store.queue.get(opened.task.id)
    except NotFoundError:
        return "Your lease on this photo expired, and somebody else has it now. Your draft is saved."
    except LapelError:
        return ""  # the next tick asks again
    if task.state != "open":
        return "Somebody has submitted this photo in the meantime. You can compare when you submit."
    if task.lease_by not in (None, session.person):
        return f"Your lease on this photo expired, and {task.lease_by} has it now. Your draft is saved."
    return "Your lease on this photo expired; nobody else has taken it, and your next change renews it."


def _base_boxes(store: Store, opened: OpenPhoto) -> tuple[AnnotatedBox, ...]:
    """The boxes that the user started from: the base version's, else the models' proposals."""
    if opened.base_version:
        return store.annotations.version(opened.photo.id, opened.base_version).boxes
    return initial_boxes(store, opened.photo.id, None, blind=True)


def require_open(session: AnnotationSession, key: str) -> OpenPhoto:
    """The open photo; raises StoreError where the editor's message is about another one."""
    if session.opened is None or session.opened.key != key:
        raise StoreError("This photo is no longer open; nothing was changed.")
    return session.opened


def own_keys(store: Store, person: str) -> dict[str, str]:
    """The key bindings that the user has changed, by action; empty for most."""
    found = store.settings.own(person, SETTING, {})
    return {str(action): str(key) for action, key in found.items()} if isinstance(found, dict) else {}


def save_keys(store: Store, person: str, keys: Mapping[str, str]) -> None:
    """Save the user's key bindings; an empty mapping restores the defaults."""
    store.settings.put_own(person, SETTING, dict(keys))


def own_options(store: Store, person: str) -> dict[str, str]:
    """How the user wants the editor to behave, by setting; empty for most."""
    found = store.settings.own(person, OPTIONS, {})
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
