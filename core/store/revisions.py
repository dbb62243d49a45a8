"""Revisions: the dataset as it was at one moment, never changed again, known by a digest of what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select
from sqlalchemy.exc import IntegrityError

from core.access import LOCAL, Actor, Right, needs
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.photo_notes import (
    Comment,
    PhotoNotes,
    comments_in,
    current_tags,
    freeze_tags,
    frozen_tags,
)
from core.store.photos import PhotoRow
from core.store.schema import annotations as versions
from core.store.schema import categories, photos, revision_items
from core.store.schema import revisions as table
from core.store.versions import Annotation, annotation_from, is_newest, newest_versions
from core.store.webhooks import REVISION, record_event

BATCH = 500
"""Rows in memory at a time."""

Names = tuple[tuple[int, str], ...]
"""Numbers and names of categories, in their order."""


@dataclass(frozen=True)
class Revision:
    """How many photos and boxes it has, and the categories as they were named then."""

    number: int
    digest: str
    at: float
    by: str
    note: str
    photos: int
    boxes: int
    categories: Names

    @property
    def title(self) -> str:
        """What an export of it calls it; number 0 is a choice of photos that was never frozen."""
        return f"Revision {self.number}" if self.number else "Chosen photos"


@dataclass(frozen=True)
class RevisionItem:
    """A photo of a revision, by now perhaps deleted, with its annotation and tags as they were.

    ``comments`` are those that it has now: a revision does not freeze them.
    """

    photo: PhotoRow
    annotation: Annotation
    tags: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True)
class RevisionPhoto:
    """Which photo is in a revision, without its annotation; ``deleted`` since, or not."""

    id: int
    name: str
    digest: str
    holdout: bool
    deleted: bool


@dataclass(frozen=True)
class Revisions:
    """All revisions of the store."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.EXPORT)
    def create(self, by: str, note: str = "") -> Revision:
        """Freeze the newest annotations of all live photos; without a change since, the last revision.

        Photos that a reviewer sent back are left out until they are done again.
        """
        with self.database.read() as connection:
            content = _content(connection)
            known = _find(connection, table.c.digest == content.digest)
        if known is not None:
            return known
        try:
            with self.database.write() as connection:
                return self._write(connection, content, self.actor.known_as(by), one_line(note))
        except IntegrityError:  # somebody froze the same at the same moment
            with self.database.read() as connection:
                known = _find(connection, table.c.digest == content.digest)
            if known is None:
                raise
            return known

    @needs(Right.READ)
    def all(self) -> list[Revision]:
        """All revisions, the newest first."""
        return [
            _revision(row) for row in self.database.rows(sa.select(table).order_by(table.c.number.desc()))
        ]

    @needs(Right.READ)
    def get(self, number: int) -> Revision:
        """A revision. Raises NotFoundError."""
        chosen = sa.select(table).where(table.c.number == number)
        return _revision(self.database.found(chosen, f"There is no revision {number}."))

    @needs(Right.READ)
    def items(self, number: int, *, holdout: bool | None = None) -> Iterator[RevisionItem]:
        """A revision's photos by number, a few at a time in memory, of one side of the holdout or of both.

        Photos that were deleted since are among them, their rows with ``deleted_at``. No transaction stays
        open between two photos. Raises NotFoundError.
        """
        tags = frozen_tags(self.database, number)
        comments = comments_in(self.database, number)
        for row in self._pages(number, holdout, _items(number)):
            notes = (tags.get(row.its_id, ()), comments.get(row.its_id, ()))
            yield RevisionItem(_photo(row), annotation_from(row), *notes)

    @needs(Right.READ)
    def names(self, number: int, *, holdout: bool | None = None) -> Iterator[tuple[int, str]]:
        """The numbers and names of a revision's photos, in the order of ``items``. Raises NotFoundError."""
        chosen = sa.select(revision_items.c.photo_id, photos.c.name).join_from(revision_items, photos)
        for row in self._pages(number, holdout, chosen.where(revision_items.c.revision == number)):
            yield row.photo_id, row.name

    @needs(Right.READ)
    def photos(self, number: int, *, holdout: bool | None = None) -> Iterator[RevisionPhoto]:
        """A revision's photos without their annotations, in the order of ``items``. Raises NotFoundError."""
        columns = (photos.c.name, photos.c.digest, photos.c.holdout, photos.c.deleted_at)
        chosen = sa.select(revision_items.c.photo_id, *columns).join_from(revision_items, photos)
        for row in self._pages(number, holdout, chosen.where(revision_items.c.revision == number)):
            deleted = row.deleted_at is not None
            yield RevisionPhoto(row.photo_id, row.name, row.digest, row.holdout, deleted)

    @needs(Right.EXPORT)
    def of_chosen(self, photo_ids: Collection[int]) -> tuple[Revision, tuple[int, ...]]:
        """A revision of number 0 that is not saved, and the annotations in it, by photo.

        It holds the newest annotations of those of these live photos that have one, as ``create`` takes them.
        """
        wanted, annotation_ids, boxes = sorted(set(map(int, photo_ids))), list[int](), 0
        with self.database.read() as connection:
            for start in range(0, len(wanted), BATCH):
                for row in connection.execute(_newest(wanted[start : start + BATCH])).all():
                    annotation_ids.append(row.id)
                    boxes += len(row.boxes)
            names, at = _names(connection), connection.execute(sa.select(self.database.now)).scalar_one()
        digest = hashlib.sha256(",".join(map(str, annotation_ids)).encode()).hexdigest()
        counts = (len(annotation_ids), boxes, names)
        return Revision(0, digest, float(at), self.actor.name, "", *counts), tuple(annotation_ids)

    @needs(Right.EXPORT)
    def chosen_items(
        self, annotation_ids: Sequence[int], *, holdout: bool | None = None
    ) -> Iterator[RevisionItem]:
        """Annotations by their numbers with their photos, in this order, a few at a time in memory."""
        for start in range(0, len(annotation_ids), BATCH):
            some = annotation_ids[start : start + BATCH]
            found = sa.select(versions, *_of_photo()).join(photos, photos.c.id == versions.c.photo_id)
            if holdout is not None:
                found = found.where(photos.c.holdout.is_(holdout))
            rows = {row.id: row for row in self.database.rows(found.where(versions.c.id.in_(some)))}
            notes = PhotoNotes(self.database, self.actor)
            photo_ids = [row.its_id for row in rows.values()]
            tags, comments = notes.tags_of(photo_ids), notes.comments_of(photo_ids)
            for row in (rows[id] for id in some if id in rows):
                said = (tags.get(row.its_id, ()), comments.get(row.its_id, ()))
                yield RevisionItem(_photo(row), annotation_from(row), *said)

    @needs(Right.READ)
    def box_sizes(self, number: int, size: float) -> np.ndarray:
        """Width and height (N, 2) of the boxes that trainings may see, so without the holdout's, in pixels of
        photos scaled to a long side of ``size`` px. Raises NotFoundError.
        """
        sides = []
        for item in self.items(number, holdout=False):
            scale = size / max(item.photo.width, item.photo.height)
            for x0, y0, x1, y1 in (box.box_xyxy for box in item.annotation.boxes):
                sides.append(((x1 - x0) * scale, (y1 - y0) * scale))
        return np.array(sides, dtype=np.float64).reshape(-1, 2)

    @needs(Right.READ)
    def annotation_ids(self, number: int) -> dict[int, int]:
        """The number of each photo's annotation in a revision, by photo; empty for no such revision."""
        chosen = sa.select(revision_items.c.photo_id, revision_items.c.annotation_id)
        rows = self.database.rows(chosen.where(revision_items.c.revision == number))
        return {row.photo_id: row.annotation_id for row in rows}

    def _write(self, connection: Connection, content: _Content, who: Actor, note: str) -> Revision:
        made = _write(self.database, connection, content, one_line(who.name, 200), note)
        details = {"digest": made.digest, "photos": made.photos, "boxes": made.boxes}
        record_audit(connection, self.database, who, "revision", f"revision {made.number}", **details)
        record_event(self.database, connection, REVISION, details | {"revision": made.number, "by": made.by})
        return made

    def _pages(self, number: int, holdout: bool | None, chosen: Select[Any]) -> Iterator[Row]:
        """The rows by photo, read a page at a time, each page in a transaction of its own."""
        self.get(number)
        if holdout is not None:
            chosen = chosen.where(photos.c.holdout.is_(holdout))
        chosen = chosen.order_by(revision_items.c.photo_id).limit(BATCH)
        last = 0
        while True:
            rows = self.database.rows(chosen.where(revision_items.c.photo_id > last))
            yield from rows
            if len(rows) < BATCH:
                return
            last = rows[-1].photo_id


