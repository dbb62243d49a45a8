"""Photos: stored once each, assigned to the holdout as they come, deleted down to a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from core.access import LOCAL, Actor, Right, needs
from core.datasets.photo_index import ListedName, NotFound, StoredPhoto
from core.errors import NotFoundError, StoreBusyError
from core.images.decode import Photo, read_photo
from core.store.audit import record_audit
from core.store.blobs import Blobs
from core.store.box_index import predicted_boxes
from core.store.database import Database, one_line
from core.store.ingest import (
    PHOTOS_LOCK,
    HashedPhoto,
    HashMatch,
    PerceptualHashIndex,
    PhotoFacts,
    PictureBlobs,
    PictureDigests,
)
from core.store.photo_names import find_at_ends, find_stored
from core.store.schema import annotations as versions
from core.store.schema import drafts, photos, predictions, tasks
from core.store.schema import photos as table

HOLDOUT_SHARE = 0.15
BATCH = 500
"""Rows read at a time, where all names are gone through."""


@dataclass(frozen=True)
class PhotoRow:
    """What the store knows of a photo: ``digest`` is of the bytes that came, ``blob`` of the stored JPEG.

    ``near_id`` is the photo that it is a near duplicate of; with ``deleted_at`` only the row is left.
    """

    id: int
    digest: str
    blob: str
    thumbnail: str
    name: str
    width: int
    height: int
    holdout: bool
    near_id: int | None
    import_id: int | None
    by: str
    at: float
    deleted_at: float | None


@dataclass(frozen=True)
class Added:
    """What became of a photo.

    ``outcome`` is "new", "near" (stored as a near duplicate of ``row.near_id``), "exact" (known already:
    nothing was stored, ``row`` is the known one) or "holdout", a copy of a holdout photo, which is not
    stored: ``row`` is the holdout photo where the bytes are the same, None for a near duplicate.
    """

    row: PhotoRow | None
    outcome: str


class PhotoFilter(TypedDict, total=False):
    """Properties of photos: ``text`` in the name, the number of a ``category`` in the latest annotation."""

    holdout: bool | None
    annotated: bool | None
    text: str
    category: int | None


@dataclass(frozen=True)
class Photos:
    """The store's photos. Deleted ones are not found, except by ``get`` with ``deleted_ok``."""

    database: Database
    blobs: Blobs
    hash_index: PerceptualHashIndex
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def add(
        self, photo: Photo, *, by: str, import_id: int | None = None, encoded: bytes | None = None
    ) -> Added:
        """Store a photo, unless it is there; the picture is on disk before its row is.

        15 % of all contents, chosen by digest, are the holdout for ever; a near duplicate of
        another photo is not, and one of a holdout photo is not stored. A deleted photo that comes again is
        there again, with its annotations. Processes may add the same photo at once. ``encoded`` is what
        ``cleaned`` made of these pixels already, where somebody has it.
        """
        with self.database.read() as connection:
            answer = _known_copy(_row_of(connection, table.c.digest == photo.digest))
        if answer:
            return answer
        hashed = HashedPhoto.of(photo, encoded)
        with self.database.read() as connection:
            answer, _, _ = self._find_copy(connection, hashed)
        origin = {"by": one_line(self.actor.known_as(by).name, 200), "import_id": import_id}
        return answer or self._store(hashed, origin)

    @needs(Right.IMPORT)
    def prepare(self, photo: Photo) -> HashedPhoto | None:
        """What ``add`` computes of a photo alone: its hash, and both pictures on the disk already.

        Nothing here depends on other photos, so many may be prepared at once, in any order. None for bytes
        that the store has. Where it is not added, or only much later, a sweep may remove the pictures.
        """
        with self.database.read() as connection:
            if _known_copy(_row_of(connection, table.c.digest == photo.digest)):
                return None
        hashed = HashedPhoto.of(photo)
        kept = PictureBlobs(self.database, self.blobs).put(hashed)
        facts = PhotoFacts(photo.digest, photo.name, photo.width, photo.height)
        return HashedPhoto(facts, hashed.perceptual_hash, b"", kept=kept)

    @needs(Right.IMPORT)
    def add_prepared(self, prepared: HashedPhoto, *, by: str, import_id: int | None = None) -> Added:
        """As ``add``, of a prepared photo. Raises PicturesGoneError where it has to be read again."""
        with self.database.read() as connection:
            answer = _known_copy(_row_of(connection, table.c.digest == prepared.photo.digest))
        origin = {"by": one_line(self.actor.known_as(by).name, 200), "import_id": import_id}
        return answer or self._store(prepared, origin)

    @needs(Right.READ)
    def get(self, id: int, *, deleted_ok: bool = False) -> PhotoRow:
        """A photo's row. Raises NotFoundError where there is none, or it is deleted."""
        with self.database.read() as connection:
            row = _row_of(connection, table.c.id == id)
        if row is None or (row.deleted_at is not None and not deleted_ok):
            raise NotFoundError("There is no such photo.")
        return row

    @needs(Right.READ)
    def picture(self, id: int) -> bytes:
        """The stored picture, a JPEG. Raises NotFoundError."""
        return self.blobs.get(self.get(id).blob)

    @needs(Right.READ)
    def thumbnail_of(self, row: PhotoRow) -> bytes:
        """The small picture, a JPEG of at most 256 pixels a side. Raises NotFoundError where it is gone."""
        return self.blobs.get(row.thumbnail)

    @needs(Right.READ)
    def open(self, id: int) -> Photo:
        """The photo with its pixels, as models take it. Raises NotFoundError."""
        row = self.get(id)
        return replace(read_photo(self.blobs.get(row.blob), row.name), digest=row.digest, name=row.name)

    @needs(Right.READ)
    def page(self, offset: int, limit: int, **wanted: Unpack[PhotoFilter]) -> list[PhotoRow]:
        """Rows of the photos with such properties, the newest first."""
        chosen = sa.select(*_COLUMNS).where(*self._filters(**wanted))
        chosen = chosen.order_by(table.c.id.desc()).offset(offset).limit(limit)
        return [PhotoRow(**row._mapping) for row in self.database.rows(chosen)]

    @needs(Right.READ)
    def count(self, **wanted: Unpack[PhotoFilter]) -> int:
        """How many photos have such properties."""
        chosen = sa.select(sa.func.count()).select_from(table).where(*self._filters(**wanted))
        return int(self.database.value(chosen))

    @needs(Right.READ)
    def last_id(self) -> int:
        """The id of the newest photo; 0 in an empty store."""
        return self.database.value(sa.select(sa.func.max(table.c.id))) or 0

    @needs(Right.IMPORT)
    def find_listed(self, listed: Sequence[ListedName], root: Path) -> list[int | NotFound]:
        """The ids of live photos by the names in annotation files, or why there is none: ``find_stored``.

        Reads all names once, some at a time.
        """
        chosen = sa.select(table.c.name, table.c.id).where(table.c.deleted_at.is_(None)).order_by(table.c.id)
        with self.database.read() as connection:
            rows = connection.execution_options(yield_per=BATCH).execute(chosen)
            return find_stored(listed, root, ((row.name, row.id) for row in rows))

    @needs(Right.IMPORT)
    def find_at_ends(self, listed: Sequence[str]) -> list[Sequence[StoredPhoto]]:
        """The live photos whose whole names are ends of listed ones: ``find_at_ends``."""
        chosen = sa.select(table.c.name, table.c.digest).where(table.c.deleted_at.is_(None))
        with self.database.read() as connection:
            rows = connection.execution_options(yield_per=BATCH).execute(chosen.order_by(table.c.id))
            return find_at_ends(listed, ((row.name, row.digest) for row in rows))

    @needs(Right.IMPORT)
    def names_among(self, names: Collection[str]) -> set[str]:
        """Which of some names live photos have, written exactly so."""
        wanted, found = sorted(names), set[str]()
        for start in range(0, len(wanted), BATCH):
            some = table.c.name.in_(wanted[start : start + BATCH])
            chosen = sa.select(table.c.name).where(table.c.deleted_at.is_(None), some)
            found.update(row.name for row in self.database.rows(chosen))
        return found

    @needs(Right.DELETE)
    def delete(self, id: int, by: str) -> None:
        """Remove a photo down to its row, which old revisions need; its annotations stay with it.

        Open tasks are dropped, drafts and predictions removed; the audit log has it. Raises NotFoundError.
        """
        with self.database.write() as connection:
            self.database.lock(connection, PHOTOS_LOCK)
            row = _row_of(connection, table.c.id == id)
            if row is None or row.deleted_at is not None:
                raise NotFoundError("There is no such photo.")
            mark_deleted(self.database, connection, id)
            who, details = self.actor.known_as(by), {"id": id, "digest": row.digest, "holdout": row.holdout}
            record_audit(connection, self.database, who, "delete", f"photo {id}, {row.name}", **details)
        PictureBlobs(self.database, self.blobs).discard([row.blob, row.thumbnail])

    @needs(Right.DELETE)
    def sweep(self) -> int:
        """Remove pictures that killed processes left and no photo needs; returns how many there were."""
        return PictureBlobs(self.database, self.blobs).sweep()

    def _filters(
        self,
        holdout: bool | None = None,
        annotated: bool | None = None,
        text: str = "",
        category: int | None = None,
    ) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [table.c.deleted_at.is_(None)]
        if holdout is not None:
            wanted.append(table.c.holdout.is_(holdout))
        if annotated is not None:
            has = sa.exists().where(versions.c.photo_id == table.c.id)
            wanted.append(has if annotated else ~has)
        if text:
            wanted.append(table.c.name.icontains(one_line(text), autoescape=True))
        if category is not None:
            wanted.append(holds_category(self.database, category))
        return wanted

    def _find_copy(
        self, connection: Connection, hashed: HashedPhoto
    ) -> tuple[Added | None, PhotoRow | None, list[HashMatch]]:
        """The answer for a photo that is not to be stored, else None; its row if any; near duplicates."""
        known = _row_of(connection, table.c.digest == hashed.photo.digest)
        answer, near = _known_copy(known), []
        if not answer:
            near = hashed.near_duplicates(connection, self.hash_index, self.blobs)
            if not (known and known.holdout) and any(match.holdout for match in near):
                answer = Added(None, "holdout")
        return answer, known, near

    def _store(self, hashed: HashedPhoto, origin: dict[str, Any]) -> Added:
        """Store the photo, judged once more: what others have added since counts, and nobody adds now."""
        pictures = PictureBlobs(self.database, self.blobs)
        digests = pictures.put(hashed)
        try:
            with self.database.write() as connection:
                self.database.lock(connection, PHOTOS_LOCK)
                answer, known, near = self._find_copy(connection, hashed)
                if not answer:
                    answer = self._write(connection, known, _values(hashed, near) | origin, digests)
                    pictures.put_again(hashed, digests)
        except StoreBusyError:
            raise  # discarding would wait for the same lock: the next try needs the blobs, or a sweep comes
        except BaseException:
            pictures.discard(astuple(digests))
            raise
        if answer.outcome in ("exact", "holdout"):
            pictures.discard(astuple(digests))
        return answer

    def _write(
        self, connection: Connection, known: PhotoRow | None, values: dict[str, Any], digests: PictureDigests
    ) -> Added:
        """A new row, or a deleted one alive again: its place in or out of the holdout never changes."""
        values |= {"blob": digests.blob, "thumbnail": digests.thumbnail, "at": self.database.now}
        if known is None:
            statement: Any = sa.insert(table).values(**values)
        else:
            del values["holdout"]
            statement = sa.update(table).where(table.c.id == known.id).values(**values, deleted_at=None)
            dropped = sa.update(tasks).where(tasks.c.photo_id == known.id, tasks.c.state == "dropped")
            connection.execute(dropped.values(state="open"))
        row = PhotoRow(**connection.execute(statement.returning(*_COLUMNS)).one()._mapping)
        return Added(row, "new" if row.near_id is None else "near")


