"""What people say about the photos: every save is a new version, and what was saved is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from core.access import LOCAL, Actor, Right, needs
from core.errors import StoreError
from core.store.boxes import AnnotatedBox
from core.store.database import Database
from core.store.drafts import drop_draft
from core.store.schema import annotations as table
from core.store.schema import photos
from core.store.second_looks import follow_first, save_second
from core.store.tasks import finish_task
from core.store.versions import (
    SUBMITTED,
    Annotation,
    NewVersion,
    VersionConflict,
    add_version,
    annotation_from,
    latest_version,
    locked_photo,
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
        """What holds of a photo: the newest version, second looks apart; None where nobody has done it."""
        with self.database.read() as connection:
            return latest_version(connection, photo_id)

    @needs(Right.READ)
    def history(self, photo_id: int) -> list[Annotation]:
        """All versions of a photo, second looks among them, the oldest first."""
        found = sa.select(table).where(table.c.photo_id == photo_id).order_by(table.c.version)
        with self.database.read() as connection:
            return [annotation_from(row) for row in connection.execute(found)]

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
        author's draft removed, and a second look begun where one is due, all in the same transaction.

        ``kind`` is "submitted", "merged" (after a conflict), "second" (a blind second look, without a base)
        or "imported" (which leaves the task open). Raises VersionConflict with the other's version where
        there is a newer one than the base, NotFoundError where the photo is gone, StoreError for bad boxes.
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
        with self.database.read() as connection:
            return connection.execute(found).scalar_one()

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
            drop_draft(connection, new.photo_id, new.author)
        return saved


def _check_base(latest: Annotation | None, base_version: int) -> None:
    if latest is None:
        if base_version != 0:
            raise StoreError(f"expected a first save to begin from 0, got {base_version}")
    elif latest.version != base_version:
        raise VersionConflict(latest)
