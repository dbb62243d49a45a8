"""Who does which photo next: one order for all, and a lease that keeps a photo for one person at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select

from core.errors import ConflictError, NotFoundError
from core.store.database import Database
from core.store.schema import annotations as versions
from core.store.schema import drafts, photos, skips, tasks
from core.store.tasks import Task, drop_lease, find_task, select_tasks, task_from
from core.store.versions import locked_photo

LEASE_SECONDS = 900.0
BATCH = 1000
"""Rows in one transaction of a bulk change: between two of them, people's saves get through."""


@dataclass(frozen=True)
class Ranked:
    """A photo's place in the order: the lowest rank comes first.

    ``arm`` says who chose it (cold, selected, control), ``reasons`` why, in words; ``parts`` are the shares
    of the score, each in 0..1.
    """

    photo_id: int
    rank: float
    arm: str = "selected"
    reasons: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueCounts:
    """How many tasks are open (the leased among them), leased now, done, and open second looks; and how many
    the person who asks did since midnight on this machine's clock.
    """

    open: int
    leased: int
    done: int
    second_open: int
    mine_done_today: int


@dataclass(frozen=True)
class Queue:
    """The tasks of all people. Leases run on the database's clock, so many machines agree on them."""

    database: Database

    def fill(self) -> int:
        """Make a task for every live photo without one, in an order that only its content decides; how many.

        Photos of the holdout are among the rest, as they have to be annotated to measure anything. Photos
        that came with annotations wait behind those without.
        """
        made = 0
        while True:
            with self.database.write() as connection:
                rows = connection.execute(_without_task().limit(BATCH)).all()
                if not rows:
                    return made
                insert = self.database.insert(tasks).on_conflict_do_nothing()
                connection.execute(insert, [_cold(row) for row in rows])
                made += len(rows)

    def order(self, entries: Iterable[Ranked]) -> int:
        """Rank open tasks anew, a thousand a transaction; how many were.

        What a reviewer sent back stays first.
        """
        target = (tasks.c.kind == "first", tasks.c.state == "open", tasks.c.arm != "returned")
        change = sa.update(tasks).where(*target, tasks.c.photo_id == sa.bindparam("of"))
        changed, remaining = 0, iter(entries)
        while batch := list(islice(remaining, BATCH)):
            batch.sort(key=lambda entry: entry.photo_id)  # two orders at once lock rows in the same sequence
            with self.database.write() as connection:
                changed += connection.execute(change, [_place(entry) for entry in batch]).rowcount
        return changed

    def next(self, person: str, lease_seconds: float = LEASE_SECONDS) -> Task | None:
        """The person's next task, leased; None where nothing is left that they could do.

        First what they hold already, or held and left a draft on; then the first in order that is open, free,
        not skipped by them, and not a second look at their own work.
        """
        with self.database.write() as connection:
            task_id = connection.execute(self._held(person)).scalar_one_or_none()
            if task_id is None:
                task_id = connection.execute(self._free(person)).scalar_one_or_none()
            return None if task_id is None else self._lease(connection, task_id, person, lease_seconds)

    def take(self, photo_id: int, person: str, lease_seconds: float = LEASE_SECONDS) -> Task:
        """The task of a certain photo, leased where it is open; a done one is returned as it is.

        A second look is returned to the person who holds it. Raises ConflictError where somebody else holds
        the photo, and NotFoundError where there is no such photo.
        """
        with self.database.write() as connection:
            photo = locked_photo(connection, photo_id)
            second = find_task(self.database, connection, photo_id, "second")
            if second is not None and second.state == "open" and second.lease_by == person:
                return self._lease(connection, second.id, person, lease_seconds)
            task = find_task(self.database, connection, photo_id, "first")
            if task is None:
                made = sa.insert(tasks).values(_cold(photo)).returning(tasks.c.id)
                return self._lease(connection, connection.execute(made).scalar_one(), person, lease_seconds)
            if task.state != "open":
                return task
            if task.lease_by not in (None, person):
                raise ConflictError(f"{task.lease_by} is working on this photo.")
            return self._lease(connection, task.id, person, lease_seconds)

    def renew(self, task_id: int, person: str, lease_seconds: float = LEASE_SECONDS) -> bool:
        """Keep the task for longer; False where it is done, or somebody else has it by now."""
        mine = (tasks.c.id == task_id, tasks.c.lease_by == person, tasks.c.state == "open")
        change = sa.update(tasks).where(*mine).values(lease_until=self.database.now + lease_seconds)
        with self.database.write() as connection:
            return bool(connection.execute(change).rowcount)

    def release(self, task_id: int, person: str) -> None:
        """Give the task back; nothing happens where the person does not hold it."""
        with self.database.write() as connection:
            drop_lease(connection, task_id, person)

    def skip(self, task_id: int, person: str) -> None:
        """Give the task back and do not get it again; others do. Raises NotFoundError."""
        with self.database.write() as connection:
            if connection.execute(sa.select(tasks.c.id).where(tasks.c.id == task_id)).one_or_none() is None:
                raise NotFoundError("There is no such task.")
            values = {"task_id": task_id, "person": person, "at": self.database.now}
            connection.execute(self.database.insert(skips).values(**values).on_conflict_do_nothing())
            drop_lease(connection, task_id, person)

    def recall_skipped(self, person: str) -> int:
        """Let the person have again what they skipped; how many tasks."""
        with self.database.write() as connection:
            return connection.execute(sa.delete(skips).where(skips.c.person == person)).rowcount

    def get(self, task_id: int) -> Task:
        """A task. Raises NotFoundError."""
        with self.database.read() as connection:
            found = select_tasks(self.database).where(tasks.c.id == task_id)
            row = connection.execute(found).one_or_none()
        if row is None:
            raise NotFoundError("There is no such task.")
        return task_from(row)

    def last_done(self, person: str, before: int | None = None) -> Task | None:
        """The task that the person finished last, or last before another one of theirs."""
        found = select_tasks(self.database).where(tasks.c.done_by == person, tasks.c.state == "done")
        with self.database.read() as connection:
            later = None if before is None else connection.execute(_done_at(before, person)).one_or_none()
            if later is not None:
                found = found.where(sa.tuple_(tasks.c.done_at, tasks.c.id) < sa.tuple_(*later))
            newest = found.order_by(tasks.c.done_at.desc(), tasks.c.id.desc()).limit(1)
            row = connection.execute(newest).one_or_none()
        return None if row is None else task_from(row)

    def previous(self, person: str, before: int | None = None) -> int | None:
        """The photo of ``last_done``: where "back" leads."""
        task = self.last_done(person, before)
        return None if task is None else task.photo_id

    def counts(self, person: str | None = None) -> QueueCounts:
        """How far the work is."""
        is_open = tasks.c.state == "open"
        wheres = (
            (is_open,),
            (is_open, tasks.c.lease_by.is_not(None), tasks.c.lease_until > self.database.now),
            (tasks.c.state == "done",),
            (is_open, tasks.c.kind == "second"),
            (tasks.c.done_by == person, tasks.c.done_at >= _midnight()),
        )
        counts = (sa.select(sa.func.count()).select_from(tasks).where(*where) for where in wheres)
        with self.database.read() as connection:
            return QueueCounts(*(connection.execute(count).scalar_one() for count in counts))

    def _held(self, person: str) -> Select[Any]:
        """The open task that the person holds, or held last and left a draft on."""
        left = sa.exists().where(drafts.c.photo_id == tasks.c.photo_id, drafts.c.author == person)
        mine = (tasks.c.lease_by == person, tasks.c.state == "open")
        held = sa.select(tasks.c.id).where(*mine, sa.or_(tasks.c.lease_until > self.database.now, left))
        newest_first = held.order_by(tasks.c.lease_until.desc()).limit(1)
        return newest_first.with_for_update(skip_locked=True, of=tasks)

    def _free(self, person: str) -> Select[Any]:
        """The first open task that nobody holds and the person may have."""
        skipped = sa.exists().where(skips.c.task_id == tasks.c.id, skips.c.person == person)
        seen = sa.exists().where(versions.c.photo_id == tasks.c.photo_id, versions.c.author == person)
        free = sa.select(tasks.c.id).where(
            tasks.c.state == "open",
            sa.or_(tasks.c.lease_until.is_(None), tasks.c.lease_until <= self.database.now),
            sa.or_(tasks.c.first_author.is_(None), tasks.c.first_author != person),
            sa.or_(tasks.c.kind == "first", ~seen),
            ~skipped,
        )
        return free.order_by(tasks.c.rank, tasks.c.id).limit(1).with_for_update(skip_locked=True, of=tasks)

    def _lease(self, connection: Connection, task_id: int, person: str, lease_seconds: float) -> Task:
        lease = {"lease_by": person, "lease_until": self.database.now + lease_seconds}
        connection.execute(sa.update(tasks).where(tasks.c.id == task_id).values(**lease))
        return task_from(connection.execute(select_tasks(self.database).where(tasks.c.id == task_id)).one())


