"""A worker holds its lock while it lives, and it is free the moment the worker is dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import StoreError
from core.jobs import worker_lock
from core.jobs.worker_lock import acquire_worker_lock, try_worker_lock, worker_number
from core.store import Store
from tests.waiting import until

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from core.jobs.worker_lock import acquire_worker_lock
from core.store import Store
lock = acquire_worker_lock(Store.open(sys.argv[1], Path(sys.argv[2])))
print(lock.name, flush=True)
time.sleep(600)
"""


def test_the_lowest_free_lock_is_taken_and_released(store: Store) -> None:
    first, second = acquire_worker_lock(store), acquire_worker_lock(store)
    assert [first.name, second.name] == ["worker-0", "worker-1"]
    assert try_worker_lock(store, 0) is None
    first.check()
    first.release()
    again = acquire_worker_lock(store)
    assert again.number == 0
    again.release()
    second.release()


def test_too_many_workers_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_lock, "MAX_WORKERS", 1)
    held = acquire_worker_lock(store)
    with pytest.raises(StoreError, match="workers at once"):
        acquire_worker_lock(store)
    held.release()


def test_a_killed_holder_frees_its_lock(store: Store) -> None:
    url = store.database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", HOLDER, url, str(store.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "worker-0"
        assert try_worker_lock(store, 0) is None
        holder.kill()
    freed = []
    until(lambda: freed.append(try_worker_lock(store, 0)) or freed[-1] is not None)
    freed[-1].release()


def test_a_session_that_was_cut_off_has_lost_its_lock(store: Store) -> None:
    if store.database.is_sqlite:
        pytest.skip("a file's lock is lost with the process alone")
    import sqlalchemy as sa

    held = acquire_worker_lock(store)
    with store.database.write() as connection:
        others = sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        connection.execute(others)
    with pytest.raises(StoreError, match="lost"):
        held.check()


def test_only_names_of_locks_have_numbers() -> None:
    assert [worker_number(name) for name in ("worker-7", "worker-64", "local", "worker-x")] == [
        7,
        None,
        None,
        None,
    ]
