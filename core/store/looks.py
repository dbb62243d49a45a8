"""How every photo looks, in memory: near duplicates among 100,000 photos without reading them all again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import islice

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from core.data.duplicates import NEAR_BITS, as_table, hamming_distances
from core.store.schema import photos

MOST_CANDIDATES = 50

_LOOK_BYTES = 32


@dataclass(frozen=True)
class Likeness:
    """A photo that may look like another: how many bits of the hashes differ, the blob of its thumbnail."""

    id: int
    bits: int
    holdout: bool
    thumbnail: str


class Looks:
    """A process's copy of the photos' difference hashes, extended by what was added since the last look.

    Rows are added under one lock of the database, so that their numbers become visible in order, and are
    never removed: what has a higher number than the last row here is all that is new. Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = np.empty(0, dtype=np.int64)
        self._looks = np.empty((0, _LOOK_BYTES), dtype=np.uint8)
        self._count = 0

    def near(self, connection: Connection, look: bytes) -> list[Likeness]:
        """The live photos within ``NEAR_BITS`` of this hash, the nearest first, at most 50 of them.

        A copy is among the nearest; thousands of garments on one ground may be within the bound.
        """
        with self._lock:
            self._extend(connection)
            bits = hamming_distances(look, self._looks[: self._count])
            rows = np.flatnonzero(bits <= NEAR_BITS)
            rows = rows[np.argsort(bits[rows], kind="stable")]
            found = {int(self._ids[row]): int(bits[row]) for row in rows}
        return _live(connection, found)

    def _extend(self, connection: Connection) -> None:
        last = int(self._ids[self._count - 1]) if self._count else 0
        chosen = sa.select(photos.c.id, photos.c.look).where(photos.c.id > last)
        rows = connection.execute(chosen.order_by(photos.c.id)).all()
        if not rows:
            return
        self._grow(self._count + len(rows))
        new = slice(self._count, self._count + len(rows))
        self._ids[new] = [row.id for row in rows]
        self._looks[new] = as_table([row.look for row in rows])
        self._count = new.stop

    def _grow(self, needed: int) -> None:
        """Room for this many rows; twice as much as before, so that adding one by one stays quick."""
        if needed <= len(self._ids):
            return
        room = max(needed, 2 * len(self._ids), 1024)
        self._ids = np.resize(self._ids, room)
        self._looks = np.resize(self._looks, (room, _LOOK_BYTES))


def _live(connection: Connection, found: dict[int, int]) -> list[Likeness]:
    """The photos with these numbers (to bits) that are not deleted, in this order, at most fifty."""
    live: list[Likeness] = []
    remaining = iter(found)
    while len(live) < MOST_CANDIDATES and (ids := list(islice(remaining, MOST_CANDIDATES))):
        chosen = sa.select(photos.c.id, photos.c.holdout, photos.c.thumbnail)
        rows = connection.execute(chosen.where(photos.c.id.in_(ids), photos.c.deleted_at.is_(None)))
        by_id = {row.id: Likeness(row.id, found[row.id], row.holdout, row.thumbnail) for row in rows}
        live += [by_id[id] for id in ids if id in by_id]
    return live[:MOST_CANDIDATES]
