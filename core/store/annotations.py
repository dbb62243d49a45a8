"""Annotations, of which every save is a new version that is never changed, and unsubmitted drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from core.access import LOCAL, Actor, Right, needs
from core.errors import StoreError
from core.store.audit import record_audit
from core.store.boxes import AnnotatedBox, boxes_from
from core.store.consensus_review import follow_first, save_second
from core.store.database import DAY_SECONDS, Database
from core.store.schema import annotations as table
from core.store.schema import drafts, photos
from core.store.tasks import finish_task
from core.store.versions import (
    SUBMITTED,
    Annotation,
    NewVersion,
    VersionConflict,
    add_version,
    annotation_from,
    is_annotated,
    is_newest,
    latest_version,
    locked_photo,
    newest_versions,
    one_version,
    saved_by,
)

__all__ = ["Annotation", "Annotations", "VersionConflict"]


@dataclass(frozen=True)
class Annotations:
    """The photos' annotations with all of their versions."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def latest(self, photo_id: int) -> Annotation | None:
        """A photo's annotation: the newest version, second annotations apart; None without one."""
        with self.database.read() as connection:
            return latest_version(connection, photo_id)

    @needs(Right.READ)
    def latest_of(self, photo_ids: Sequence[int]) -> dict[int, Annotation]:
        """The annotations of these photos by photo, as ``latest`` has them, in one query."""
        newest = newest_versions(photo_ids)
        found = self.database.rows(sa.select(table).join(newest, is_newest(newest)))
        return {row.photo_id: annotation_from(row) for row in found}

    @needs(Right.READ)
    def history(self, photo_id: int) -> list[Annotation]:
        """All versions of a photo, second annotations among them, the oldest first."""
        found = sa.select(table).where(table.c.photo_id == photo_id).order_by(table.c.version)
        return [annotation_from(row) for row in self.database.rows(found)]

    @needs(Right.READ)
    def version(self, photo_id: int, version: int) -> Annotation:
        """One version of a photo. Raises NotFoundError."""
        with self.database.read() as connection:
            return one_version(connection, photo_id, version)

    @needs(Right.ANNOTATE)
    def submit(
        self,
        photo_id: int,
        boxes: Sequence[AnnotatedBox],
        *,
        author: str,
        base_version: int,
        request: str,
        kind: str = "submitted",
        seconds: float | None = None,
        note: str = "",
    ) -> Annotation:
        """Save a photo's next version; it is on disk when this returns, or nothing has changed.

        ``request`` names the save: sent twice it is one version. ``base_version`` is what the author began
        from, 0 for nothing. Boxes are cut to the photo and count as accepted. The photo's task is done, the
        author's draft removed, and a second annotation asked for where it is due, all in one transaction.

        ``kind`` is "submitted", "merged" (after a conflict), "second" (a blind second annotation, without a
        base) or "imported" (which leaves the task open). Raises VersionConflict with the newest version where
        that is newer than the base, NotFoundError where the photo is gone, StoreError for bad boxes.
        """
        if kind not in SUBMITTED:
            raise StoreError(f"expected a save to be one of {', '.join(SUBMITTED)}, got {kind!r}")
        base, author = 0 if kind == "second" else base_version, self.actor.known_as(author).name
        new = NewVersion(photo_id, boxes, author, base, request, kind, seconds, note)
        try:
            with self.database.write() as connection:
                return self._save(connection, new)
        except IntegrityError:  # the same request at the same time, for another photo
            with self.database.read() as connection:
                saved = saved_by(connection, request, photo_id)
            if saved is None:
                raise
            return saved

    @needs(Right.READ)
    def annotated_count(self) -> int:
        """How many live photos have an annotation."""
        has = sa.exists().where(table.c.photo_id == photos.c.id)
        found = sa.select(sa.func.count()).select_from(photos).where(photos.c.deleted_at.is_(None), has)
        return int(self.database.value(found))

    @needs(Right.READ)
    def newest_versions(self, photo_ids: Sequence[int]) -> dict[int, int]:
        """The newest version of each of these photos by photo; deleted photos are left out."""
        newest = newest_versions(photo_ids)
        found = sa.select(newest.c.photo_id, newest.c.version)
        found = found.join(photos, photos.c.id == newest.c.photo_id).where(photos.c.deleted_at.is_(None))
        return {row.photo_id: row.version for row in self.database.rows(found)}

    @needs(Right.READ)
    def training_pool(self) -> set[int]:
        """The annotated photos that models may learn from: all but those of the holdout."""
        chosen = sa.select(photos.c.id).where(is_annotated(), ~photos.c.holdout)
        return {row.id for row in self.database.rows(chosen)}

    @needs(Right.READ)
    def last_id(self) -> int:
        """A number that grows with every saved version; 0 before the first."""
        return self.database.value(sa.select(sa.func.max(table.c.id))) or 0

    @needs(Right.READ)
    def photos_saved_after(self, version_id: int) -> list[int]:
        """The photos, each once, of versions with a greater :meth:`last_id` than this."""
        return [
            row.photo_id
            for row in self.database.rows(
                sa.select(table.c.photo_id).where(table.c.id > version_id).distinct()
            )
        ]

    @needs(Right.READ)
    def count_since(self, at: float) -> int:
        """How many versions were saved after a time on the database's clock."""
        return int(self.database.value(sa.select(sa.func.count()).where(table.c.at > at)))

    def _save(self, connection: Connection, new: NewVersion) -> Annotation:
        photo = locked_photo(connection, new.photo_id)
        saved = saved_by(connection, new.request, new.photo_id)
        if saved is not None:
            return saved
        if new.kind == "second":
            saved = save_second(self.database, connection, new, photo)
        else:
            _check_base(latest_version(connection, new.photo_id), new.base_version)
            saved = add_version(self.database, connection, new, photo)
        if new.kind in ("submitted", "merged"):
            is_first = finish_task(self.database, connection, new.photo_id, "first", new.author)
            follow_first(self.database, connection, saved, photo, is_first=is_first)
        if new.kind != "imported":
            connection.execute(_dropping(new.photo_id, new.author))
        return saved