_COLUMNS = tuple(table.c[entry.name] for entry in fields(PhotoRow))


def in_holdout(digest: str) -> bool:
    """Whether the content with this digest belongs to the holdout: 15 % of all contents, always the same."""
    return int(digest[:8], 16) < HOLDOUT_SHARE * 2**32


def mark_deleted(database: Database, connection: Connection, id: int) -> None:
    """Mark a photo as deleted: no open task, no draft, no prediction is left."""
    connection.execute(sa.update(table).where(table.c.id == id).values(deleted_at=database.now))
    open_tasks = sa.update(tasks).where(tasks.c.photo_id == id, tasks.c.state == "open")
    connection.execute(open_tasks.values(state="dropped", lease_by=None, lease_until=None))
    for of_photo in (drafts, predictions, predicted_boxes):
        connection.execute(sa.delete(of_photo).where(of_photo.c.photo_id == id))


def _row_of(connection: Connection, condition: ColumnElement[bool]) -> PhotoRow | None:
    row = connection.execute(sa.select(*_COLUMNS).where(condition)).one_or_none()
    return None if row is None else PhotoRow(**row._mapping)


def _known_copy(known: PhotoRow | None) -> Added | None:
    """The answer for bytes that the store has in a live photo."""
    if known is None or known.deleted_at is not None:
        return None
    return Added(known, "holdout" if known.holdout else "exact")


