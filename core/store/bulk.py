"""Changes of many photos at once: boxes relabeled, with one undo for all; photos put first, given, tagged.

Photos come by number, as a list or an array, and are worked through in batches: of a million, none of these
functions holds more than some numbers each. ``progress`` is called between batches with how many photos are
done, of how many; what it raises ends the work there, and what is done stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.access import Right, needs
from core.boxes import MOST_TAGS
from core.errors import NotFoundError, StoreError
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.audit import record_audit
from core.store.boxes import MOST_LABEL, AnnotatedBox
from core.store.consensus_review import follow_first
from core.store.database import one_line
from core.store.photo_notes import tag_name
from core.store.schema import annotations as versions
from core.store.schema import consensus_reviews as reviews
from core.store.schema import photo_tags, photos, tasks
from core.store.tasks import cold_task, open_again
from core.store.versions import (
    Annotation,
    NewVersion,
    add_version,
    latest_version,
    locked_photo,
    one_version,
)

KIND = "relabeled"
BATCH = 100
"""Photos in one transaction: between two of them, people's saves get through."""
ROWS_BATCH = 1000
"""The same, where a batch is a few statements and not some for each photo."""

Numbers = Sequence[int] | np.ndarray
"""Photos by number."""


@dataclass(frozen=True)
class Relabeled:
    """What a bulk change has done: the photos with a new version, and the boxes that changed in them.

    ``left`` are photos that stay as they are: deleted, without an annotation, returned by a reviewer, or, of
    an undo, saved again since. ``name`` undoes it.
    """

    name: str
    photos: int
    boxes: int
    left: int = 0

    def __add__(self, other: Relabeled) -> Relabeled:
        """What two parts of one change have done."""
        counts = (self.photos + other.photos, self.boxes + other.boxes, self.left + other.left)
        return Relabeled(self.name, *counts)


def new_name() -> str:
    """A name for a bulk change that nobody has used."""
    return f"{KIND}-{uuid.uuid4().hex[:16]}"


@needs(Right.ANNOTATE)
def relabel(
    store: Store,
    chosen: Mapping[int, Collection[str]],
    *,
    author: str,
    category_id: int | Mapping[tuple[int, str], int] | None = None,
    label: str | None = None,
    kept_labels: Collection[str] | None = None,
    name: str | None = None,
) -> Relabeled:
    """Give boxes of the newest annotations, by photo and uid, another category, another label, or both.

    ``category_id`` may be one for all, or one for each box by photo and uid. A photo with boxes that change
    gets one new version of the kind "relabeled", which leaves its task as it is. An empty ``label`` takes the
    label away; where only the category is set, labels outside ``kept_labels`` are taken away, as they would
    contradict it. A change that comes in parts, each of other photos, has one ``name`` (:func:`new_name`)
    for all of them. Raises StoreError for an unknown category.
    """
    check_names(category_id, label)

    def changed(photo_id: int, box: AnnotatedBox) -> AnnotatedBox:
        wanted = category_id.get((photo_id, box.uid)) if isinstance(category_id, Mapping) else category_id
        return renamed(box, wanted, label, kept_labels)

    def boxes_of(latest: Annotation) -> Sequence[AnnotatedBox]:
        photo_id, wanted = latest.photo_id, chosen[latest.photo_id]
        return [changed(photo_id, box) if box.uid in wanted else box for box in latest.boxes]

    name, author = name or new_name(), store.actor.known_as(author).name
    done, boxes, left = 0, 0, 0
    inorder = sorted(chosen)
    for start in range(0, len(inorder), BATCH):
        batch = inorder[start : start + BATCH]
        with store.database.write() as connection:
            for photo_id in batch:
                latest = _latest(connection, photo_id)
                if latest is None:
                    left += 1
                    continue
                after = boxes_of(latest)
                count = sum(one is not other for one, other in zip(after, latest.boxes, strict=True))
                if count:
                    _save(store, connection, latest, after, f"{name}-{photo_id}", author)
                    done, boxes = done + 1, boxes + count
    return Relabeled(name, done, boxes, left)


def check_names(category_id: object, label: str | None) -> None:
    """Raise StoreError unless there is a category or a label to set, and the label is not too long."""
    if category_id is None and label is None:
        raise StoreError("expected a category or a label to set, got neither")
    if label is not None and len(label) > MOST_LABEL:
        raise StoreError(f"expected a label of at most {MOST_LABEL} characters, got {len(label)}")