@dataclass(frozen=True)
class _Content:
    digest: str
    categories: Names
    boxes: int
    annotation_of: Mapping[int, int]  # photo to annotation
    tags: Mapping[int, tuple[str, ...]]


def content_lines(names: Mapping[int, str], entries: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """The lines that a digest is of: the categories, then for each photo its digest and its boxes.

    ``entries`` are photos' digests, sorted, with boxes in their saved form, and their tags. Boxes are rows of
    name, label and corners, with flags where there are some, sorted: neither their order nor the categories'
    numbers matter.
    """
    yield json.dumps(["categories", *sorted(names.values())])
    for digest, boxes, *tags in entries:
        rows = [
            [names[box["category"]], box.get("label") or "", *box["box"], *filter(None, [box.get("flags")])]
            for box in boxes
        ]
        yield json.dumps([digest, *sorted(rows), *({"tags": list(own)} for own in tags if own)])


def _names(connection: Connection) -> Names:
    """The categories as they are named now."""
    ordered = sa.select(categories.c.id, categories.c.name).order_by(categories.c.position, categories.c.id)
    return tuple((row.id, row.name) for row in connection.execute(ordered))


def _content(connection: Connection) -> _Content:
    """The current content, read in one transaction; in memory are only ids."""
    names = _names(connection)
    annotation_of: dict[int, int] = {}
    tags = current_tags(connection)
    count = 0

    def entries() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for row in connection.execution_options(yield_per=BATCH).execute(_newest()):
            annotation_of[row.photo_id] = row.id
            count += len(row.boxes)
            yield row.digest, row.boxes, tags.get(row.photo_id, ())

    sha256 = hashlib.sha256()
    for line in content_lines(dict(names), entries()):
        sha256.update(line.encode() + b"\n")
    kept = {photo: own for photo, own in tags.items() if photo in annotation_of}
    return _Content(sha256.hexdigest(), names, count, annotation_of, kept)


def _newest(photo_ids: Sequence[int] | None = None) -> Select[Any]:
    """The newest version of each live photo, or of these, ordered by the photo's digest."""
    latest = newest_versions(photo_ids)
    found = sa.select(photos.c.digest, versions.c.photo_id, versions.c.id, versions.c.boxes)
    found = found.join_from(versions, latest, is_newest(latest)).join(
        photos, photos.c.id == versions.c.photo_id
    )
    live = (photos.c.deleted_at.is_(None), versions.c.kind != "returned")
    return found.where(*live).order_by(photos.c.digest)


def _write(database: Database, connection: Connection, content: _Content, by: str, note: str) -> Revision:
    values: dict[str, Any] = {"digest": content.digest, "boxes": content.boxes, "note": note, "by": by}
    values |= {"categories": [list(entry) for entry in content.categories], "at": database.now}
    values |= {"photos": len(content.annotation_of)}
    row = connection.execute(sa.insert(table).values(**values).returning(*table.c)).one()
    pairs = iter(content.annotation_of.items())
    while batch := list(islice(pairs, 10 * BATCH)):
        rows = [{"revision": row.number, "photo_id": photo, "annotation_id": id} for photo, id in batch]
        connection.execute(sa.insert(revision_items), rows)
    freeze_tags(connection, row.number, content.tags)
    return _revision(row)


def _items(number: int) -> Select[Any]:
    found = sa.select(versions, *_of_photo())
    found = found.join_from(revision_items, versions, versions.c.id == revision_items.c.annotation_id)
    found = found.join(photos, photos.c.id == revision_items.c.photo_id)
    return found.where(revision_items.c.revision == number)


def _of_photo() -> list[sa.Label[Any]]:
    return [photos.c[entry.name].label(f"its_{entry.name}") for entry in fields(PhotoRow)]


def _photo(row: Row) -> PhotoRow:
    return PhotoRow(**{entry.name: row._mapping[f"its_{entry.name}"] for entry in fields(PhotoRow)})


def _find(connection: Connection, condition: sa.ColumnElement[bool]) -> Revision | None:
    row = connection.execute(sa.select(table).where(condition)).one_or_none()
    return None if row is None else _revision(row)


def _revision(row: Row) -> Revision:
    names = tuple((int(id), str(name)) for id, name in row.categories)
    return Revision(row.number, row.digest, row.at, row.by, row.note, row.photos, row.boxes, names)