def _without_task() -> Select[Any]:
    has_task = sa.exists().where(tasks.c.photo_id == photos.c.id, tasks.c.kind == "first")
    return sa.select(photos.c.id, photos.c.digest, _annotated()).where(
        photos.c.deleted_at.is_(None), ~has_task
    )


def _annotated() -> sa.Label[bool]:
    return sa.exists().where(versions.c.photo_id == photos.c.id).label("annotated")


def _cold(photo: Row) -> dict[str, Any]:
    """A photo's first task before anything is known of it."""
    annotated = getattr(photo, "annotated", False)
    return {
        "photo_id": photo.id,
        "kind": "first",
        "state": "open",
        "rank": int(photo.digest[-8:], 16) / 2**32 + annotated,
        "arm": "cold",
        "reasons": [],
        "parts": {},
    }


def _place(entry: Ranked) -> dict[str, Any]:
    return {
        "of": entry.photo_id,
        "rank": entry.rank,
        "arm": entry.arm,
        "reasons": list(entry.reasons),
        "parts": dict(entry.parts),
    }


def _done_at(task_id: int, person: str) -> Select[Any]:
    where = (tasks.c.id == task_id, tasks.c.done_by == person, tasks.c.done_at.is_not(None))
    return sa.select(tasks.c.done_at, tasks.c.id).where(*where)


def _midnight() -> float:
    return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
