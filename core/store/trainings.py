"""Trainings: what is to be learned from which revision, how far it is, its curve and its log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import LOCAL, Actor, Right, needs
from core.errors import ConflictError, NotFoundError, RecipeError
from core.models.cards import KINDS
from core.store.database import Database, one_line
from core.store.jobs import ENDED, GOING
from core.store.schema import revisions, training_lines, training_points
from core.store.schema import trainings as table
from core.store.webhooks import TRAINING, record_event

MODES = ("quick", "full")

SILENT_SECONDS = 600.0
"""A training without a job, in somebody's shell, that says nothing for so long is taken for dead."""

ANCHORS = "anchors"
"""In a training's settings: the anchors that were asked for, where they are not the champion's."""

OWN_ANCHORS = "own"
ANCHOR_COUNT = 9
MOST_SHARE = 4.0
Anchors = str | Sequence[Sequence[float]] | None

_LOCK = 0x1A9E9


@dataclass(frozen=True)
class TrainingRow:
    """A training: ``step`` of ``steps`` batches; ``state`` is waiting, running, done, failed or cancelled.

    ``job`` is the background work that does it (None in the shell), ``parent_id`` the model that it goes on
    from, ``settings`` the recipe with its seed and the counts of photos, both known once it runs. Times are
    seconds since 1970.
    """

    id: int
    job: str | None
    kind: str
    mode: str
    revision: int
    parent_id: int | None
    settings: Mapping[str, Any]
    state: str
    step: int
    steps: int
    message: str
    by: str
    at: float
    started_at: float | None
    updated_at: float
    ended_at: float | None

    @property
    def is_going(self) -> bool:
        """Whether it waits or runs."""
        return self.state in GOING


@dataclass(frozen=True)
class Point:
    """A place on the curve: after ``step`` batches these values, e.g. ``loss``, ``photos_a_second``."""

    step: int
    values: Mapping[str, float | None]
    at: float


@dataclass(frozen=True)
class Line:
    """A line of a training's log."""

    id: int
    text: str
    at: float


