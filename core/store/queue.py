"""The annotation queue: one order for all annotators, and leases that give a photo to one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from core.access import LOCAL, Actor, Right, needs
from core.errors import ConflictError, NotFoundError
from core.queue_place import QueuePlace
from core.store.audit import record_audit
from core.store.database import Database, batches_of, one_line
from core.store.schema import annotations as versions
from core.store.schema import drafts, photos, settings, skips, tasks
from core.store.tasks import (
    Task,
    add_up_counts,
    cold_task,
    count_tasks,
    drop_lease,
    find_task,
    open_again,
    photos_without_task,
    select_tasks,
    settle_imported,
    task_from,
)
from core.store.versions import is_annotated, locked_photo

LEASE_SECONDS = 900.0
REVIEW_IMPORTED = "review_imported"
"""The setting that has photos which came with annotations wait in the queue as well."""

BATCH = 1000
"""Rows in one transaction of a bulk change: between two of them, people's saves get through."""


@dataclass(frozen=True)
class OpenTaskPhoto:
    """A photo whose first task is open: its perceptual hash, and whether it came with annotations.

    ``rank`` is its present place in the order, below 0 for what has to be done before all others.
    """

    photo_id: int
    perceptual_hash: bytes
    annotated: bool
    holdout: bool
    rank: float


@dataclass(frozen=True)
class QueueCounts:
    """How many photos are to do (the leased too), leased now, done, and open for a second annotation.

    ``done`` are photos whose annotation stands, also those that came with it; ``open`` has those for a second
    annotation in it, ``first_open`` has not: with ``done`` it makes all photos. ``mine_done_today`` is how
    many the person did since midnight on this machine's clock.
    """

    open: int
    leased: int
    done: int
    second_open: int
    mine_done_today: int

    @property
    def first_open(self) -> int:
        """Photos that nobody has annotated, or that are to be annotated again."""
        return self.open - self.second_open


