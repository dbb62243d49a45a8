"""Worker locks: a worker holds a numbered lock while it lives, and the system releases it when it dies.

A worker takes the lowest free number and continues the jobs that its last holder left; a running worker
checks the other numbers now and then. No time limit is involved: a slow worker is never taken for a dead one.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import StoreError
from core.store import Store

MAX_WORKERS = 64
TOKEN_SECONDS = 30.0
_ADVISORY_LOCKS = 0x1A9F0000


@dataclass
class WorkerLock:
    """A lock that is held until it is released, or its holder dies."""

    number: int
    check: Callable[[], None]  # raises StoreError where the lock is lost: another worker may hold it by now
    release: Callable[[], None]

    @property
    def name(self) -> str:
        """The name under which the holder's jobs are recorded."""
        return f"worker-{self.number}"


def acquire_worker_lock(store: Store) -> WorkerLock:
    """The lowest free lock. Raises StoreError where all are held."""
    for number in range(MAX_WORKERS):
        lock = try_worker_lock(store, number)
        if lock is not None:
            return lock
    raise StoreError(f"expected fewer than {MAX_WORKERS} workers at once")


def try_worker_lock(store: Store, number: int) -> WorkerLock | None:
    """The lock of this number, or None where it is held."""
    if store.database.is_sqlite:
        return _file_lock(store.folder / "workers", number)
    lock = store.database.session_lock(
        _project_key(store) + _ADVISORY_LOCKS + number
    )  # PostgreSQL's, for as long as a session
    return None if lock is None else WorkerLock(number, lock.check, lock.release)


def _project_key(store: Store) -> int:
    """Locks are the whole server's: those of another schema get other numbers, the first project's none."""
    return (zlib.crc32(store.database.namespace.encode()) & 0x7FFFFFFF) << 32


def held_locks(store: Store) -> list[int]:
    """The numbers of the workers that live, on all machines of the store (with SQLite there is one)."""
    if not store.database.is_sqlite:
        first = _project_key(store) + _ADVISORY_LOCKS
        return [key - first for key in store.database.session_locks() if 0 <= key - first < MAX_WORKERS]
    held = []
    for file in (store.folder / "workers").glob("*.lock"):
        lock = _file_lock(file.parent, int(file.stem)) if file.stem.isdigit() else None
        if lock is not None:
            lock.release()
        elif file.stem.isdigit():
            held.append(int(file.stem))
    return sorted(held)


def folder_token(store: Store) -> str:
    """Names the store's folder on this machine: the same for all workers that see it, made at the first call.

    Raises StoreError where it cannot be written.
    """
    folder = store.folder / "workers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "token.lock", thread_local=False, timeout=TOKEN_SECONDS):
            file = folder / "token"
            if not (file.is_file() and file.read_text(encoding="ascii")):
                file.write_text(uuid.uuid4().hex[:12], encoding="ascii")
            return file.read_text(encoding="ascii")
    except (OSError, Timeout) as error:
        raise StoreError(f"The folder {folder} cannot be used: {error}.") from error


def worker_number(name: str) -> int | None:
    """The number in a worker's name."""
    number = name.removeprefix("worker-")
    return int(number) if number.isdigit() and int(number) < MAX_WORKERS else None


def _file_lock(folder: Path, number: int) -> WorkerLock | None:
    # Not thread-local: the lock may be released by another thread than took it.
    lock = FileLock(folder / f"{number}.lock", thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be used: {error}.") from error
    return WorkerLock(number, lambda: None, lock.release)
