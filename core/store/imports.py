"""What was brought in: how far it is, what became of the photos, and which files were refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.access import LOCAL, Actor, Right, needs
from core.errors import NotFoundError
from core.store.audit import note_in
from core.store.database import Database
from core.store.schema import import_refusals, imports
from core.store.texts import one_line

FINISHED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class ImportRow:
    """One import. ``counts`` says for each outcome how many photos had it; ``at`` is when it began.

    ``state`` is waiting, running, done, failed or cancelled; ``folder`` is where the files lie.
    """

    id: int
    source: str
    folder: str | None
    state: str
    done: int
    total: int
    counts: Mapping[str, int]
    message: str
    by: str
    at: float


@dataclass(frozen=True)
class RefusedFile:
    """A file that was not taken, with the sentence for the person who brought it."""

    name: str
    reason: str


@dataclass(frozen=True)
class Imports:
    """The store's imports."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def begin(self, source: str, by: str, folder: str | None = None) -> int:
        """Note down that something is to be brought in, in the audit log as well; gives its number."""
        who = self.actor.known_as(one_line(by, 200))
        values: dict[str, Any] = {"source": one_line(source), "folder": folder, "by": who.name}
        values |= {"state": "waiting", "at": self.database.now}
        begun = sa.insert(imports).values(**values).returning(imports.c.id)
        with self.database.write() as connection:
            id = int(connection.execute(begun).scalar_one())
            note_in(connection, self.database, who, "import", f"import {id}, {source}", id=id, folder=folder)
            return id

    @needs(Right.IMPORT)
    def progress(
        self,
        id: int,
        done: int,
        total: int,
        counts: Mapping[str, int],
        state: str = "running",
        message: str = "",
    ) -> None:
        """How far an import is; one that has ended stays as it is. Raises NotFoundError for none."""
        values: dict[str, Any] = {"done": done, "total": total, "counts": dict(counts), "state": state}
        with self.database.write() as connection:
            change = sa.update(imports).where(imports.c.id == id, imports.c.state.not_in(FINISHED))
            result = connection.execute(change.values(**values, message=one_line(message)))
            if not result.rowcount and not connection.scalar(
                sa.select(imports.c.id).where(imports.c.id == id)
            ):
                raise NotFoundError("There is no such import.")

    @needs(Right.IMPORT)
    def cancel(self, id: int) -> None:
        """An import is to stop; what it has brought in stays. One that has ended stays as it is."""
        change = sa.update(imports).where(imports.c.id == id, imports.c.state.not_in(FINISHED))
        with self.database.write() as connection:
            connection.execute(change.values(state="cancelled", message=""))

    @needs(Right.IMPORT)
    def again(self, id: int) -> None:
        """An import that failed or was cancelled waits again."""
        stopped = sa.update(imports).where(imports.c.id == id, imports.c.state.in_(("failed", "cancelled")))
        with self.database.write() as connection:
            connection.execute(stopped.values(state="waiting", message=""))

    @needs(Right.IMPORT)
    def refuse(self, id: int, name: str, reason: str) -> None:
        """Note down a file that was not taken; said again, the last reason stays."""
        values = {"import_id": id, "name": one_line(name), "reason": one_line(reason)}
        insert = self.database.insert(import_refusals).values(**values)
        keys = [import_refusals.c.import_id, import_refusals.c.name]
        with self.database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=keys, set_={"reason": values["reason"]})
            )

    @needs(Right.READ)
    def get(self, id: int) -> ImportRow:
        """One import. Raises NotFoundError for no such import."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(imports).where(imports.c.id == id)).one_or_none()
        if row is None:
            raise NotFoundError("There is no such import.")
        return ImportRow(**row._mapping)

    @needs(Right.READ)
    def recent(self, most: int = 20) -> tuple[ImportRow, ...]:
        """The latest imports, newest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(imports).order_by(imports.c.id.desc()).limit(most)).all()
        return tuple(ImportRow(**row._mapping) for row in rows)

    @needs(Right.READ)
    def refusals(self, id: int) -> tuple[RefusedFile, ...]:
        """The files of an import that were not taken, in the order in which they came."""
        chosen = sa.select(import_refusals.c.name, import_refusals.c.reason)
        with self.database.read() as connection:
            rows = connection.execute(
                chosen.where(import_refusals.c.import_id == id).order_by(import_refusals.c.id)
            ).all()
        return tuple(RefusedFile(row.name, row.reason) for row in rows)
