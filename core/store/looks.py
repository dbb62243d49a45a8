"""How every photo looks, in memory: near duplicates among 100,000 photos without reading them all again."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from core.data.duplicates import NEAR_BITS, as_table, hamming_distances
from core.store.schema import photos

_LOOK_BYTES = 32


@dataclass(frozen=True)
class Likeness:
    """A photo that looks like another: how many bits of the two hashes differ."""

    id: int
    bits: int
    holdout: bool


class Looks:
    """A process's copy of the photos' difference hashes, extended by what was added since the last look.

    Rows are added under one lock of the database, so that their numbers become visible in order, and are
    never removed: what has a higher number than the last row here is all that is new. Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = np.empty(0, dtype=np.int64)
        self._holdout = np.empty(0, dtype=bool)
        self._looks = np.empty((0, _LOOK_BYTES), dtype=np.uint8)
        self._count = 0

    def near(self, connection: Connection, look: bytes, after: int = 0) -> list[Likeness]:
        """The live photos with a number above ``after`` that look like this, the nearest first."""
        with self._lock:
            self._extend(connection)
            first = int(np.searchsorted(self._ids[: self._count], after, side="right"))
            bits = hamming_distances(look, self._looks[first : self._count])
            rows = np.flatnonzero(bits <= NEAR_BITS)
            found = [
                Likeness(int(self._ids[first + row]), int(bits[row]), bool(self._holdout[first + row]))
                for row in rows
            ]
        return _live(connection, sorted(found, key=lambda likeness: (likeness.bits, likeness.id)))

    @property
    def last_id(self) -> int:
        """The highest number that has been seen."""
        with self._lock:
            return int(self._ids[self._count - 1]) if self._count else 0

    def _extend(self, connection: Connection) -> None:
        last = int(self._ids[self._count - 1]) if self._count else 0
        chosen = sa.select(photos.c.id, photos.c.look, photos.c.holdout).where(photos.c.id > last)
        rows = connection.execute(chosen.order_by(photos.c.id)).all()
        if not rows:
            return
        self._grow(self._count + len(rows))
        new = slice(self._count, self._count + len(rows))
        self._ids[new] = [row.id for row in rows]
        self._holdout[new] = [row.holdout for row in rows]
        self._looks[new] = as_table([row.look for row in rows])
        self._count = new.stop

    def _grow(self, needed: int) -> None:
        """Room for this many rows; twice as much as before, so that adding one by one stays quick."""
        if needed <= len(self._ids):
            return
        room = max(needed, 2 * len(self._ids), 1024)
        self._ids = np.resize(self._ids, room)
        self._holdout = np.resize(self._holdout, room)
        self._looks = np.resize(self._looks, (room, _LOOK_BYTES))


def _live(connection: Connection, found: list[Likeness]) -> list[Likeness]:
    if not found:
        return found
    ids = [likeness.id for likeness in found]
    chosen = sa.select(photos.c.id).where(photos.c.id.in_(ids), photos.c.deleted_at.is_(None))
    live = set(connection.execute(chosen).scalars())
    return [likeness for likeness in found if likeness.id in live]
