"""Which workers live: each holds a numbered seat, and the system frees it when the worker is gone.

A worker that starts takes the lowest free seat and goes on with what its last holder left; one that lives
looks into the other seats now and then. No clock is asked: a slow worker is never taken for a dead one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import StoreError
from core.store import Store

MOST_SEATS = 64
_LOCKS = 0x1A9F0000


@dataclass
class Seat:
    """A seat that is held until it is left, or its holder dies."""

    number: int
    _check: Callable[[], None]
    _leave: Callable[[], None]

    @property
    def name(self) -> str:
        """The name under which the holder's work is noted down."""
        return f"worker-{self.number}"

    def check(self) -> None:
        """Raises StoreError where the seat is lost: somebody else may hold it by now."""
        self._check()

    def leave(self) -> None:
        """Free the seat."""
        self._leave()


def acquire_worker_lock(store: Store) -> Seat:
    """The lowest free seat. Raises StoreError where all are held."""
    for number in range(MOST_SEATS):
        seat = try_worker_lock(store, number)
        if seat is not None:
            return seat
    raise StoreError(f"expected fewer than {MOST_SEATS} workers at once")


def try_worker_lock(store: Store, number: int) -> Seat | None:
    """This very seat, or None where it is held."""
    if store.database.is_sqlite:
        return _file_seat(store.folder / "workers", number)
    return _session_seat(store, number)


def worker_number(name: str) -> int | None:
    """The number in a seat's name."""
    number = name.removeprefix("worker-")
    return int(number) if number.isdigit() and int(number) < MOST_SEATS else None


def _file_seat(folder: Path, number: int) -> Seat | None:
    """A lock on a file, by SQLite's own means: they are the same on every system."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            folder / f"{number}.seat", timeout=0, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"The folder {folder} cannot be used: {error}.") from error
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        connection.close()
        return None
    return Seat(number, lambda: None, connection.close)


def _session_seat(store: Store, number: int) -> Seat | None:
    """A lock that PostgreSQL holds for a session, and frees when the session ends."""
    lock = store.database.session_lock(_LOCKS + number)
    return None if lock is None else Seat(number, lock.check, lock.release)
