"""Users: their names, under which their work is saved, and their roles, once there is a sign-in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from core.access import INITIAL_AUTHOR, LOCAL, Actor, Right, Role, needs
from core.errors import NotFoundError, StoreError
from core.file_names import free_name
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.schema import users as table

SEEN_EVERY_SECONDS = 3600.0
"""Between two writes of when a user was last there."""

RESERVED = (LOCAL.name, INITIAL_AUTHOR)
"""Names that stand at the machine's own work."""

_LOCK = 0x1A9EB
_ROLES = {role.value for role in Role}


@dataclass(frozen=True)
class User:
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
        """The user as an actor."""
        return Actor(self.name, self.roles)


@dataclass(frozen=True)
class Users:
    """The store's users."""

    database: Database
    actor: Actor = LOCAL

    def sign_in(self, name: str, subject: str, claimed_roles: Iterable[str]) -> Actor:
        """The actor of a user who has signed in; a user who comes for the first time is added.

        ``subject`` identifies the user; ``name`` counts only at the first sign-in, with a number behind it
        where another user has it, and stays from then on. A name that was given a role before belongs to the
        first who signs in under it. Nothing is written unless something has changed or an hour has passed.
        """
        claimed = sorted(_ROLES.intersection(claimed_roles))
        row = self.database.row(self._of(subject))
        if row is None:
            return self._first(name, subject, claimed).actor
        if row.claimed != claimed or row.age is None or row.age > SEEN_EVERY_SECONDS:
            again = sa.update(table).where(table.c.subject == subject).values(seen_at=self.database.now)
            with self.database.write() as connection:
                row = connection.execute(again.values(claimed=claimed).returning(*table.c)).one()
        return _user(row).actor

    def actor_of(self, subject: str) -> Actor | None:
        """The user with this subject as an actor, with the current roles; None before the first sign-in."""
        row = self.database.row(self._of(subject))
        return None if row is None else _user(row).actor

    def actor_called(self, name: str) -> Actor | None:
        """The user of this name as an actor, with the current roles; None for nobody, or nobody yet."""
        row = self.database.row(sa.select(table).where(table.c.name == name, table.c.subject.is_not(None)))
        return None if row is None else _user(row).actor

    @needs(Right.PEOPLE)
    def all(self) -> list[User]:
        """All users, by name."""
        return [_user(row) for row in self.database.rows(sa.select(table).order_by(table.c.name))]

    @needs(Right.PEOPLE)
    def set_role(self, name: str, role: Role | None) -> User:
        """Set a user's role, which overrides the sign-in's claims; with None the claims count again.

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
        age = (self.database.now - table.c.seen_at).label("age")
        return sa.select(table, age).where(table.c.subject == subject)

    def _first(self, name: str, subject: str, claimed: list[str]) -> User:
        """A row for a new user; two of their pages may ask at once."""
        try:
            with self.database.write() as connection:
                self.database.lock(connection, _LOCK)
                known = connection.execute(self._of(subject)).one_or_none()
                return self._take(connection, name, subject, claimed) if known is None else _user(known)
        except IntegrityError:
            raise StoreError("This sign-in could not be saved; try again.") from None

    def _take(self, connection: Connection, name: str, subject: str, claimed: list[str]) -> User:
        """The row that waits for this name, or a new one under a name that nobody has."""
        name = one_line(name, 180) or "somebody"
        now = self.database.now
        values = {"subject": subject, "claimed": claimed, "seen_at": now}
        waiting = _named(connection, name)
        if waiting is not None and waiting.subject is None:
            statement: Any = sa.update(table).where(table.c.name == waiting.name).values(name=name, **values)
        else:
            statement = sa.insert(table).values(name=_free_name(connection, name), at=now, **values)
        user = _user(connection.execute(statement.returning(*table.c)).one())
        if user.role is not None:
            record_audit(connection, self.database, user.actor, "join", user.name, role=user.role.value)
        return user

    def _write(self, connection: Connection, name: str, role: Role | None) -> User:
        insert = self.database.insert(table).values(name=name, role=role, claimed=[], at=self.database.now)
        change = insert.on_conflict_do_update(index_elements=[table.c.name], set_={"role": role})
        user = _user(connection.execute(change.returning(*table.c)).one())
        if role is None and user.subject is None:  # nobody has come under this name
            connection.execute(sa.delete(table).where(table.c.name == name))
        return user


def _named(connection: Connection, name: str) -> User | None:
    """The user of this name, whatever its case."""
    users = map(_user, connection.execute(sa.select(table)))
    return next((user for user in users if user.name.casefold() == name.casefold()), None)


def _free_name(connection: Connection, name: str) -> str:
    """The name, or the first with a number that is nobody's, whatever its case."""
    taken = {known.casefold() for known in connection.execute(sa.select(table.c.name)).scalars()}
    taken |= set(RESERVED)
    return free_name(name, lambda free: free.casefold() in taken, "{stem} ({number})")


def _require_admin(connection: Connection, before: User | None, after: User) -> None:
    """Raises StoreError where this was the last admin."""
    if before is None or Role.ADMIN not in before.roles or Role.ADMIN in after.roles:
        return
    users = map(_user, connection.execute(sa.select(table)))
    if not any(Role.ADMIN in user.roles for user in users):
        raise StoreError(f"{after.name} is the last admin: somebody else has to become one first.")


def _note(connection: Connection, database: Database, actor: Actor, before: User | None, after: User) -> None:
    was = None if before is None or before.role is None else before.role.value
    role = None if after.role is None else after.role.value
    if was != role:
        record_audit(connection, database, actor, "role", after.name, role=role, before=was)


def _user(row: Row) -> User:
    role = Role(row.role) if row.role in _ROLES else None
    claimed = tuple(name for name in row.claimed if name in _ROLES)
    return User(row.name, row.subject, role, claimed, row.at, row.seen_at)
