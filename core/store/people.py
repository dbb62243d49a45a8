"""Users, with the names that stand at their work and their roles, and the audit log of what they did."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select
from sqlalchemy.exc import IntegrityError

from core.access import INITIAL_AUTHOR, LOCAL, Actor, Right, Role, needs
from core.errors import NotFoundError, StoreError
from core.file_names import free_name
from core.store.database import Database, one_line
from core.store.schema import audit as audit_table
from core.store.schema import people as people_table

SEEN_EVERY_SECONDS = 3600.0
"""Between two times that it is noted down that somebody is there."""

RESERVED = (LOCAL.name, INITIAL_AUTHOR)
"""Names that stand at the machine's own work."""

_LOCK = 0x1A9EB
_ROLES = {role.value for role in Role}
COLUMNS = ("at", "by", "action", "object", "details")
BATCH = 500
"""Rows in memory at a time."""


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in. ``role`` is what an admin has set, ``claimed`` what the sign-in last named.

    ``subject`` and ``seen_at`` are None until they have signed in for the first time.
    """

    name: str
    subject: str | None
    role: Role | None
    claimed: tuple[str, ...]
    at: float
    seen_at: float | None

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that count: the one that was set, else those that were claimed, else a merchant's."""
        if self.role is not None:
            return frozenset({self.role})
        return frozenset(Role(role) for role in self.claimed) or frozenset({Role.MERCHANT})

    @property
    def actor(self) -> Actor:
        """The person as one who acts."""
        return Actor(self.name, self.roles)


@dataclass(frozen=True)
class People:
    """The store's people."""

    database: Database
    actor: Actor = LOCAL

    def seen(self, name: str, subject: str, claimed_roles: Iterable[str]) -> Actor:
        """Somebody has signed in: who they are here, and what they may do.

        ``subject`` says who it is, ``name`` only how they are called when they come first: the name that they
        have then stays theirs, with a number behind it where somebody else has it. A name that was given a
        role beforehand goes to the first who comes under it. Nothing is written unless something has changed
        or an hour has passed.
        """
        claimed = sorted(_ROLES.intersection(claimed_roles))
        with self.database.read() as connection:
            row = connection.execute(self._of(subject)).one_or_none()
        if row is None:
            return self._first(name, subject, claimed).actor
        if row.claimed != claimed or row.age is None or row.age > SEEN_EVERY_SECONDS:
            again = (
                sa.update(people_table)
                .where(people_table.c.subject == subject)
                .values(seen_at=self.database.now)
            )
            with self.database.write() as connection:
                row = connection.execute(again.values(claimed=claimed).returning(*people_table.c)).one()
        return _person(row).actor

    def known(self, subject: str) -> Actor | None:
        """Who has signed in as this subject, with the roles of this moment; None for nobody yet."""
        with self.database.read() as connection:
            row = connection.execute(self._of(subject)).one_or_none()
        return None if row is None else _person(row).actor

    @needs(Right.PEOPLE)
    def all(self) -> list[Person]:
        """Everybody, by name."""
        with self.database.read() as connection:
            return [
                _person(row)
                for row in connection.execute(sa.select(people_table).order_by(people_table.c.name))
            ]

    @needs(Right.PEOPLE)
    def set_role(self, name: str, role: Role | None) -> Person:
        """Give somebody a role, whatever their sign-in says; None: as it says.

        A name that nobody has yet, whatever its case, waits for the first who signs in under it. Raises
        NotFoundError where a role is to be taken from nobody, StoreError where the last admin would go.
        """
        name = one_line(name, 200)
        if not name or name.casefold() in RESERVED:
            raise StoreError(f"expected somebody's name, got {name!r}")
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            before = _named(connection, name)
            if before is None and role is None:
                raise NotFoundError(f"There is nobody called {name}.")
            after = self._write(connection, before.name if before else name, role)
            _require_admin(connection, before, after)
            _note(connection, self.database, self.actor, before, after)
        return after

    def _of(self, subject: str) -> sa.Select[Any]:
        age = (self.database.now - people_table.c.seen_at).label("age")
        return sa.select(people_table, age).where(people_table.c.subject == subject)

    def _first(self, name: str, subject: str, claimed: list[str]) -> Person:
        """A row for somebody new; two of their pages may ask at once."""
        try:
            with self.database.write() as connection:
                self.database.lock(connection, _LOCK)
                known = connection.execute(self._of(subject)).one_or_none()
                return self._take(connection, name, subject, claimed) if known is None else _person(known)
        except IntegrityError:
            raise StoreError("This sign-in could not be noted down; try again.") from None

    def _take(self, connection: Connection, name: str, subject: str, claimed: list[str]) -> Person:
        """The row that waits for this name, or a new one under a name that nobody has."""
        name = one_line(name, 180) or "somebody"
        now = self.database.now
        values = {"subject": subject, "claimed": claimed, "seen_at": now}
        waiting = _named(connection, name)
        if waiting is not None and waiting.subject is None:
            statement: Any = (
                sa.update(people_table).where(people_table.c.name == waiting.name).values(name=name, **values)
            )
        else:
            statement = sa.insert(people_table).values(name=_free_name(connection, name), at=now, **values)
        person = _person(connection.execute(statement.returning(*people_table.c)).one())
        if person.role is not None:
            note_in(connection, self.database, person.actor, "join", person.name, role=person.role.value)
        return person

    def _write(self, connection: Connection, name: str, role: Role | None) -> Person:
        insert = self.database.insert(people_table).values(
            name=name, role=role, claimed=[], at=self.database.now
        )
        change = insert.on_conflict_do_update(index_elements=[people_table.c.name], set_={"role": role})
        person = _person(connection.execute(change.returning(*people_table.c)).one())
        if role is None and person.subject is None:  # nobody has come under this name
            connection.execute(sa.delete(people_table).where(people_table.c.name == name))
        return person


