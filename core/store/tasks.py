"""Tasks as rows: one photo to do, in what order, by whom; what saving and reviewing does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Integer, Row, Select, String, Table

from core.store.database import Database
from core.store.schema import DERIVED, drafts, metadata, photos, tasks
from core.store.schema import annotations as versions

Reasons = tuple[str, ...]
_FREE: dict[str, Any] = {"lease_by": None, "lease_until": None}

task_counts = Table(
    "task_counts",  # how many tasks there are: triggers keep it, in PostgreSQL by a row for each change
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    info={DERIVED: True},
)
COUNTS_LOCK = 0x1A9EB
MOST_COUNTS = 1000
"""Rows of counts that are not worth adding up."""


@dataclass(frozen=True)
class Task:
    """One photo to annotate. ``kind`` is "first" or "second" (again), ``state`` open, done or dropped.

    The lowest ``rank`` comes first; ``arm`` says who chose it (cold, selected, control, second, returned),
    ``reasons`` why, in words, and ``parts`` are the shares of its score, each in 0..1. ``lease_by`` is who
    has it now, until ``lease_until`` on the database's clock; both are None once that has passed.
    """

    id: int
    photo_id: int
    kind: str
    state: str
    rank: float
    arm: str
    reasons: Reasons
    parts: Mapping[str, float]
    lease_by: str | None
    lease_until: float | None


def count_tasks(connection: Connection) -> dict[tuple[str, str], int]:
    """How many tasks there are, by state and kind, in a time that does not grow with them."""
    columns = (task_counts.c.state, task_counts.c.kind)
    counted = sa.select(*columns, sa.func.sum(task_counts.c.number)).group_by(*columns)
    return {(state, kind): int(number) for state, kind, number in connection.execute(counted)}


def add_up_counts(database: Database, connection: Connection) -> None:
    """Make one row of the many that PostgreSQL's triggers have left for a kind and state."""
    if database.is_sqlite:
        return
    rows = sa.select(sa.func.count()).select_from(task_counts)
    if connection.execute(rows).scalar_one() <= MOST_COUNTS:
        return
    database.lock(connection, COUNTS_LOCK)
    names = ("kind", "state", "number")
    gone = sa.delete(task_counts).returning(*(task_counts.c[name] for name in names)).cte("gone")
    key = (gone.c.kind, gone.c.state)
    summed = sa.select(*key, sa.func.sum(gone.c.number)).group_by(*key)
    connection.execute(sa.insert(task_counts).from_select(names, summed))


def select_tasks(database: Database) -> Select[Any]:
    """Tasks' rows as ``task_from`` takes them, with whether the lease still runs."""
    return sa.select(tasks, (tasks.c.lease_until > database.now).label("leased"))


def task_from(row: Row) -> Task:
    """A row of ``select_tasks`` as a Task."""
    lease = (row.lease_by, row.lease_until) if row.leased else (None, None)
    place = (row.rank, row.arm, tuple(row.reasons), dict(row.parts))
    return Task(row.id, row.photo_id, row.kind, row.state, *place, *lease)


def find_task(database: Database, connection: Connection, photo_id: int, kind: str) -> Task | None:
    """A photo's task of a kind, its row held until the transaction ends."""
    found = select_tasks(database).where(tasks.c.photo_id == photo_id, tasks.c.kind == kind)
    row = connection.execute(found.with_for_update()).one_or_none()
    return None if row is None else task_from(row)


def finish_task(database: Database, connection: Connection, photo_id: int, kind: str, person: str) -> bool:
    """Close the photo's open task, whoever holds it; whether there was one.

    A photo that never had a first task gets a closed one, so that it is not handed out and "back" finds it.
    """
    done = {"state": "done", "done_by": person, "done_at": database.now} | _FREE
    of_photo = (tasks.c.photo_id == photo_id, tasks.c.kind == kind)
    if connection.execute(sa.update(tasks).where(*of_photo, tasks.c.state == "open").values(**done)).rowcount:
        return True
    if kind != "first":
        return False
    entry = {"photo_id": photo_id, "kind": kind, "rank": 0.0, "arm": "cold", "reasons": [], "parts": {}}
    insert = database.insert(tasks).values(**entry, **done).on_conflict_do_nothing().returning(tasks.c.id)
    return connection.execute(insert).one_or_none() is not None


def open_again(connection: Connection, photo_ids: Sequence[int], reason: str) -> None:
    """Put the photos' first tasks back to the head of the queue, with the reason shown."""
    again: dict[str, Any] = {"state": "open", "rank": -1.0, "arm": "returned", "reasons": [reason]}
    again |= {"done_by": None, "done_at": None} | _FREE
    where = (tasks.c.photo_id.in_(photo_ids), tasks.c.kind == "first")
    connection.execute(sa.update(tasks).where(*where).values(**again))


def settle_imported(database: Database, connection: Connection, *, review: bool) -> None:
    """Close the tasks of photos that came with annotations: nobody has to do them. ``review`` opens them.

    A task is closed where all of its photo's versions were imported, and nobody has begun it or sent it back.
    """
    first = (tasks.c.kind == "first",)
    by_a_person = sa.exists().where(versions.c.photo_id == tasks.c.photo_id, versions.c.kind != "imported")
    imported = sa.exists().where(versions.c.photo_id == tasks.c.photo_id)
    if review:
        unseen = (*first, tasks.c.state == "done", tasks.c.done_by.is_(None), imported, ~by_a_person)
        connection.execute(sa.update(tasks).where(*unseen).values(state="open", done_at=None))
        return
    has_draft = sa.exists().where(drafts.c.photo_id == tasks.c.photo_id)
    idle = (sa.or_(tasks.c.lease_until.is_(None), tasks.c.lease_until <= database.now), ~has_draft)
    waiting = (*first, tasks.c.state == "open", tasks.c.arm != "returned", imported, ~by_a_person)
    done = {"state": "done", "done_at": database.now} | _FREE
    connection.execute(sa.update(tasks).where(*waiting, *idle).values(**done))


def drop_lease(connection: Connection, task_id: int, person: str) -> None:
    """Take the task from the person, if they hold it."""
    mine = (tasks.c.id == task_id, tasks.c.lease_by == person)
    connection.execute(sa.update(tasks).where(*mine).values(**_FREE))


def photos_without_task(after: int) -> Select[Any]:
    """Live photos with a number beyond ``after`` that nobody has been asked to do, by number."""
    has_task = sa.exists().where(tasks.c.photo_id == photos.c.id, tasks.c.kind == "first")
    annotated = sa.exists().where(versions.c.photo_id == photos.c.id).label("annotated")
    missing = (photos.c.id > after, photos.c.deleted_at.is_(None), ~has_task)
    return sa.select(photos.c.id, photos.c.digest, annotated).where(*missing).order_by(photos.c.id)


def cold_task(photo: Row) -> dict[str, Any]:
    """A photo's first task before anything is known of it: as good as random, and always the same.

    What is ``annotated`` already comes behind what is not.
    """
    rank = int(photo.digest[-8:], 16) / 2**32 + getattr(photo, "annotated", False)
    place = {"rank": rank, "arm": "cold", "reasons": [], "parts": {}}
    return {"photo_id": photo.id, "kind": "first", "state": "open"} | place
