"""Consensus review: a share of the photos is annotated again by another person, blind; a reviewer decides."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.access import LOCAL, Actor, Right, needs
from core.errors import ConflictError, NotFoundError, StoreError
from core.store.agreement import Agreement, agreement
from core.store.database import Database, one_line
from core.store.schema import annotations as versions
from core.store.schema import consensus_reviews as table
from core.store.schema import settings, tasks
from core.store.tasks import finish_task, open_again
from core.store.versions import (
    Annotation,
    NewVersion,
    VersionConflict,
    add_version,
    latest_version,
    locked_photo,
    one_version,
    saved_by,
)

SHARE_SETTING = "second_share"
DEFAULT_SHARE = 0.1
SIDES = ("first", "second")


@dataclass(frozen=True)
class ConsensusReview:
    """A photo that two people annotate; ``second`` and ``agreement`` are None until the second has submitted.

    ``verdict`` is None until a reviewer "accepted" one of the two or "returned" the photo to be done again.
    """

    photo_id: int
    first: Annotation
    second: Annotation | None
    agreement: Agreement | None
    verdict: str | None
    reviewer: str | None
    at: float


@dataclass(frozen=True)
class ConsensusReviews:
    """The consensus reviews of the store."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def waiting(self, limit: int = 100) -> list[ConsensusReview]:
        """Photos that two people annotated and nobody has reviewed, the oldest first."""
        ready = sa.select(table).where(table.c.second_version.is_not(None), table.c.verdict.is_(None))
        with self.database.read() as connection:
            rows = connection.execute(ready.order_by(table.c.at, table.c.photo_id).limit(limit)).all()
            return [_review(connection, row) for row in rows]

    @needs(Right.READ)
    def get(self, photo_id: int) -> ConsensusReview | None:
        """A photo's second annotation; None where there is none."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.photo_id == photo_id)).one_or_none()
            return None if row is None else _review(connection, row)

    @needs(Right.REVIEW)
    def accept(self, photo_id: int, reviewer: str, which: str = "first") -> Annotation:
        """Accept one of the two: a new version of the kind "accepted" with its boxes.

        The same answer again gives the saved version. Raises NotFoundError where there is nothing to review,
        ConflictError where somebody has reviewed it.
        """
        if which not in SIDES:
            raise StoreError(f"expected to accept the first or the second, got {which!r}")
        return self._judge(photo_id, reviewer, "accepted", f"accepted the {which}", which)

    @needs(Right.REVIEW)
    def returned(self, photo_id: int, reviewer: str, note: str = "") -> Annotation:
        """Send the photo back: its task is open again, at the head of the queue, with the note as reason.

        The note is also that of the new version of the kind "returned", which holds the first's boxes.
        Raises as ``accept`` does.
        """
        return self._judge(photo_id, reviewer, "returned", one_line(note), "first")

    def _judge(self, photo_id: int, reviewer: str, verdict: str, note: str, which: str) -> Annotation:
        reviewer = self.actor.known_as(reviewer).name
        with self.database.write() as connection:
            photo = locked_photo(connection, photo_id)
            row = connection.execute(sa.select(table).where(table.c.photo_id == photo_id)).one_or_none()
            if row is None or row.second_version is None:
                raise NotFoundError("This photo has no second annotation to review.")
            request = _request(row, verdict, which, reviewer)
            saved = saved_by(connection, request, photo_id)
            if saved is not None:
                return saved
            if row.verdict is not None:
                raise ConflictError(f"{row.reviewer} has {row.verdict} this photo already.")
            chosen = one_version(connection, photo_id, getattr(row, f"{which}_version"))
            new = NewVersion(
                photo_id, chosen.boxes, reviewer, row.first_version, request, verdict, None, note
            )
            made = add_version(self.database, connection, new, photo)
            decided = sa.update(table).where(table.c.photo_id == photo_id)
            connection.execute(decided.values(verdict=verdict, reviewer=reviewer))
            if verdict == "returned":
                open_again(connection, [photo_id], f"sent back by {reviewer}" + (f": {note}" if note else ""))
            return made


def is_due(digest: str, share: float) -> bool:
    """Whether a photo's content belongs to the share that is done twice: always the same answer."""
    return int(hashlib.sha256(f"second {digest}".encode()).hexdigest()[:8], 16) < share * 2**32


