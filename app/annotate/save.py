"""What a person does at the editor, done to the store: drafts, submits, skips, and the lease."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from app.annotate.keys import save_keys
from app.annotate.opening import open_next, open_previous, to_begin_with
from app.annotate.session import Conflict, Desk, Opened
from app.editor import Act, Work
from core.errors import ConflictError, StoreBusyError, StoreError, StoreFullError
from core.store import Store
from core.store.annotations import VersionConflict
from core.store.boxes import AnnotatedBox

RENEW_AFTER_SECONDS = 60.0


def keep(store: Store, desk: Desk, work: Work) -> None:
    """Save the boxes as this person's draft; ``desk.saved_sequence`` acknowledges them.

    A later change from elsewhere stays, and is what lies on the desk then.

    Raises StoreBusyError or StoreFullError where the store cannot take them now; the editor sends them again.
    """
    opened = at_hand(desk, work.key)
    saved = store.drafts.save(
        opened.photo.id,
        desk.person,
        boxes=work.boxes,
        sequence=work.sequence,
        base_version=opened.base_version,
    )
    if saved.sequence > work.sequence:  # the same person has gone on in another tab
        draft = store.drafts.load(opened.photo.id, desk.person)
        if draft is not None:
            desk.boxes, desk.saved_sequence = draft.boxes, draft.sequence
    else:
        desk.boxes, desk.saved_sequence = work.boxes, saved.sequence
        desk.said = ""  # what was said before this change has been read
    stay(store, desk)


def act(store: Store, desk: Desk, done: Act) -> None:
    """Do what the person asked for at the editor.

    Raises a LapelError with a sentence where it cannot be done; a submit that the store was too busy for
    waits in ``desk.unsaved``.
    """
    deeds: dict[str, Callable[[], None]] = {
        "submit": partial(submit, store, desk, done),
        "skip": partial(skip, store, desk),
        "back": partial(open_previous, store, desk),
        "keys": partial(save_keys, store, desk.person, done.keys),
    }
    desk.said = ""
    if done.name in deeds:
        deeds[done.name]()


def submit(store: Store, desk: Desk, done: Act) -> None:
    """Save the boxes as the photo's next version and go on to the next photo.

    Where somebody else saved a version in the meantime, both are laid beside each other, and the boxes stay
    a draft until that is settled.
    """
    opened = at_hand(desk, done.key)
    try:
        store.annotations.submit(
            opened.photo.id,
            done.boxes,
            author=desk.person,
            base_version=opened.base_version,
            request=done.request,
            kind="second" if opened.second_look else "submitted",
            seconds=done.seconds,
        )
    except VersionConflict as conflict:
        keep(store, desk, Work(done.key, done.sequence, done.boxes, done.seconds))
        desk.conflict = Conflict(
            _base(store, opened), done.boxes, conflict.theirs, done.seconds, new_request()
        )
        return
    except (StoreBusyError, StoreFullError):
        desk.unsaved = done
        raise
    go_on(store, desk)


def submit_again(store: Store, desk: Desk) -> None:
    """Try once more what the store was too busy for. Raises as ``submit`` does."""
    if desk.unsaved is not None:
        again, desk.unsaved = desk.unsaved, None
        submit(store, desk, again)


def submit_merged(store: Store, desk: Desk, boxes: Sequence[AnnotatedBox]) -> None:
    """Save what a person has put together out of two versions, and go on to the next photo.

    A third version that came in the meantime is laid beside it in turn.
    """
    opened, conflict = desk.opened, desk.conflict
    if opened is None or conflict is None:
        return
    try:
        store.annotations.submit(
            opened.photo.id,
            boxes,
            author=desk.person,
            base_version=conflict.theirs.version,
            request=conflict.request,
            kind="merged",
            seconds=conflict.seconds,
        )
    except VersionConflict as another:
        desk.conflict = Conflict(
            conflict.theirs.boxes, tuple(boxes), another.theirs, conflict.seconds, new_request()
        )
        return
    go_on(store, desk)


def back_to_editor(desk: Desk) -> None:
    """Leave the two versions for later; the own boxes are still a draft, and submitting compares again."""
    desk.conflict = None
    desk.said = ""


def new_request() -> str:
    """A name for a save, so that it is one version however often it is sent."""
    return uuid.uuid4().hex


def skip(store: Store, desk: Desk) -> None:
    """Leave this photo to others, and go on; a draft of it stays, and "back" leads to it."""
    skipped = None
    if desk.opened is not None and desk.opened.holds:
        assert desk.opened.task is not None
        store.queue.skip(desk.opened.task.id, desk.person)
        skipped = desk.opened.photo.id
    go_on(store, desk)
    desk.skipped = skipped


def go_on(store: Store, desk: Desk) -> None:
    """Clear the desk, then open the next photo; a store too busy for it does not bring the last one back."""
    desk.lay(None)
    desk.started = False
    open_next(store, desk)
    desk.started = True


def stay(store: Store, desk: Desk) -> None:
    """Keep the photo for this person while they work; say so where another has it by now."""
    opened = desk.opened
    if opened is None or not opened.holds or time.monotonic() - desk.renewed_at < RENEW_AFTER_SECONDS:
        return
    assert opened.task is not None
    desk.renewed_at = time.monotonic()
    with suppress(StoreBusyError):  # the draft is saved; the next change renews
        desk.hold_lost = "" if store.queue.renew(opened.task.id, desk.person) else lost(store, desk, opened)


def lost(store: Store, desk: Desk, opened: Opened) -> str:
    """A sentence about a lease that could not be renewed; empty where it could be had again after all."""
    try:
        store.queue.take(opened.photo.id, desk.person)
    except ConflictError as error:
        return (
            f"Your time with this photo ran out, and {error} Your work is kept; if both of you submit, "
            "the second compares."
        )
    return ""


def _base(store: Store, opened: Opened) -> tuple[AnnotatedBox, ...]:
    """What a person began from: the version before, else the models' proposals."""
    if opened.base_version:
        return store.annotations.version(opened.photo.id, opened.base_version).boxes
    return to_begin_with(store, opened.photo.id, None, blind=True)


def at_hand(desk: Desk, key: str) -> Opened:
    """The photo on the desk, once it is known to be the one that the editor speaks of. Raises StoreError."""
    if desk.opened is None or desk.opened.key != key:
        raise StoreError("This photo is not on the desk any more; nothing was changed.")
    return desk.opened
