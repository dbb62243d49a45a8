"""Tokens of the HTTP API: each acts in one person's name, with the rights that this person has now."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Row

from core.access import LOCAL, Actor, Right
from core.errors import NotFoundError, StoreError
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.schema import api_tokens as table

PREFIX = "lapel_"
"""What tokens begin with, so that scanners of leaked secrets know them."""

USED_EVERY_SECONDS = 60.0
"""Between two writes of when a token was last used."""

MOST_DAYS = 3650
MOST_TOKENS = 50
"""Valid tokens of one person."""


@dataclass(frozen=True)
class ApiToken:
    """A token without its secret; ``person`` is in whose name it acts, ``expires_at`` None for never."""

    id: int
    person: str
    label: str
    at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True)
class ApiTokens:
    """The store's tokens. Everybody manages their own; who manages people sees and revokes those of all."""

    database: Database
    actor: Actor = LOCAL

    def create(self, label: str, *, person: str | None = None, days: int | None = 365) -> str:
        """A new token, which is shown this once: the store has its digest only.

        It acts in the actor's own name; ``person`` counts where there is no sign-in. Raises StoreError for an
        empty label, days outside 1 to 3650 (None: it never expires), and a 51st token.
        """
        owner = one_line(self.actor.known_as(person or self.actor.name).name, 200)
        label = one_line(label, 200)
        if not label:
            raise StoreError("expected a few words on what the token is for, got none")
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise StoreError(f"expected a token to be valid for 1 to {MOST_DAYS} days, got {days}")
        token, now = PREFIX + secrets.token_urlsafe(32), self.database.now
        values = {"person": owner, "label": label, "digest": _digest(token), "at": now}
        with self.database.write() as connection:
            mine = sa.select(sa.func.count()).select_from(table).where(table.c.person == owner, self._valid())
            if connection.execute(mine).scalar_one() >= MOST_TOKENS:
                raise StoreError(f"{owner} has {MOST_TOKENS} tokens already: revoke one first.")
            ends = None if days is None else now + 86400.0 * days
            connection.execute(sa.insert(table).values(**values, expires_at=ends))
            record_audit(connection, self.database, self.actor, "token", owner, label=label)
        return token

    def all(self) -> list[ApiToken]:
        """The tokens that are not revoked, the latest first: one's own, or everybody's."""
        chosen = sa.select(table).where(table.c.revoked_at.is_(None)).order_by(table.c.id.desc())
        if not self.actor.may(Right.PEOPLE):
            chosen = chosen.where(table.c.person == self.actor.name)
        return [_token(row) for row in self.database.rows(chosen)]

    def revoke(self, id: int) -> None:
        """End a token at once. Raises NotFoundError for none, and for another person's."""
        with self.database.write() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
            if row is None or not (self.actor.may(Right.PEOPLE) or row.person == self.actor.name):
                raise NotFoundError("There is no such token.")
            if row.revoked_at is None:
                revoked = sa.update(table).where(table.c.id == id).values(revoked_at=self.database.now)
                connection.execute(revoked)
                record_audit(connection, self.database, self.actor, "revoke", row.person, label=row.label)

    def person_of(self, token: str) -> str | None:
        """In whose name a valid token acts; None for one that is unknown, revoked or expired."""
        used = (self.database.now - table.c.used_at).label("used_ago")
        chosen = sa.select(table, used).where(table.c.digest == _digest(token), self._valid())
        row = self.database.row(chosen)
        if row is None:
            return None
        if row.used_ago is None or row.used_ago > USED_EVERY_SECONDS:
            used_now = sa.update(table).where(table.c.id == row.id).values(used_at=self.database.now)
            self.database.change(used_now)
        return str(row.person)

    def _valid(self) -> sa.ColumnElement[bool]:
        lives = sa.or_(table.c.expires_at.is_(None), table.c.expires_at > self.database.now)
        return sa.and_(table.c.revoked_at.is_(None), lives)


def _digest(token: str) -> str:
    """SHA-256: a token has 256 random bits, which no slow hash would make safer."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _token(row: Row) -> ApiToken:
    return ApiToken(row.id, row.person, row.label, row.at, row.expires_at, row.used_at, row.revoked_at)