def second_share(connection: Connection) -> float:
    """The share of photos that are done twice, 0..1, as people have set it."""
    chosen = connection.execute(sa.select(settings.c.value).where(settings.c.name == SHARE_SETTING))
    value = chosen.scalar_one_or_none()
    return float(value) if isinstance(value, int | float) else DEFAULT_SHARE


def save_second(database: Database, connection: Connection, new: NewVersion, photo: Row) -> Annotation:
    """Within a submit: save the second person's version and compare the two.

    The second may correct theirs until it is reviewed. Raises StoreError where the photo is not to be done
    twice or the author has seen it, VersionConflict where somebody else was faster.
    """
    latest = latest_version(connection, new.photo_id)
    row = connection.execute(sa.select(table).where(table.c.photo_id == new.photo_id)).one_or_none()
    if row is None or latest is None:
        raise StoreError("This photo is not to be done twice.")
    second = None if row.second_version is None else one_version(connection, photo.id, row.second_version)
    if row.verdict is not None or (second is not None and second.author != new.author):
        raise VersionConflict(latest if second is None else second)
    if _has_seen(connection, photo.id, new.author):
        raise StoreError("A second annotation is for somebody who has not done this photo yet.")
    saved = add_version(database, connection, new, photo)
    finish_task(database, connection, photo.id, "second", new.author)
    _compare(connection, latest, saved)
    return saved


def follow_first(
    database: Database, connection: Connection, saved: Annotation, photo: Row, *, is_first: bool
) -> None:
    """Within a submit: ask for a second annotation where one is due, or compare it with the new version.

    ``is_first`` says that the version has just finished the photo's first task. A photo that was sent back
    waits for a reviewer again.
    """
    row = connection.execute(sa.select(table).where(table.c.photo_id == photo.id)).one_or_none()
    if row is None:
        if is_first and is_due(photo.digest, second_share(connection)):
            _begin(database, connection, saved)
    elif row.verdict != "accepted":
        if row.second_version is not None:
            _compare(connection, saved, one_version(connection, photo.id, row.second_version))
        else:
            _change(connection, photo.id, first_version=saved.version)


def _begin(database: Database, connection: Connection, first: Annotation) -> None:
    """A second task, where the first was in the order, and the row that will hold both."""
    at_first = sa.select(tasks.c.rank).where(tasks.c.photo_id == first.photo_id, tasks.c.kind == "first")
    reasons = ["a second annotation, to see how far two people agree"]
    task: dict[str, Any] = {"photo_id": first.photo_id, "kind": "second", "state": "open", "arm": "second"}
    task |= {"rank": at_first.scalar_subquery(), "reasons": reasons, "parts": {}}
    task |= {"first_author": first.author}
    connection.execute(sa.insert(tasks).values(**task))
    review = {"photo_id": first.photo_id, "first_version": first.version, "at": database.now}
    connection.execute(sa.insert(table).values(**review))


def _compare(connection: Connection, first: Annotation, second: Annotation) -> None:
    found = asdict(agreement(first.boxes, second.boxes))
    versions = {"first_version": first.version, "second_version": second.version}
    _change(connection, first.photo_id, **versions, agreement=found, verdict=None, reviewer=None)


def _change(connection: Connection, photo_id: int, **values: object) -> None:
    connection.execute(sa.update(table).where(table.c.photo_id == photo_id).values(**values))


def _has_seen(connection: Connection, photo_id: int, person: str) -> bool:
    """Whether the person has a part in the photo's versions, second annotations apart."""
    theirs = (versions.c.photo_id == photo_id, versions.c.author == person)
    found = sa.select(versions.c.id).where(*theirs, versions.c.kind != "second").limit(1)
    return connection.execute(found).first() is not None


def _review(connection: Connection, row: Row) -> ConsensusReview:
    first = one_version(connection, row.photo_id, row.first_version)
    second = None if row.second_version is None else one_version(connection, row.photo_id, row.second_version)
    found = None if row.agreement is None else Agreement(**row.agreement)
    return ConsensusReview(row.photo_id, first, second, found, row.verdict, row.reviewer, row.at)


def _request(row: Row, verdict: str, which: str, reviewer: str) -> str:
    """The same for the same answer to the same two versions: a verdict sent twice is one."""
    parts = (row.photo_id, row.first_version, row.second_version, verdict, which, reviewer)
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()
