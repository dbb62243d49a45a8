"""Changes of many photos at once: boxes relabeled, with one undo for all; tasks put first or given away."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import Right, needs
from core.errors import NotFoundError, StoreError
from core.store import Store
from core.store.audit import record_audit
from core.store.boxes import MOST_LABEL, AnnotatedBox
from core.store.consensus_review import follow_first
from core.store.database import one_line
from core.store.schema import annotations as versions
from core.store.schema import consensus_reviews as reviews
from core.store.schema import photos, tasks
from core.store.tasks import cold_task, open_again
from core.store.versions import (
    Annotation,
    NewVersion,
    add_version,
    annotation_from,
    latest_version,
    locked_photo,
)

KIND = "relabeled"
BATCH = 100
"""Photos in one transaction: between two of them, people's saves get through."""


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


@needs(Right.ANNOTATE)
def relabel(
    store: Store,
    chosen: Mapping[int, Collection[str]],
    *,
    author: str,
    category_id: int | Mapping[tuple[int, str], int] | None = None,
    label: str | None = None,
    kept_labels: Collection[str] | None = None,
) -> Relabeled:
    """Give boxes of the newest annotations, by photo and uid, another category, another label, or both.

    ``category_id`` may be one for all, or one for each box by photo and uid. A photo with boxes that change
    gets one new version of the kind "relabeled", which leaves its task as it is. An empty ``label`` takes the
    label away; where only the category is set, labels outside ``kept_labels`` are taken away, as they would
    contradict it. Raises StoreError for an unknown category.
    """
    check_names(category_id, label)

    def changed(photo_id: int, box: AnnotatedBox) -> AnnotatedBox:
        wanted = category_id.get((photo_id, box.uid)) if isinstance(category_id, Mapping) else category_id
        return renamed(box, wanted, label, kept_labels)

    def boxes_of(latest: Annotation) -> Sequence[AnnotatedBox]:
        photo_id, wanted = latest.photo_id, chosen[latest.photo_id]
        return [changed(photo_id, box) if box.uid in wanted else box for box in latest.boxes]

    name, author = f"{KIND}-{uuid.uuid4().hex[:16]}", store.actor.known_as(author).name
    done, boxes, left = 0, 0, 0
    for batch in _batches(sorted(chosen)):
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
def undo_relabel(store: Store, name: str, *, author: str) -> Relabeled:
    """Give every photo of a bulk change the boxes that it had before, as a new version each.

    Photos that were saved again since stay as they are, and count as ``left``. Raises NotFoundError for a
    name that no bulk change of this author has.
    """
    if not name.startswith(f"{KIND}-") or not name.removeprefix(f"{KIND}-").isalnum():
        raise NotFoundError("There is no such change to undo.")
    author = store.actor.known_as(author).name
    made = sa.select(versions.c.photo_id, versions.c.version, versions.c.base_version)
    made = made.where(versions.c.request.startswith(f"{name}-"), versions.c.author == author)
    rows = {row.photo_id: row for row in store.database.rows(made.order_by(versions.c.photo_id))}
    if not rows:
        raise NotFoundError("There is no such change to undo.")
    undone, done, boxes, left = f"{KIND}-{uuid.uuid4().hex[:16]}", 0, 0, 0
    for batch in _batches(list(rows)):
        with store.database.write() as connection:
            for photo_id in batch:
                latest = _latest(connection, photo_id)
                if latest is None or latest.version != rows[photo_id].version:
                    left += 1
                    continue
                before = _version(connection, photo_id, rows[photo_id].base_version)
                _save(store, connection, latest, before.boxes, f"{undone}-{photo_id}", author)
                names = {box.uid: (box.category_id, box.label) for box in before.boxes}
                boxes += sum(names[b.uid] != (b.category_id, b.label) for b in latest.boxes)
                done += 1
    return Relabeled(undone, done, boxes, left)


@needs(Right.ANNOTATE)
def put_first(store: Store, photo_ids: Sequence[int], reason: str) -> int:
    """Have photos done before all others, also where they were done, with the reason shown; how many."""
    return _open(store, photo_ids, one_line(reason))


@needs(Right.ANNOTATE)
def assign(store: Store, photo_ids: Sequence[int], person: str | None, *, by: str) -> int:
    """Give the photos' tasks to a person, who gets them first, and nobody else; None: to whoever comes.

    Tasks that were done are open again. The audit log has it. Returns how many photos there were. Raises
    StoreError for a blank name.
    """
    given = None if person is None else one_line(person, 200)
    if given == "":
        raise StoreError("expected the name of a person to give the photos to, got a blank one")
    who = store.actor.known_as(by)
    if given is not None:
        count = _open(store, photo_ids, f"given to {given} by {who.name}", given)
    else:
        change = sa.update(tasks).where(tasks.c.kind == "first").values(assigned_to=None)
        count = 0
        for batch in _batches(photo_ids):
            count += store.database.change(change.where(tasks.c.photo_id.in_(batch)))
    with store.database.write() as connection:
        record_audit(connection, store.database, who, "assign", given or "whoever comes", photos=count)
    return count


def _open(store: Store, photo_ids: Sequence[int], reason: str, person: str | None = None) -> int:
    """Open the first tasks of these photos again; how many: deleted ones are passed over."""
    count = 0
    for batch in _batches(sorted(set(photo_ids))):
        with store.database.write() as connection:
            live = sa.select(photos).where(photos.c.id.in_(batch), photos.c.deleted_at.is_(None))
            for photo in connection.execute(live.order_by(photos.c.id).with_for_update()).all():
                task = store.database.insert(tasks).values(cold_task(photo)).on_conflict_do_nothing()
                connection.execute(task)
                open_again(connection, photo.id, reason)
                if person is not None:
                    mine = (tasks.c.photo_id == photo.id, tasks.c.kind == "first")
                    connection.execute(sa.update(tasks).where(*mine).values(assigned_to=person))
                count += 1
    return count


def _batches(photo_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(photo_ids), BATCH):
        yield photo_ids[start : start + BATCH]


def _latest(connection: Connection, photo_id: int) -> Annotation | None:
    """The newest annotation of a live photo, its row locked; None without one, and where it was returned."""
    try:
        locked_photo(connection, photo_id)
    except NotFoundError:
        return None
    latest = latest_version(connection, photo_id)
    return None if latest is None or latest.kind == "returned" else latest


def _version(connection: Connection, photo_id: int, version: int) -> Annotation:
    where = (versions.c.photo_id == photo_id, versions.c.version == version)
    return annotation_from(connection.execute(sa.select(versions).where(*where)).one())


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
