"""Jobs: the progress of background work, as pages show it; core.jobs does the work."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.access import LOCAL, Actor, Right, needs
from core.store.database import Database, one_line
from core.store.schema import jobs as table
from core.store.schema import settings

GOING = ("waiting", "running")
ENDED = ("done", "failed", "cancelled")

RESUMED_SETTING = "resumed_jobs"
"""Where it is kept when jobs were resumed, and how far they were."""

_LOCK = 0x1A9E7
_RESUMED = sa.select(settings.c.value).where(settings.c.name == RESUMED_SETTING)
log = logging.getLogger("lapel.jobs")


@dataclass(frozen=True)
class JobRow:
    """A job: ``done`` of ``total`` steps; ``state`` is waiting, running, done, failed or cancelled."""

    id: str
    kind: str
    state: str
    done: int
    total: int
    message: str
    by: str
    at: float
    updated_at: float

    @property
    def is_going(self) -> bool:
        """Whether it waits or runs."""
        return self.state in GOING


@dataclass(frozen=True)
class Jobs:
    """The store's jobs."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def begin(self, id: str, kind: str, by: str) -> None:
        """Add a job that waits to be done; nothing changes where it is there."""
        values = self._waiting(id, kind, by)
        self.database.change(self.database.insert(table).values(**values).on_conflict_do_nothing())

    @needs(Right.IMPORT)
    def request(self, kind: str, by: str) -> str:
        """The number of the job of this kind that waits or runs, or else of a new one that waits."""
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            going = sa.select(table.c.id).where(table.c.kind == kind, table.c.state.in_(GOING))
            known = connection.execute(going.order_by(table.c.at).limit(1)).scalar_one_or_none()
            if known is not None:
                return str(known)
            id = f"{kind}-{uuid.uuid4().hex[:12]}"
            connection.execute(sa.insert(table).values(**self._waiting(id, kind, by)))
            return id

    @needs(Right.IMPORT)
    def retry(self, id: str) -> None:
        """A job that failed or was cancelled waits again; ``resumed`` tells since when."""
        stopped = sa.and_(table.c.id == id, table.c.state.in_(("failed", "cancelled")))
        now = self.database.now
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            row = connection.execute(sa.select(table.c.done, now.label("at")).where(stopped)).first()
            if row is None:
                return
            waiting = sa.update(table).where(stopped).values(state="waiting", message="", updated_at=now)
            connection.execute(waiting)
            going = set(connection.execute(sa.select(table.c.id).where(table.c.state.in_(GOING))).scalars())
            known = connection.execute(_RESUMED).scalar() or {}
            value = {job: entry for job, entry in known.items() if job in going}
            insert = self.database.insert(settings).values(
                name=RESUMED_SETTING, value=value | {id: [row.at, row.done]}
            )
            chosen = {"value": insert.excluded.value}
            connection.execute(insert.on_conflict_do_update(index_elements=[settings.c.name], set_=chosen))

    @needs(Right.IMPORT)
    def progress(self, id: str, done: int, total: int, message: str = "") -> None:
        """How far a job is; one that has ended stays as it is."""
        change = sa.update(table).where(table.c.id == id, table.c.state.in_(GOING))
        values = {"done": done, "total": total, "message": one_line(message), "updated_at": self.database.now}
        self.database.change(change.values(state="running", **values))

    @needs(Right.IMPORT)
    def finish(self, id: str, state: str, message: str = "") -> None:
        """A job has ended: done, failed or cancelled. The first end stays."""
        if state not in ENDED:
            raise ValueError(f"a job ends as one of {', '.join(ENDED)}, got {state!r}")
        change = sa.update(table).where(table.c.id == id, table.c.state.in_(GOING))
        values = {"state": state, "message": one_line(message), "updated_at": self.database.now}
        if self.database.change(change.values(**values)):
            log.info("A job ended", extra={"job": id, "state": state, "detail": one_line(message)})

    @needs(Right.READ)
    def get(self, id: str) -> JobRow:
        """One job. Raises NotFoundError for no such job."""
        row = self.database.found(sa.select(table).where(table.c.id == id), "There is no such job.")
        return JobRow(**row._mapping)

    @needs(Right.READ)
    def recent(self, most: int = 20) -> tuple[JobRow, ...]:
        """The latest jobs, newest first."""
        return self._rows(sa.select(table).order_by(table.c.at.desc(), table.c.id).limit(most))

    @needs(Right.READ)
    def latest(self, kind: str) -> JobRow | None:
        """The latest job of a kind; None where there was none."""
        chosen = sa.select(table).where(table.c.kind == kind).order_by(table.c.at.desc(), table.c.id)
        return next(iter(self._rows(chosen.limit(1))), None)

    @needs(Right.READ)
    def running(self) -> tuple[JobRow, ...]:
        """The jobs that wait or run, oldest first."""
        return self._rows(sa.select(table).where(table.c.state.in_(GOING)).order_by(table.c.at, table.c.id))

    @needs(Right.READ)
    def resumed(self) -> dict[str, tuple[float, int]]:
        """Of resumed jobs: when that was last, in seconds since 1970, and how many steps were done."""
        return {id: (at, done) for id, (at, done) in (self.database.value(_RESUMED) or {}).items()}

    @needs(Right.READ)
    def cancelled(self) -> tuple[str, ...]:
        """The numbers of all cancelled jobs."""
        chosen = sa.select(table.c.id).where(table.c.state == "cancelled")
        return tuple(row.id for row in self.database.rows(chosen))

    def _waiting(self, id: str, kind: str, by: str) -> dict[str, Any]:
        now, who = self.database.now, one_line(self.actor.known_as(by).name, 200)
        return {"id": id, "kind": kind, "state": "waiting", "by": who, "at": now, "updated_at": now}

    def _rows(self, chosen: sa.Select) -> tuple[JobRow, ...]:
        return tuple(JobRow(**row._mapping) for row in self.database.rows(chosen))