def renamed(
    box: AnnotatedBox, category_id: int | None, label: str | None, kept_labels: Collection[str] | None
) -> AnnotatedBox:
    """The box with another category, label or both, as :func:`relabel` says; itself where nothing changes."""
    name = box.label if label is None else one_line(label) or None
    if label is None and kept_labels is not None and name not in kept_labels:
        name = None
    category = box.category_id if category_id is None else category_id
    if (category, name) == (box.category_id, box.label):
        return box
    return replace(box, category_id=category, label=name, changed=True)


@needs(Right.ANNOTATE)
def undo_relabel(
    store: Store, name: str, *, author: str, undo: str | None = None, progress: Progress = ignore_progress
) -> Relabeled:
    """Give every photo of a bulk change the boxes that it had before, as a new version each.

    Photos that were saved again since stay as they are, and count as ``left``. ``undo`` is the name of what
    this does, by which it is undone in turn. Raises NotFoundError for a name that no bulk change of this
    author has.
    """
    if not name.startswith(f"{KIND}-") or not name.removeprefix(f"{KIND}-").isalnum():
        raise NotFoundError("There is no such change to undo.")
    author, undo = store.actor.known_as(author).name, undo or new_name()
    made = sa.select(versions.c.photo_id, versions.c.version, versions.c.base_version)
    made = made.where(versions.c.request.startswith(f"{name}-"), versions.c.author == author)
    with store.database.read() as connection:
        rows = connection.execution_options(yield_per=ROWS_BATCH).execute(made.order_by(versions.c.photo_id))
        changes = np.array([tuple(row) for row in rows], dtype=np.int64)  # (N, 3)
    if not len(changes):
        raise NotFoundError("There is no such change to undo.")
    undone = Relabeled(undo, 0, 0)
    for start in range(0, len(changes), BATCH):
        with store.database.write() as connection:
            for photo_id, version, before in changes[start : start + BATCH].tolist():
                undone += _undo_one(store, connection, photo_id, version, before, undo, author)
        progress(min(start + BATCH, len(changes)), len(changes))
    return undone


def _undo_one(
    store: Store, connection: Connection, photo_id: int, version: int, before: int, undo: str, author: str
) -> Relabeled:
    latest = _latest(connection, photo_id)
    if latest is None or latest.version != version:
        return Relabeled(undo, 0, 0, left=1)
    earlier = one_version(connection, photo_id, before)
    _save(store, connection, latest, earlier.boxes, f"{undo}-{photo_id}", author)
    names = {box.uid: (box.category_id, box.label) for box in earlier.boxes}
    return Relabeled(undo, 1, sum(names[b.uid] != (b.category_id, b.label) for b in latest.boxes))


@needs(Right.ANNOTATE)
def put_first(store: Store, photo_ids: Numbers, reason: str, progress: Progress = ignore_progress) -> int:
    """Have photos done before all others, also where they were done, with the reason shown; how many."""
    return sum(_open(store, photo_ids, one_line(reason), progress))


@needs(Right.ANNOTATE)
def assign(
    store: Store, photo_ids: Numbers, person: str | None, *, by: str, progress: Progress = ignore_progress
) -> int:
    """Give the photos' tasks to a person, who gets them first, and nobody else; None: to whoever comes.

    Tasks that were done are open again. The audit log has it. Returns how many photos there were. Raises
    StoreError for a blank name.
    """
    given = None if person is None else one_line(person, 200)
    if given == "":
        raise StoreError("expected the name of a person to give the photos to, got a blank one")
    who, count = store.actor.known_as(by), 0
    try:
        for some in (
            _take_back(store, photo_ids, progress)
            if given is None
            else _open(store, photo_ids, f"given to {given} by {who.name}", progress, given)
        ):
            count += some
    finally:  # also where it ends before the last of them
        with store.database.write() as connection:
            to = given or "whoever comes"
            record_audit(connection, store.database, who, "assign", to, photos=count)
    return count