def _check_base(latest: Annotation | None, base_version: int) -> None:
    if latest is None:
        if base_version != 0:
            raise StoreError(f"expected a first save to begin from 0, got {base_version}")
    elif latest.version != base_version:
        raise VersionConflict(latest)


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
        """Save the boxes; on disk when this returns. Returns what is saved, which may be a later change.

        Changes are numbered by the editor and may arrive twice or late: only a higher number, or a newer
        base, replaces what is there. Raises NotFoundError where the photo is gone, StoreError for bad boxes.
        """
        self.actor.require_own(author)
        checked = boxes_from(box.as_dict() for box in boxes)
        values: dict[str, Any] = {"base_version": base_version, "sequence": sequence}
        values |= {"boxes": [box.as_dict() for box in checked], "at": self.database.now}
        newer = sa.or_(
            drafts.c.base_version < base_version,
            sa.and_(drafts.c.base_version == base_version, drafts.c.sequence < sequence),
        )
        insert = self.database.insert(drafts).values(photo_id=photo_id, author=author, **values)
        key = [drafts.c.photo_id, drafts.c.author]
        with self.database.write() as connection:
            locked_photo(connection, photo_id)
            connection.execute(insert.on_conflict_do_update(index_elements=key, set_=values, where=newer))
            saved = sa.select(drafts.c.sequence, drafts.c.at).where(*_of(photo_id, author))
            return SavedDraft(*connection.execute(saved).one())

    @needs(Right.READ)
    def load(self, photo_id: int, author: str) -> Draft | None:
        """The person's draft of a photo."""
        self.actor.require_sight(author)
        row = self.database.row(sa.select(drafts).where(*_of(photo_id, author)))
        return None if row is None else _draft(row)

    @needs(Right.ANNOTATE)
    def drop(self, photo_id: int, author: str) -> None:
        """Forget the person's draft of a photo; nothing where there is none."""
        self.actor.require_own(author)
        self.database.change(_dropping(photo_id, author))

    @needs(Right.READ)
    def of(self, author: str) -> list[Draft]:
        """All of the person's drafts, the latest first."""
        self.actor.require_sight(author)
        found = sa.select(drafts).where(drafts.c.author == author).order_by(drafts.c.at.desc())
        return [_draft(row) for row in self.database.rows(found)]

    @needs(Right.DELETE)
    def prune(self, days: float, *, dry_run: bool = False) -> int:
        """Delete everybody's drafts without a change for so many days; how many, or how many there are."""
        old = drafts.c.at < self.database.now - days * DAY_SECONDS
        if dry_run:
            return int(self.database.value(sa.select(sa.func.count()).select_from(drafts).where(old)))
        with self.database.write() as connection:
            deleted = connection.execute(sa.delete(drafts).where(old)).rowcount
            record_audit(connection, self.database, self.actor, "prune", "drafts", deleted=deleted)
            return deleted


def _dropping(photo_id: int, author: str) -> sa.Delete:
    return sa.delete(drafts).where(*_of(photo_id, author))


def _of(photo_id: int, author: str) -> tuple[sa.ColumnElement[bool], ...]:
    return drafts.c.photo_id == photo_id, drafts.c.author == author


def _draft(row: Row) -> Draft:
    boxes = boxes_from(row.boxes)
    return Draft(row.photo_id, row.author, row.base_version, row.sequence, boxes, row.at)
