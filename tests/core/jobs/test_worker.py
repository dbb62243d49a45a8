"""Workers as processes: killed in the middle they go on, they let others first, and nobody can call them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import StoreError
from core.jobs.client import start_import
from core.jobs.engine import lower_priority
from core.jobs.worker_lock import try_worker_lock
from core.store import Store
from tests.databases import on_postgresql, on_sqlite
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]
PHOTOS = 150
Shoot = Callable[..., Path]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/net").exists(), reason="looks into /proc"),
]


class Hired(subprocess.Popen[bytes]):
    """``python -m core worker`` on this store, and what it says."""

    def __init__(self, store: Store, *arguments: str) -> None:
        environment = os.environ | {"LAPEL_DATABASE_URL": url_of(store), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "core", "worker", "--data", str(store.folder), *arguments]
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by whoever hired)
        super().__init__(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stderr=self.said)

    def is_seated(self) -> bool:
        """Whether it holds its lock; no other lock is tried, which would hold it for a moment."""
        return b"is at work" in os.pread(self.said.fileno(), 10_000, 0)


@contextmanager
def a_worker(store: Store, *arguments: str) -> Iterator[Hired]:
    """A worker for as long as it is wanted."""
    with Hired(store, *arguments) as process, process.said:
        try:
            yield process
        finally:
            process.kill()


def is_whole(store: Store, import_id: int) -> bool:
    """Every photo once, with its picture, and counted once."""
    rows = store.photos.page(0, 10 * PHOTOS)
    counts = store.imports.get(import_id).counts
    return (
        len(rows) == PHOTOS
        and sum(counts[outcome] for outcome in ("new", "near", "holdout")) == PHOTOS
        and counts["exact"] == counts["refused"] == 0
        and all(store.blobs.has(row.blob) and store.blobs.has(row.thumbnail) for row in rows)
    )


@on_sqlite  # on PostgreSQL: tests/faults/test_killed_apps.py
def test_an_import_whose_worker_is_killed_is_finished_by_the_next(store: Store, shoot: Shoot) -> None:
    import_id = store.imports.begin("shoot", "ada", str(shoot(PHOTOS)))
    start_import(store, import_id)
    for share in (0, PHOTOS // 2):
        with a_worker(store) as worker:
            until(lambda share=share: store.photos.count() > share)
            worker.kill()
    assert store.imports.get(import_id).state == "running"
    with a_worker(store):
        until(lambda: store.imports.get(import_id).state == "done")
    assert is_whole(store, import_id)


@on_postgresql  # on SQLite: tests/faults/test_killed_apps.py
def test_a_living_worker_takes_over_from_a_dead_one(store: Store, shoot: Shoot) -> None:
    import_id = store.imports.begin("shoot", "ada", str(shoot(PHOTOS)))
    start_import(store, import_id)
    with a_worker(store) as first:
        until(lambda: store.photos.count() > 0)
        with a_worker(store) as second:
            until(second.is_seated)
            first.kill()
            until(lambda: store.imports.get(import_id).state == "done")
            second.terminate()
            assert second.wait(PATIENCE_SECONDS) == 0
            assert b"has stopped" in os.pread(second.said.fileno(), 10_000, 0)
    assert is_whole(store, import_id)


@on_sqlite
def test_a_worker_goes_last_opens_no_port_and_ends_with_its_parent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAPEL_WORKER_NICE")
    with a_worker(store, "--attached") as worker:
        until(lambda: is_anyone_seated(store))
        assert os.getpriority(os.PRIO_PROCESS, worker.pid) >= 15
        assert listening(worker.pid) == []
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(timeout=PATIENCE_SECONDS) == 0
    until(lambda: not is_anyone_seated(store))


@pytest.mark.parametrize("said", ["20", "-5", "low", "1.5"])
def test_a_niceness_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("LAPEL_WORKER_NICE", said)
    with pytest.raises(StoreError, match="0 to 19"):
        lower_priority()


def is_anyone_seated(store: Store) -> bool:
    """Whether a lock is held; trying one may send a worker that starts just then to a higher one."""
    for number in range(8):
        lock = try_worker_lock(store, number)
        if lock is None:
            return True
        lock.release()
    return False


def url_of(store: Store) -> str:
    """The store's database, as another process opens it."""
    return store.database.engine.url.render_as_string(hide_password=False)


def listening(process: int) -> list[str]:
    """The local addresses at which a process waits for calls."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            sockets.add(str(link.readlink()))
        except OSError:  # closed meanwhile
            continue
    tables = [Path(f"/proc/{process}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