@needs(Right.ANNOTATE)
def tag(
    store: Store,
    photo_ids: Numbers,
    *,
    author: str,
    add: str | None = None,
    remove: str | None = None,
    progress: Progress = ignore_progress,
) -> int:
    """Give photos a tag, or take one from them; on how many it is, or is not, afterwards.

    Deleted photos are passed over, and so are those that have as many tags as a photo may have. Raises
    StoreError for a text that can be no tag.
    """
    name, by, count = tag_name(add or remove or ""), store.actor.known_as(author).name, 0
    now = store.database.now
    for batch, done, total in _in_turn(photo_ids):
        with store.database.write() as connection:
            live = [row.id for row in _live(connection, batch)]
            of_these = photo_tags.c.photo_id.in_(live)
            if add is None:
                connection.execute(sa.delete(photo_tags).where(of_these, photo_tags.c.tag == name))
            else:
                has_it = sa.func.max(sa.case((photo_tags.c.tag == name, 1), else_=0))
                full = sa.select(photo_tags.c.photo_id).where(of_these).group_by(photo_tags.c.photo_id)
                full = full.having(sa.func.count() >= MOST_TAGS, has_it == 0)
                passed = set(connection.execute(full).scalars())
                live = [id for id in live if id not in passed]
                rows = sa.select(photos.c.id, sa.literal(name), sa.literal(by), now).where(
                    photos.c.id.in_(live)
                )
                insert = store.database.insert(photo_tags).from_select(["photo_id", "tag", "by", "at"], rows)
                connection.execute(insert.on_conflict_do_nothing())
            count += len(live)
        progress(done, total)
    return count


def _open(
    store: Store, photo_ids: Numbers, reason: str, progress: Progress, person: str | None = None
) -> Iterator[int]:
    """Open the first tasks of these photos again; how many of each batch: deleted ones are passed over."""
    for batch, done, total in _in_turn(photo_ids):
        with store.database.write() as connection:
            live = _live(connection, batch)
            if live:
                missing = store.database.insert(tasks).on_conflict_do_nothing()
                connection.execute(missing, [cold_task(photo) for photo in live])
            ids = [photo.id for photo in live]
            open_again(connection, ids, reason)
            if person is not None:
                mine = (tasks.c.photo_id.in_(ids), tasks.c.kind == "first")
                connection.execute(sa.update(tasks).where(*mine).values(assigned_to=person))
        yield len(ids)
        progress(done, total)


def _take_back(store: Store, photo_ids: Numbers, progress: Progress) -> Iterator[int]:
    """Let whoever comes have these photos' tasks; how many of each batch."""
    change = sa.update(tasks).where(tasks.c.kind == "first").values(assigned_to=None)
    for batch, done, total in _in_turn(photo_ids):
        yield store.database.change(change.where(tasks.c.photo_id.in_(batch)))
        progress(done, total)


def _in_turn(photo_ids: Numbers) -> Iterator[tuple[list[int], int, int]]:
    """Each number once, by size, in batches, with how many there were after each, of how many."""
    inorder = np.unique(np.asarray(photo_ids, dtype=np.int64))
    for start in range(0, len(inorder), ROWS_BATCH):
        batch = inorder[start : start + ROWS_BATCH].tolist()
        yield batch, start + len(batch), len(inorder)


def _live(connection: Connection, photo_ids: Sequence[int]) -> Sequence[Row]:
    """Number and digest of those of these photos that are not deleted, their rows locked."""
    live = sa.select(photos.c.id, photos.c.digest).where(
        photos.c.id.in_(photo_ids), photos.c.deleted_at.is_(None)
    )
    return connection.execute(live.order_by(photos.c.id).with_for_update()).all()


def _latest(connection: Connection, photo_id: int) -> Annotation | None:
    """The newest annotation of a live photo, its row locked; None without one, and where it was returned."""
    try:
        locked_photo(connection, photo_id)
    except NotFoundError:
        return None
    latest = latest_version(connection, photo_id)
    return None if latest is None or latest.kind == "returned" else latest


def _save(
    store: Store,
    connection: Connection,
    latest: Annotation,
    boxes: Sequence[AnnotatedBox],
    request: str,
    author: str,
) -> None:
    photo = locked_photo(connection, latest.photo_id)
    new = NewVersion(latest.photo_id, boxes, author, latest.version, request, KIND)
    saved = add_version(store.database, connection, new, photo)
    judged = sa.exists().where(reviews.c.photo_id == photo.id, reviews.c.verdict.is_not(None))
    if not connection.execute(sa.select(judged)).scalar_one():
        follow_first(store.database, connection, saved, photo, is_first=False)
