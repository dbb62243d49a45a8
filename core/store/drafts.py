"""Work that is not submitted yet: kept at every change, for each person and photo apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.access import LOCAL, Actor, Right, needs
from core.store.boxes import AnnotatedBox, boxes_from
from core.store.database import Database
from core.store.schema import drafts as table
from core.store.versions import locked_photo


@dataclass(frozen=True)
class SavedDraft:
    """What is on disk: the number of the change, and when it was saved."""

    sequence: int
    at: float


@dataclass(frozen=True)
class Draft:
    """A person's unfinished boxes of a photo, begun from its version ``base_version`` (0: from none)."""

    photo_id: int
    author: str
    base_version: int
    sequence: int
    boxes: tuple[AnnotatedBox, ...]
    at: float


@dataclass(frozen=True)
class Drafts:
    """The drafts of all people; submitting removes one.

    Whoever is signed in saves their own only, and another person's are not found: NotFoundError.
    """

    database: Database
    actor: Actor = LOCAL

    @needs(Right.ANNOTATE)
    def save(
        self, photo_id: int, author: str, *, boxes: Sequence[AnnotatedBox], sequence: int, base_version: int
    ) -> SavedDraft:
        """Keep the boxes; on disk when this returns. Gives what is kept, which may be a later change.

        Changes are numbered by the editor and may arrive twice or late: only a higher number, or a newer
        base, replaces what is there. Raises NotFoundError where the photo is gone, StoreError for bad boxes.
        """
        self.actor.require_own(author)
        checked = boxes_from(box.as_dict() for box in boxes)
        values = {
            "base_version": base_version,
            "sequence": sequence,
            "boxes": [box.as_dict() for box in checked],
            "at": self.database.now,
        }
        newer = sa.or_(
            table.c.base_version < base_version,
            sa.and_(table.c.base_version == base_version, table.c.sequence < sequence),
        )
        insert = self.database.insert(table).values(photo_id=photo_id, author=author, **values)
        key = [table.c.photo_id, table.c.author]
        with self.database.write() as connection:
            locked_photo(connection, photo_id)
            connection.execute(insert.on_conflict_do_update(index_elements=key, set_=values, where=newer))
            kept = sa.select(table.c.sequence, table.c.at).where(*_of(photo_id, author))
            return SavedDraft(*connection.execute(kept).one())

    @needs(Right.READ)
    def load(self, photo_id: int, author: str) -> Draft | None:
        """The person's draft of a photo."""
        self.actor.require_sight(author)
        with self.database.read() as connection:
            row = connection.execute(sa.select(table).where(*_of(photo_id, author))).one_or_none()
        return None if row is None else _draft(row)

    @needs(Right.ANNOTATE)
    def drop(self, photo_id: int, author: str) -> None:
        """Throw the person's draft of a photo away; nothing happens where there is none."""
        self.actor.require_sight(author)
        with self.database.write() as connection:
            drop_draft(connection, photo_id, author)

    @needs(Right.READ)
    def of(self, author: str) -> list[Draft]:
        """All of the person's drafts, the latest first."""
        self.actor.require_sight(author)
        found = sa.select(table).where(table.c.author == author).order_by(table.c.at.desc())
        with self.database.read() as connection:
            return [_draft(row) for row in connection.execute(found)]


def drop_draft(connection: Connection, photo_id: int, author: str) -> None:
    """Within a transaction: throw a draft away."""
    connection.execute(sa.delete(table).where(*_of(photo_id, author)))


def _of(photo_id: int, author: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.photo_id == photo_id, table.c.author == author


def _draft(row: Row) -> Draft:
    boxes = boxes_from(row.boxes)
    return Draft(row.photo_id, row.author, row.base_version, row.sequence, boxes, row.at)
