"""Webhooks: who is told of what happens in the store, and what is still to be delivered.

A delivery is written in the transaction that it tells of (an outbox), so that none is lost and none tells of
what did not happen. ``core.jobs.webhooks`` sends them.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.access import LOCAL, Actor, Right, needs
from core.errors import NotFoundError, StoreError
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.schema import webhook_deliveries as deliveries
from core.store.schema import webhooks as table

ANNOTATION, REVISION = "annotation.saved", "revision.created"
TRAINING, PROMOTION = "training.ended", "model.promoted"
EVENTS = (ANNOTATION, REVISION, TRAINING, PROMOTION)
TEST_EVENT = "webhook.test"
STATES = ("waiting", "delivered", "failed")

SECRET_PREFIX = "whsec_"
LONGEST_URL = 2000
MOST_WEBHOOKS = 20

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0)
"""From a failed attempt to the next; after the last one a delivery has failed."""

FINISHED_SECONDS = 7 * 86400.0
"""How long deliveries that have ended are listed."""


@dataclass(frozen=True)
class Webhook:
    """An address that is told of some EVENTS; ``secret`` is the base64 key after ``whsec_``."""

    id: int
    url: str
    events: tuple[str, ...]
    secret: str
    active: bool
    by: str
    at: float


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook; ``message`` is the last answer in a sentence, ``state`` one of STATES."""

    id: int
    webhook_id: int
    uid: str
    event: str
    body: str
    state: str
    attempts: int
    next_at: float
    message: str
    at: float
    ended_at: float | None


