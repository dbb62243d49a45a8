"""The versions of a photo's annotation: numbered from 1, never changed, each with what its author saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Subquery

from core.errors import ConflictError, NotFoundError, StoreError
from core.store.box_index import index_annotation
from core.store.boxes import AnnotatedBox, boxes_from
from core.store.database import Database, one_line
from core.store.schema import annotations as table
from core.store.schema import categories, photos
from core.store.webhooks import ANNOTATION, record_event

SUBMITTED = ("imported", "submitted", "merged", "second", "relabeled")
"""Kinds that people and imports save; "relabeled" changes boxes of many photos at once."""

REVIEWED = ("accepted", "returned")
"""Kinds that a reviewer's verdict makes."""

LONGEST_REQUEST = 64


@dataclass(frozen=True)
class Annotation:
    """One version of what is said about a photo; ``seconds`` is how long its author worked on it.

    ``kind`` is one of ``SUBMITTED`` or ``REVIEWED``. A "second" was drawn without seeing the first, waits for
    a reviewer, and never counts as the photo's annotation; a "returned" one waits to be done again.
    """

    id: int
    photo_id: int
    version: int
    base_version: int
    kind: str
    boxes: tuple[AnnotatedBox, ...]
    author: str
    at: float
    seconds: float | None = None
    note: str = ""


class VersionConflict(ConflictError):
    """Somebody else saved a version in the meantime; ``theirs`` is it, and nothing was changed."""

    def __init__(self, theirs: Annotation) -> None:
        super().__init__(f"{theirs.author} saved version {theirs.version} of this photo in the meantime.")
        self.theirs = theirs


@dataclass(frozen=True)
class NewVersion:
    """What is about to be saved as a photo's next version."""

    photo_id: int
    boxes: Sequence[AnnotatedBox]
    author: str
    base_version: int
    request: str
    kind: str
    seconds: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.request) <= LONGEST_REQUEST:
            raise StoreError(f"expected a request's name of 1 to {LONGEST_REQUEST} characters")
        if self.kind not in (*SUBMITTED, *REVIEWED):
            raise StoreError(f"expected a version to be one of {', '.join(SUBMITTED)}, got {self.kind!r}")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise StoreError(f"expected the seconds of work to be 0 or more, got {self.seconds}")


def locked_photo(connection: Connection, photo_id: int) -> Row:
    """A live photo's row, held until the transaction ends, so that its versions are counted one by one.

    Raises NotFoundError where there is none, or it was deleted.
    """
    row = connection.execute(sa.select(photos).where(photos.c.id == photo_id).with_for_update()).one_or_none()
    if row is None or row.deleted_at is not None:
        raise NotFoundError("There is no such photo.")
    return row


def latest_version(connection: Connection, photo_id: int) -> Annotation | None:
    """The photo's annotation: its newest version apart from second annotations."""
    counted = (table.c.photo_id == photo_id, table.c.kind != "second")
    found = sa.select(table).where(*counted).order_by(table.c.version.desc()).limit(1)
    row = connection.execute(found).one_or_none()
    return None if row is None else annotation_from(row)


def newest_versions(photo_ids: Sequence[int] | None = None) -> Subquery:
    """The newest version of every photo, or of these, second annotations apart: ``photo_id``, ``version``."""
    newest = sa.select(table.c.photo_id, sa.func.max(table.c.version).label("version"))
    if photo_ids is not None:
        newest = newest.where(table.c.photo_id.in_(photo_ids))
    return newest.where(table.c.kind != "second").group_by(table.c.photo_id).subquery()


def is_newest(newest: Subquery) -> sa.ColumnElement[bool]:
    """The condition that joins ``annotations`` to a row of :func:`newest_versions`."""
    return sa.and_(table.c.photo_id == newest.c.photo_id, table.c.version == newest.c.version)


def is_annotated() -> sa.Exists:
    """Whether a row of ``photos`` has an annotation, second annotations apart."""
    return sa.exists().where(table.c.photo_id == photos.c.id, table.c.kind != "second")


def one_version(connection: Connection, photo_id: int, version: int) -> Annotation:
    """A version by its number. Raises NotFoundError."""
    where = (table.c.photo_id == photo_id, table.c.version == version)
    row = connection.execute(sa.select(table).where(*where)).one_or_none()
    if row is None:
        raise NotFoundError(f"This photo has no version {version}.")
    return annotation_from(row)


def saved_by(connection: Connection, request: str, photo_id: int) -> Annotation | None:
    """The version that a request has made already. Raises StoreError where it was another photo's."""
    row = connection.execute(sa.select(table).where(table.c.request == request)).one_or_none()
    if row is not None and row.photo_id != photo_id:
        raise StoreError("expected a request of its own for every photo, got another photo's")
    return None if row is None else annotation_from(row)


def add_version(database: Database, connection: Connection, new: NewVersion, photo: Row) -> Annotation:
    """Save the photo's next version; its row must be locked. Raises StoreError for an unknown category."""
    boxes = boxes_from(box.as_dict() for box in _settled(new.boxes, photo.width, photo.height))
    _check_categories(connection, boxes)
    last = sa.select(sa.func.max(table.c.version)).where(table.c.photo_id == new.photo_id)
    same = ("photo_id", "base_version", "kind", "author", "seconds", "request")
    values = {name: getattr(new, name) for name in same}
    values |= {"version": (connection.execute(last).scalar_one() or 0) + 1, "note": one_line(new.note)}
    values |= {"boxes": [box.as_dict() for box in boxes], "at": database.now}
    insert = sa.insert(table).values(**values).returning(*table.c)
    saved = annotation_from(connection.execute(insert).one())
    if new.kind != "second":
        index_annotation(connection, new.photo_id, values["boxes"])
    if new.kind != "imported":  # an import is not told box by box
        told = {"photo": new.photo_id, "name": photo.name, "version": saved.version, "kind": saved.kind}
        record_event(
            database, connection, ANNOTATION, told | {"author": saved.author, "boxes": len(saved.boxes)}
        )
    return saved


def annotation_from(row: Row) -> Annotation:
    """A row of the table as an Annotation."""
    values = {entry.name: getattr(row, entry.name) for entry in fields(Annotation)}
    return Annotation(**values | {"boxes": boxes_from(row.boxes)})


def _settled(boxes: Sequence[AnnotatedBox], width: int, height: int) -> Iterator[AnnotatedBox]:
    """The boxes as a person leaves them: inside the photo, with an area that survives rounding, accepted."""
    for box in boxes:
        cut = box.inside(width, height)
        if cut is None:
            continue
        x0, y0, x1, y1 = (round(value, 2) for value in cut.box_xyxy)
        if x1 > x0 and y1 > y0:
            yield replace(cut, box_xyxy=(x0, y0, x1, y1), accepted=True)


def _check_categories(connection: Connection, boxes: Sequence[AnnotatedBox]) -> None:
    wanted = {box.category_id for box in boxes}
    known = set(connection.execute(sa.select(categories.c.id).where(categories.c.id.in_(wanted))).scalars())
    if wanted - known:
        raise StoreError(f"expected boxes of known categories, got number {min(wanted - known)}")