@dataclass(frozen=True)
class Queue:
    """The tasks of all people. Leases run on the database's clock, so many machines agree on them.

    Whoever is signed in works under their own name: with another one, and for another person's lease,
    NotFoundError.
    """

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def fill(self) -> int:
        """Make a task for every live photo without one, in an order that only its content decides; how many.

        Photos of the holdout are among the rest, as they have to be annotated to measure anything. Photos
        that came with annotations are done, unless their review is asked for: then they wait behind others.
        """
        made = last = 0
        while True:
            with self.database.write() as connection:
                rows = connection.execute(photos_without_task(last).limit(BATCH)).all()
                if not rows:
                    settle_imported(self.database, connection, review=self._reviews_imported(connection))
                    add_up_counts(self.database, connection)
                    return made
                insert = self.database.insert(tasks).on_conflict_do_nothing()
                connection.execute(insert, [cold_task(row) for row in rows])
                add_up_counts(self.database, connection)
            made, last = made + len(rows), rows[-1].id

    @needs(Right.IMPORT)
    def add_up_counts(self) -> None:
        """Keep the counts quick to read on PostgreSQL, where each change leaves a row of them."""
        with self.database.write() as connection:
            add_up_counts(self.database, connection)

    @needs(Right.READ)
    def reviews_imported(self) -> bool:
        """Whether photos that came with annotations wait in the queue."""
        with self.database.read() as connection:
            return self._reviews_imported(connection)

    @needs(Right.IMPORT)
    def review_imported(self, review: bool) -> None:
        """Have photos that came with annotations wait in the queue, behind all others, or not (any more).

        What somebody has begun, or a reviewer has sent back, stays to do.
        """
        insert = self.database.insert(settings).values(name=REVIEW_IMPORTED, value=review)
        chosen = {"value": insert.excluded.value}
        with self.database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=[settings.c.name], set_=chosen))
            record_audit(connection, self.database, self.actor, "setting", REVIEW_IMPORTED, value=review)
            settle_imported(self.database, connection, review=review)

    def _reviews_imported(self, connection: Connection) -> bool:
        found = sa.select(settings.c.value).where(settings.c.name == REVIEW_IMPORTED)
        return bool(connection.execute(found).scalar_one_or_none())

    @needs(Right.ANNOTATE)
    def order(self, entries: Iterable[QueuePlace]) -> int:
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

    @needs(Right.READ)
    def open_photos(self, photo_ids: Sequence[int] | None = None) -> Iterator[OpenTaskPhoto]:
        """Live photos whose first task is open, all or some of these, by number; a few rows at a time."""
        columns = photos.c.id, photos.c.perceptual_hash, is_annotated(), photos.c.holdout, tasks.c.rank
        chosen = sa.select(*columns)
        chosen = chosen.join(tasks, tasks.c.photo_id == photos.c.id)
        chosen = chosen.where(
            tasks.c.kind == "first", tasks.c.state == "open", photos.c.deleted_at.is_(None)
        ).order_by(photos.c.id)
        with self.database.read() as connection:
            reading = connection.execution_options(yield_per=BATCH)
            for some in batches_of(photo_ids, BATCH):
                of_these = chosen if some is None else chosen.where(photos.c.id.in_(some))
                for row in reading.execute(of_these):
                    yield OpenTaskPhoto(*row)

    @needs(Right.READ)
    def head(self, limit: int) -> list[int]:
        """The photos of the first open tasks in order, but for those that a reviewer sent back."""
        chosen = sa.select(tasks.c.photo_id)
        chosen = chosen.where(tasks.c.state == "open", tasks.c.kind == "first", tasks.c.rank >= 0)
        chosen = chosen.order_by(tasks.c.rank, tasks.c.id).limit(limit)
        return [row.photo_id for row in self.database.rows(chosen)]

    @needs(Right.ANNOTATE)
    def next(self, person: str, lease_seconds: float = LEASE_SECONDS) -> Task | None:
        """The person's next task, leased; None where nothing is left that they could do.

        First what they hold already, or held and left a draft on; then what was given to them; then a second
        annotation of others' work; then the first in order. Only what is open, free, not given to another
        person, and not skipped by them.
        """
        self.actor.require_own(person)
        with self.database.write() as connection:
            for chosen in (self._held(person), *self._waiting(person)):
                alone = chosen.with_for_update(skip_locked=True, of=tasks)
                task_id = connection.execute(alone).scalar_one_or_none()
                if task_id is not None:
                    return self._lease(connection, task_id, person, lease_seconds)
        return None

    @needs(Right.READ)
    def upcoming(self, person: str) -> int | None:
        """The photo that the person would get next; it is not leased, so others may be faster."""
        self.actor.require_sight(person)
        with self.database.read() as connection:
            for chosen in self._waiting(person):
                photo = chosen.with_only_columns(tasks.c.photo_id)
                photo_id: int | None = connection.execute(photo).scalar_one_or_none()
                if photo_id is not None:
                    return photo_id
        return None

    @needs(Right.ANNOTATE)
    def take(self, photo_id: int, person: str, lease_seconds: float = LEASE_SECONDS) -> Task:
        """The task of a certain photo, leased where it is open; a done one is returned as it is.

        The task of a second annotation is returned to the person who holds it. Raises ConflictError where
        somebody else holds the photo, and NotFoundError where there is no such photo.
        """
        self.actor.require_own(person)
        with self.database.write() as connection:
            photo = locked_photo(connection, photo_id)
            second = find_task(self.database, connection, photo_id, "second")
            if second is not None and second.state == "open" and second.lease_by == person:
                return self._lease(connection, second.id, person, lease_seconds)
            task = find_task(self.database, connection, photo_id, "first")
            if task is None:
                made = sa.insert(tasks).values(cold_task(photo)).returning(tasks.c.id)
                return self._lease(connection, connection.execute(made).scalar_one(), person, lease_seconds)
            if task.state != "open":
                return task
            if task.lease_by not in (None, person):
                raise ConflictError(f"{task.lease_by} is working on this photo.")
            return self._lease(connection, task.id, person, lease_seconds)

    @needs(Right.ANNOTATE)
    def renew(self, task_id: int, person: str, lease_seconds: float = LEASE_SECONDS) -> bool:
        """Extend the lease; False where the task is done, or another person has it by now."""
        self.actor.require_own(person)
        mine = (tasks.c.id == task_id, tasks.c.lease_by == person, tasks.c.state == "open")
        change = sa.update(tasks).where(*mine).values(lease_until=self.database.now + lease_seconds)
        return bool(self.database.change(change))

    @needs(Right.ANNOTATE)
    def release(self, task_id: int, person: str) -> None:
        """Give the task back; nothing happens where the person does not hold it."""
        self.actor.require_sight(person)
        with self.database.write() as connection:
            drop_lease(connection, task_id, person)

    @needs(Right.ANNOTATE)
    def skip(self, task_id: int, person: str) -> None:
        """Give the task back and do not get it again; others do. Raises NotFoundError."""
        self.actor.require_own(person)
        with self.database.write() as connection:
            if connection.execute(sa.select(tasks.c.id).where(tasks.c.id == task_id)).one_or_none() is None:
                raise NotFoundError("There is no such task.")
            values = {"task_id": task_id, "person": person, "at": self.database.now}
            connection.execute(self.database.insert(skips).values(**values).on_conflict_do_nothing())
            drop_lease(connection, task_id, person)

    @needs(Right.ANNOTATE)
    def put_first(self, photo_id: int, reason: str) -> None:
        """Have a photo done before all others, also where it was done; the reason is shown.

        Raises NotFoundError.
        """
        with self.database.write() as connection:
            photo = locked_photo(connection, photo_id)
            connection.execute(self.database.insert(tasks).values(cold_task(photo)).on_conflict_do_nothing())
            open_again(connection, [photo_id], one_line(reason))

    @needs(Right.ANNOTATE)
    def recall_skipped(self, person: str) -> int:
        """Let the person have again what they skipped; how many tasks."""
        self.actor.require_own(person)
        return self.database.change(sa.delete(skips).where(skips.c.person == person))

    @needs(Right.READ)
    def get(self, task_id: int) -> Task:
        """A task. Raises NotFoundError, also where another person holds it."""
        found = select_tasks(self.database).where(tasks.c.id == task_id)
        task = task_from(self.database.found(found, "There is no such task."))
        if task.lease_by is not None:
            self.actor.require_sight(task.lease_by)
        return task

    @needs(Right.READ)
    def last_done(self, person: str, before: int | None = None) -> Task | None:
        """The task that the person finished last, or last before another one of theirs."""
        self.actor.require_sight(person)
        found = select_tasks(self.database).where(tasks.c.done_by == person, tasks.c.state == "done")
        with self.database.read() as connection:
            later = None if before is None else connection.execute(_done_at(before, person)).one_or_none()
            if later is not None:
                found = found.where(sa.tuple_(tasks.c.done_at, tasks.c.id) < sa.tuple_(*later))
            newest = found.order_by(tasks.c.done_at.desc(), tasks.c.id.desc()).limit(1)
            row = connection.execute(newest).one_or_none()
        return None if row is None else task_from(row)

    @needs(Right.READ)
    def counts(self, person: str | None = None) -> QueueCounts:
        """How far the work is."""
        if person is not None:
            self.actor.require_sight(person)
        gone = sa.select(sa.func.count()).join_from(photos, tasks, photos.c.id == tasks.c.photo_id)
        gone = gone.where(
            photos.c.deleted_at > 0.0,  # as NOT NULL, but a range that an index answers
            tasks.c.kind == "first",
            tasks.c.state.concat("") == "done",  # so that no index of the many done ones is taken
        )
        leased = sa.select(sa.func.count()).where(
            tasks.c.lease_by > "",  # likewise
            tasks.c.lease_until > self.database.now,
        )
        today = sa.select(sa.func.count())
        today = today.where(tasks.c.done_by == person, tasks.c.done_at >= _midnight())
        with self.database.read() as connection:
            found = count_tasks(connection)
            return QueueCounts(
                sum(count for (state, _), count in found.items() if state == "open"),
                connection.execute(leased).scalar_one(),
                found.get(("done", "first"), 0) - connection.execute(gone).scalar_one(),
                found.get(("open", "second"), 0),
                connection.execute(today).scalar_one() if person is not None else 0,
            )

    def _held(self, person: str) -> Select[Any]:
        """The open task that the person holds, or held last and left a draft on."""
        left = sa.exists().where(drafts.c.photo_id == tasks.c.photo_id, drafts.c.author == person)
        mine = (tasks.c.lease_by == person, tasks.c.state == "open")
        held = sa.select(tasks.c.id).where(*mine, sa.or_(tasks.c.lease_until > self.database.now, left))
        return held.order_by(tasks.c.lease_until.desc()).limit(1)

    def _waiting(self, person: str) -> Iterator[Select[Any]]:
        """What the person does not hold yet, in order."""
        # Not kind = "first": SQLite would go through all open tasks in order, by the index of the next one.
        given = self._free(person, tasks.c.kind != "second").where(tasks.c.assigned_to == person)
        yield given.order_by(tasks.c.rank, tasks.c.id)
        yield from self._second(person)
        yield self._first(person)

    def _second(self, person: str) -> Iterator[Select[Any]]:
        """Second annotations of what others did, the oldest first.

        The authors before and behind the person in the alphabet are asked for apart: so the index jumps over
        the person's own work, which may be thousands of tasks that they must not have.
        """
        seen = sa.exists().where(versions.c.photo_id == tasks.c.photo_id, versions.c.author == person)
        for others in (tasks.c.first_author < person, tasks.c.first_author > person):
            yield (
                self._free(person, tasks.c.kind == "second")
                .where(others, ~seen)
                .order_by(tasks.c.first_author, tasks.c.id)
            )

    def _first(self, person: str) -> Select[Any]:
        anybodys = self._free(person, tasks.c.kind == "first").where(tasks.c.assigned_to.is_(None))
        return anybodys.order_by(tasks.c.rank, tasks.c.id)

    def _free(self, person: str, of_kind: sa.ColumnElement[bool]) -> Select[Any]:
        """One open task that nobody holds and the person has not skipped."""
        skipped = sa.select(skips.c.task_id).where(skips.c.person == person)
        held = tasks.c.lease_until > self.database.now
        free = sa.select(tasks.c.id).where(
            tasks.c.state == "open",
            of_kind,
            sa.or_(tasks.c.lease_until.is_(None), ~held),
            tasks.c.id.not_in(skipped),
        )
        return free.limit(1)

    def _lease(self, connection: Connection, task_id: int, person: str, lease_seconds: float) -> Task:
        lease = {"lease_by": person, "lease_until": self.database.now + lease_seconds}
        connection.execute(sa.update(tasks).where(tasks.c.id == task_id).values(**lease))
        return task_from(connection.execute(select_tasks(self.database).where(tasks.c.id == task_id)).one())


def _place(entry: QueuePlace) -> dict[str, Any]:
    why = {"reasons": list(entry.reasons), "parts": dict(entry.parts)}
    return {"of": entry.photo_id, "rank": entry.rank, "arm": entry.arm} | why


def _done_at(task_id: int, person: str) -> Select[Any]:
    where = (tasks.c.id == task_id, tasks.c.done_by == person, tasks.c.done_at.is_not(None))
    return sa.select(tasks.c.done_at, tasks.c.id).where(*where)


def _midnight() -> float:
    return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