@dataclass(frozen=True)
class Trainings:
    """The store's trainings."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.TRAIN)
    def begin(
        self,
        kind: str,
        mode: str,
        revision: int,
        *,
        anchors: Anchors = None,
        by_worker: bool = True,
    ) -> TrainingRow:
        """The training of this kind that waits or runs, or else a new one that waits.

        With ``by_worker`` it gets the name of a job. A detector's ``anchors`` are the champion's (None), such
        as fit what it learns from ("own"), or nine pairs of width and height as shares of the input's long
        side. Raises RecipeError for another kind or mode than there are and for other anchors, NotFoundError
        for no such revision.
        """
        if kind not in KINDS or mode not in MODES:
            raise RecipeError(
                f"expected a detector or a classifier, quick or full, to train, got {mode} {kind}"
            )
        settings = {} if anchors is None else {ANCHORS: _checked_anchors(kind, anchors)}
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            self._give_up_silent(connection)
            going = _going(connection, kind)
            if going is not None:
                return going
            _require_revision(connection, revision)
            id = connection.execute(
                sa.insert(table)
                .values(self._waiting(kind, mode, revision) | {"settings": settings})
                .returning(table.c.id)
            ).scalar_one()
            if by_worker:
                connection.execute(_at(id).values(job=f"train-{id}"))
            return _row(connection, id)

    @needs(Right.TRAIN)
    def retry(self, id: int) -> TrainingRow:
        """A training that failed or was cancelled waits again.

        Raises NotFoundError for no such training, ConflictError where another of its kind is going.
        """
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            row = _row(connection, id)
            if row.state not in ("failed", "cancelled"):
                return row
            if _going(connection, row.kind) is not None:
                raise ConflictError(f"Another {row.kind} is being trained already.")
            values = {"state": "waiting", "message": "", "ended_at": None, "updated_at": self.database.now}
            connection.execute(_at(id).values(**values))
            return _row(connection, id)

    @needs(Right.TRAIN)
    def prepared(self, id: int, *, parent_id: int | None, settings: Mapping[str, Any]) -> None:
        """What it goes on from, and how it is done. Raises NotFoundError for no such training."""
        with self.database.write() as connection:
            _row(connection, id)
            connection.execute(_at(id).values(parent_id=parent_id, settings=dict(settings)))

    @needs(Right.TRAIN)
    def progress(self, id: int, step: int, steps: int, message: str = "") -> None:
        """How far it is and what is being done; one that has ended stays as it is."""
        values: dict[str, Any] = {"step": step, "steps": steps, "message": one_line(message)}
        values |= {"state": "running", "updated_at": self.database.now}
        values |= {"started_at": sa.func.coalesce(table.c.started_at, self.database.now)}
        self.database.change(_at(id).where(table.c.state.in_(GOING)).values(**values))

    @needs(Right.TRAIN)
    def point(self, id: int, step: int, values: Mapping[str, float | None]) -> None:
        """A place on the curve; at the same step, what is new joins what is there. No number becomes None."""
        with self.database.write() as connection:
            at_step = (training_points.c.training_id == id, training_points.c.step == step)
            known = connection.execute(sa.select(training_points.c["values"]).where(*at_step)).scalar()
            row = {"values": (known or {}) | _numbers(values), "at": self.database.now}
            insert = self.database.insert(training_points).values(training_id=id, step=step, **row)
            connection.execute(insert.on_conflict_do_update(index_elements=["training_id", "step"], set_=row))

    @needs(Right.TRAIN)
    def rewind(self, id: int, step: int) -> None:
        """Forget the curve after a step: the training goes on from there."""
        later = (training_points.c.training_id == id, training_points.c.step > step)
        self.database.change(sa.delete(training_points).where(*later))

    @needs(Right.TRAIN)
    def points(self, id: int, after: int = 0) -> list[Point]:
        """The curve by step, from the step behind ``after`` on."""
        chosen = sa.select(training_points).where(training_points.c.training_id == id)
        chosen = chosen.where(training_points.c.step > after).order_by(training_points.c.step)
        rows = (row._mapping for row in self.database.rows(chosen))
        return [Point(row["step"], row["values"], row["at"]) for row in rows]

    @needs(Right.TRAIN)
    def log(self, id: int, text: str) -> None:
        """Add a line to the log."""
        values = {"training_id": id, "text": one_line(text), "at": self.database.now}
        self.database.change(sa.insert(training_lines).values(**values))

    @needs(Right.TRAIN)
    def lines(self, id: int, last: int = 200) -> list[Line]:
        """The last lines of the log, the oldest first."""
        chosen = sa.select(training_lines.c.id, training_lines.c.text, training_lines.c.at)
        chosen = chosen.where(training_lines.c.training_id == id)
        rows = self.database.rows(chosen.order_by(training_lines.c.id.desc()).limit(last))
        return [Line(*row) for row in reversed(rows)]

    @needs(Right.TRAIN)
    def finish(self, id: int, state: str, message: str = "") -> None:
        """It has ended: done, failed or cancelled. The first to say so is believed."""
        if state not in ENDED:
            raise ValueError(f"a training ends as one of {', '.join(ENDED)}, got {state!r}")
        now = self.database.now
        values = {"state": state, "message": one_line(message), "updated_at": now, "ended_at": now}
        change = _at(id).where(table.c.state.in_(GOING)).values(**values).returning(*table.c)
        with self.database.write() as connection:
            row = connection.execute(change).one_or_none()
            if row is not None:
                same = ("id", "kind", "mode", "revision", "state", "message", "by")
                record_event(self.database, connection, TRAINING, {name: getattr(row, name) for name in same})

    @needs(Right.TRAIN)
    def cancel(self, id: int) -> None:
        """Stop it, where it waits or runs. Raises NotFoundError for no such training."""
        self.get(id)
        self.finish(id, "cancelled")

    @needs(Right.TRAIN)
    def get(self, id: int) -> TrainingRow:
        """One training. Raises NotFoundError for no such training."""
        with self.database.read() as connection:
            return _row(connection, id)

    @needs(Right.TRAIN)
    def recent(self, most: int = 20) -> tuple[TrainingRow, ...]:
        """The latest trainings, newest first."""
        return self._rows(sa.select(table).order_by(table.c.id.desc()).limit(most))

    @needs(Right.TRAIN)
    def running(self) -> tuple[TrainingRow, ...]:
        """The trainings that wait or run, oldest first."""
        return self._rows(sa.select(table).where(table.c.state.in_(GOING)).order_by(table.c.id))

    def _give_up_silent(self, connection: Connection) -> None:
        """Jobs are seen to by workers; a shell that was killed cannot say so."""
        silent = (table.c.job.is_(None), table.c.updated_at < self.database.now - SILENT_SECONDS)
        gone = "The shell that trained is gone."
        values = {"state": "failed", "message": gone, "ended_at": self.database.now}
        connection.execute(sa.update(table).where(table.c.state.in_(GOING), *silent).values(**values))

    def _waiting(self, kind: str, mode: str, revision: int) -> dict[str, Any]:
        now = self.database.now
        values = {"kind": kind, "mode": mode, "revision": revision, "state": "waiting"}
        return values | {"by": one_line(self.actor.name, 200), "at": now, "updated_at": now}

    def _rows(self, chosen: sa.Select) -> tuple[TrainingRow, ...]:
        return tuple(TrainingRow(**row._mapping) for row in self.database.rows(chosen))


def _checked_anchors(kind: str, anchors: str | Sequence[Sequence[float]]) -> str | list[list[float]]:
    if kind != "detector":
        raise RecipeError(f"anchors go with a detector, not with a {kind}")
    if anchors == OWN_ANCHORS:
        return OWN_ANCHORS
    pairs: list[list[float]] = []
    if not isinstance(anchors, str):
        try:
            pairs = [[float(width), float(height)] for width, height in anchors]
        except (TypeError, ValueError):
            pairs = []
    if len(pairs) != ANCHOR_COUNT or not all(0 < side <= MOST_SHARE for pair in pairs for side in pair):
        raise RecipeError(
            f'expected anchors of "{OWN_ANCHORS}" or {ANCHOR_COUNT} pairs of width and height, as shares of '
            f"the input's long side, got {str(anchors)[:80]!r}"
        )
    return pairs


def _at(id: int) -> sa.Update:
    return sa.update(table).where(table.c.id == id)


def _row(connection: Connection, id: int) -> TrainingRow:
    row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such training.")
    return TrainingRow(**row._mapping)


def _going(connection: Connection, kind: str) -> TrainingRow | None:
    chosen = sa.select(table).where(table.c.kind == kind, table.c.state.in_(GOING)).order_by(table.c.id)
    row = connection.execute(chosen.limit(1)).one_or_none()
    return None if row is None else TrainingRow(**row._mapping)


def _require_revision(connection: Connection, number: int) -> None:
    if connection.execute(sa.select(revisions.c.number).where(revisions.c.number == number)).first() is None:
        raise NotFoundError(f"There is no revision {number}.")


def _numbers(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Only what JSON knows as numbers: a loss that has left them is None."""
    return {
        name: None if value is None or not math.isfinite(value) else round(float(value), 6)
        for name, value in values.items()
    }