@dataclass(frozen=True)
class Webhooks:
    """The store's webhooks and their deliveries."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.SETTINGS)
    def add(self, url: str, events: Sequence[str] = EVENTS) -> Webhook:
        """Tell an address of these events from now on. Raises StoreError for another URL or event."""
        url, wanted = checked_url(url), _checked_events(events)
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        values = {"url": url, "events": wanted, "secret": secret, "active": True}
        values |= {"by": one_line(self.actor.name, 200)}
        with self.database.write() as connection:
            count = sa.select(sa.func.count()).select_from(table)
            if connection.execute(count).scalar_one() >= MOST_WEBHOOKS:
                raise StoreError(f"There are {MOST_WEBHOOKS} webhooks already: remove one first.")
            insert = sa.insert(table).values(**values, at=self.database.now).returning(*table.c)
            made = _webhook(connection.execute(insert).one())
            record_audit(connection, self.database, self.actor, "webhook", url, events=wanted)
        return made

    @needs(Right.SETTINGS)
    def all(self) -> list[Webhook]:
        """All webhooks, the oldest first."""
        return [_webhook(row) for row in self.database.rows(sa.select(table).order_by(table.c.id))]

    @needs(Right.SETTINGS)
    def set_active(self, id: int, active: bool) -> Webhook:
        """Pause a webhook, or go on with it: what happens meanwhile it is not told. Raises NotFoundError."""
        change = sa.update(table).where(table.c.id == id).values(active=active).returning(*table.c)
        with self.database.write() as connection:
            row = connection.execute(change).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no webhook {id}.")
            record_audit(connection, self.database, self.actor, "webhook", row.url, active=active)
        return _webhook(row)

    @needs(Right.SETTINGS)
    def remove(self, id: int) -> None:
        """Remove a webhook with its deliveries. Raises NotFoundError."""
        with self.database.write() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no webhook {id}.")
            connection.execute(sa.delete(deliveries).where(deliveries.c.webhook_id == id))
            connection.execute(sa.delete(table).where(table.c.id == id))
            record_audit(connection, self.database, self.actor, "webhook", row.url, removed=True)

    @needs(Right.SETTINGS)
    def test(self, id: int) -> Delivery:
        """Send an event that tells of nothing, to see that it arrives. Raises NotFoundError."""
        with self.database.write() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no webhook {id}.")
            return _add(self.database, connection, id, TEST_EVENT, {"by": self.actor.name})

    @needs(Right.SETTINGS)
    def deliveries(self, id: int, most: int = 50) -> list[Delivery]:
        """The latest deliveries of a webhook, newest first."""
        chosen = sa.select(deliveries).where(deliveries.c.webhook_id == id)
        return self._deliveries(chosen.order_by(deliveries.c.id.desc()).limit(most))

    @needs(Right.SETTINGS)
    def redeliver(self, uid: str) -> Delivery:
        """Try a delivery again at once, from its first attempt on. Raises NotFoundError."""
        fresh = {"state": "waiting", "attempts": 0, "next_at": self.database.now, "ended_at": None}
        change = sa.update(deliveries).where(deliveries.c.uid == uid).values(**fresh).returning(*deliveries.c)
        with self.database.write() as connection:
            row = connection.execute(change).one_or_none()
        if row is None:
            raise NotFoundError("There is no such delivery.")
        return Delivery(**row._mapping)

    @needs(Right.SETTINGS)
    def due(self, most: int = 50) -> list[Delivery]:
        """The deliveries whose next attempt is due, those that wait longest first; of active webhooks."""
        waits = (deliveries.c.state == "waiting", deliveries.c.next_at <= self.database.now, table.c.active)
        chosen = sa.select(deliveries).join(table, table.c.id == deliveries.c.webhook_id).where(*waits)
        return self._deliveries(chosen.order_by(deliveries.c.next_at, deliveries.c.id).limit(most))

    @needs(Right.SETTINGS)
    def to_send(self, uid: str, attempt: int) -> tuple[Webhook, Delivery] | None:
        """A delivery with its webhook; None where this attempt is over, or one of the two is gone."""
        this = (deliveries.c.uid == uid, deliveries.c.attempts == attempt, deliveries.c.state == "waiting")
        for delivery in self._deliveries(sa.select(deliveries).where(*this)):
            row = self.database.row(sa.select(table).where(table.c.id == delivery.webhook_id))
            if row is not None and row.active:
                return _webhook(row), delivery
        return None

    @needs(Right.SETTINGS)
    def attempted(self, uid: str, attempt: int, *, delivered: bool, message: str) -> None:
        """What came of an attempt, counted from 0; the first to say so is believed."""
        now = self.database.now
        values: dict[str, Any] = {"attempts": attempt + 1, "message": one_line(message)}
        if delivered or attempt >= len(RETRY_SECONDS):
            values |= {"state": "delivered" if delivered else "failed", "ended_at": now}
        else:
            values |= {"next_at": now + RETRY_SECONDS[attempt]}
        this = (deliveries.c.uid == uid, deliveries.c.attempts == attempt, deliveries.c.state == "waiting")
        self.database.change(sa.update(deliveries).where(*this).values(**values))

    @needs(Right.SETTINGS)
    def sweep(self) -> None:
        """Remove the deliveries that ended more than a week ago."""
        old = deliveries.c.ended_at < self.database.now - FINISHED_SECONDS
        self.database.change(sa.delete(deliveries).where(old))

    def _deliveries(self, chosen: sa.Select[Any]) -> list[Delivery]:
        return [Delivery(**row._mapping) for row in self.database.rows(chosen)]


def record_event(database: Database, connection: Connection, event: str, data: Mapping[str, Any]) -> None:
    """Within the transaction that does it: what the active webhooks of this event will be told."""
    active = sa.select(table.c.id, table.c.events).where(table.c.active)
    for row in connection.execute(active).all():
        if event in row.events:
            _add(database, connection, row.id, event, data)


def _add(
    database: Database, connection: Connection, webhook_id: int, event: str, data: Mapping[str, Any]
) -> Delivery:
    at = float(connection.execute(sa.select(database.now)).scalar_one())
    told = {"type": event, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "data": dict(data)}
    values: dict[str, Any] = {"uid": f"msg_{uuid.uuid4().hex}", "event": event, "body": json.dumps(told)}
    values |= {"webhook_id": webhook_id, "state": "waiting", "attempts": 0, "message": "", "at": at}
    insert = sa.insert(deliveries).values(**values, next_at=at).returning(*deliveries.c)
    return Delivery(**connection.execute(insert).one()._mapping)


def checked_url(url: str) -> str:
    """The address, which is http or https, with a host, without a password. Raises StoreError."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    fine = parts.scheme in ("http", "https") and parts.hostname and port_is_fine and url.isprintable()
    if not fine or " " in url or len(url) > LONGEST_URL:
        raise StoreError(f"expected an address such as https://example.com/lapel, got {url[:100]!r}")
    if parts.username is not None or parts.password is not None:
        raise StoreError("expected an address without a user's name and password")
    return url


def _checked_events(events: Sequence[str]) -> list[str]:
    unknown = [event for event in events if event not in EVENTS]
    if unknown or not events:
        got = ", ".join(repr(event) for event in unknown) or "none"
        raise StoreError(f"expected events out of {', '.join(EVENTS)}, got {got}")
    return [event for event in EVENTS if event in events]


def _webhook(row: Row) -> Webhook:
    return Webhook(**dict(row._mapping) | {"events": tuple(row.events)})
