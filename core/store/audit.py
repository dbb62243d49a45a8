"""The audit log: who did what to what and when, written in the transaction that it records, never changed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import LOCAL, Actor, Right, needs
from core.csv_cells import escape_formula
from core.store.database import Database, one_line
from core.store.schema import audit as table

COLUMNS = ("at", "by", "action", "object", "details")
BATCH = 500
"""Rows in memory at a time."""


@dataclass(frozen=True)
class AuditEntry:
    """An action: ``object`` is what it was done to, in words, ``details`` what else is worth knowing."""

    id: int
    at: float
    by: str
    action: str
    object: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Audit:
    """The store's audit log."""

    database: Database
    actor: Actor = LOCAL

    def record(self, action: str, object: str, **details: Any) -> None:
        """Record an action that changed no table; one that did is recorded with ``record_audit``."""
        with self.database.write() as connection:
            record_audit(connection, self.database, self.actor, action, object, **details)

    @needs(Right.PEOPLE)
    def entries(
        self, most: int = 200, before: int | None = None, action: str | None = None, by: str | None = None
    ) -> list[AuditEntry]:
        """The latest entries, newest first; of one kind or one person, or those before an entry."""
        chosen = sa.select(table).order_by(table.c.id.desc()).limit(most)
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        if action is not None:
            chosen = chosen.where(table.c.action == action)
        if by is not None:
            chosen = chosen.where(table.c.by == by)
        return [AuditEntry(**row._mapping) for row in self.database.rows(chosen)]

    @needs(Right.PEOPLE)
    def export_csv(self, out: TextIO) -> int:
        """Write all entries as CSV, the oldest first, a few in memory at a time; how many there were.

        Times are UTC, details JSON, and no cell is a formula to a spreadsheet.
        """

        writer, count = csv.writer(out), 0
        writer.writerow(COLUMNS)
        for entry in self._oldest_first():
            at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
            details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True)
            writer.writerow([at, *map(escape_formula, (entry.by, entry.action, entry.object, details))])
            count += 1
        return count

    def _oldest_first(self) -> Iterator[AuditEntry]:
        """Every entry; no transaction stays open between two pages."""
        last = 0
        while True:
            page = sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(BATCH)
            rows = self.database.rows(page)
            yield from (AuditEntry(**row._mapping) for row in rows)
            if len(rows) < BATCH:
                return
            last = rows[-1].id


def record_audit(
    connection: Connection, database: Database, actor: Actor, action: str, object: str, **details: Any
) -> None:
    """Record an action in the transaction that does it, in the actor's name; ``details`` are JSON."""
    values = {"action": action, "object": one_line(object), "details": details}
    insert = sa.insert(table).values(at=database.now, by=one_line(actor.name, 200), **values)
    connection.execute(insert)