def _values(hashed: HashedPhoto, near: list[HashMatch]) -> dict[str, Any]:
    photo = hashed.photo
    closest = next((match for match in near if not match.holdout), None)
    values = {name: getattr(photo, name) for name in ("digest", "name", "width", "height")}
    values |= {"perceptual_hash": hashed.perceptual_hash, "near_id": closest.id if closest else None}
    return values | {"holdout": closest is None and in_holdout(photo.digest)}


def holds_category(database: Database, category_id: int) -> ColumnElement[bool]:
    """Whether a row of ``photos`` has a box of the category in its newest version, second ones apart."""
    newer = versions.alias("newer")
    newest = (
        sa.select(sa.func.max(newer.c.version))
        .where(newer.c.photo_id == photos.c.id, newer.c.kind != "second")
        .correlate(photos)
        .scalar_subquery()
    )
    holding = sa.exists().where(
        versions.c.photo_id == photos.c.id,
        versions.c.version == newest,
        _has_box(database, category_id),
    )
    return holding.correlate(photos)


def _has_box(database: Database, category_id: int) -> ColumnElement[bool]:
    each = sa.func.json_each if database.is_sqlite else sa.func.json_array_elements
    boxes = each(versions.c.boxes).table_valued(sa.column("value", sa.JSON), name="box")
    of_box = boxes.c.value["category"].as_integer()
    return sa.exists(sa.select(sa.literal(1)).select_from(boxes).where(of_box == category_id)).correlate(
        versions
    )