def _named(connection: Connection, name: str) -> Person | None:
    """Whoever has this name, whatever its case."""
    everybody = map(_person, connection.execute(sa.select(people_table)))
    return next((person for person in everybody if person.name.casefold() == name.casefold()), None)


def _free_name(connection: Connection, name: str) -> str:
    """The name, or the first with a number that is nobody's, whatever its case."""
    taken = {known.casefold() for known in connection.execute(sa.select(people_table.c.name)).scalars()}
    taken |= set(RESERVED)
    return free_name(name, lambda free: free.casefold() in taken, "{stem} ({number})")


def _require_admin(connection: Connection, before: Person | None, after: Person) -> None:
    """Raises StoreError where this was the last admin."""
    if before is None or Role.ADMIN not in before.roles or Role.ADMIN in after.roles:
        return
    everybody = map(_person, connection.execute(sa.select(people_table)))
    if not any(Role.ADMIN in person.roles for person in everybody):
        raise StoreError(f"{after.name} is the last admin: somebody else has to become one first.")


def _note(
    connection: Connection, database: Database, actor: Actor, before: Person | None, after: Person
) -> None:
    was = None if before is None or before.role is None else before.role.value
    role = None if after.role is None else after.role.value
    if was != role:
        note_in(connection, database, actor, "role", after.name, role=role, before=was)


def _person(row: Row) -> Person:
    role = Role(row.role) if row.role in _ROLES else None
    claimed = tuple(name for name in row.claimed if name in _ROLES)
    return Person(row.name, row.subject, role, claimed, row.at, row.seen_at)


@dataclass(frozen=True)
class Entry:
    """Something that was done: ``object`` says in words to what, ``details`` what else is worth knowing."""

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

    def note(self, action: str, object: str, **details: Any) -> None:
        """Note down something that changed no table; what did is noted with ``note_in``, or not at all."""
        with self.database.write() as connection:
            note_in(connection, self.database, self.actor, action, object, **details)

    @needs(Right.PEOPLE)
    def entries(
        self, most: int = 200, before: int | None = None, action: str | None = None, by: str | None = None
    ) -> list[Entry]:
        """The latest entries, newest first; of one kind or one person, or those before an entry."""
        chosen = sa.select(audit_table).order_by(audit_table.c.id.desc()).limit(most)
        if before is not None:
            chosen = chosen.where(audit_table.c.id < before)
        if action is not None:
            chosen = chosen.where(audit_table.c.action == action)
        if by is not None:
            chosen = chosen.where(audit_table.c.by == by)
        with self.database.read() as connection:
            return [_entry(row) for row in connection.execute(chosen)]

    @needs(Right.PEOPLE)
    def export_csv(self, out: TextIO) -> int:
        """Write all entries as CSV, the oldest first, a few in memory at a time; how many there were.

        Times are UTC, details JSON, and no cell is a formula to a spreadsheet.
        """
        from core.datasets.export import neutral  # brings what reads annotations

        writer, count = csv.writer(out), 0
        writer.writerow(COLUMNS)
        for entry in self._oldest_first():
            at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
            details = json.dumps(entry.details, ensure_ascii=False, sort_keys=True)
            writer.writerow([at, *map(neutral, (entry.by, entry.action, entry.object, details))])
            count += 1
        return count

    def _oldest_first(self) -> Iterator[Entry]:
        """Every entry; no transaction stays open between two pages."""
        last = 0
        while True:
            with self.database.read() as connection:
                rows = connection.execute(_page(last)).all()
            yield from map(_entry, rows)
            if len(rows) < BATCH:
                return
            last = rows[-1].id


def note_in(
    connection: Connection, database: Database, actor: Actor, action: str, object: str, **details: Any
) -> None:
    """Within a transaction: log what it does, in the actor's name. ``details`` are plain JSON."""
    values = {
        "at": database.now,
        "by": one_line(actor.name, 200),
        "action": action,
        "object": one_line(object),
        "details": details,
    }
    connection.execute(sa.insert(audit_table).values(**values))


def _page(after: int) -> Select[Any]:
    return sa.select(audit_table).where(audit_table.c.id > after).order_by(audit_table.c.id).limit(BATCH)


def _entry(row: Row) -> Entry:
    return Entry(row.id, row.at, row.by, row.action, row.object, row.details)
