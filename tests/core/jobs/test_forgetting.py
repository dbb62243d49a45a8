"""What DBOS keeps of jobs that ended is deleted after a while, and never what goes on needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.jobs import engine
from core.jobs.client import cancel, resume
from core.jobs.engine import system_schema
from core.jobs.worker import Worker
from core.store import Store
from tests.core.jobs.conftest import settle
from tests.core.jobs.test_importing import (
    CHUNK,
    ask,
    chunked,
    fail_for_room,
    in_one_go,
    slow_batches,
    source,
)
from tests.core.store.test_import_chunks import whole
from tests.databases import on_sqlite
from tests.waiting import until

__all__ = ["chunked", "source"]

TABLES = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")


def rows(store: Store) -> dict[str, set[str]]:
    """The workflows of which DBOS's tables have rows, by table."""
    sqlite = store.database.is_sqlite
    url = f"sqlite:///{store.folder / 'jobs.db'}" if sqlite else store.database.engine.url
    place = "" if sqlite else f'"{system_schema(store)}".'
    other = sa.create_engine(url)
    with other.connect() as connection:
        asked = {name: sa.text(f"SELECT workflow_uuid FROM {place}{name}") for name in TABLES}
        found = {name: set(connection.execute(query).scalars()) for name, query in asked.items()}
    other.dispose()
    return found


def forget_all(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all that has ended had ended long ago; a few rows at a time."""
    with monkeypatch.context() as patch:
        patch.setattr(engine, "KEPT_SECONDS", -60.0)
        patch.setattr(engine, "FORGOTTEN_AT_ONCE", 3)
        while worker.engine.forget():
            pass


def test_of_jobs_that_ended_nothing_stays_and_a_cancelled_one_goes_on(
    carrier: Worker, source: Path, chunked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = carrier.store
    _, done = ask(store, source)
    settle(carrier)
    kept = rows(store)
    assert sum(id.startswith(f"{done}-") for id in kept["workflow_status"]) > 1, "its chunks"
    carrier.maintain()
    assert rows(store) == kept, "nothing ended long ago"
    held, may_go_on = slow_batches(monkeypatch, CHUNK + 2)
    second, cancelled = ask(store, source)
    until(held.is_set, carrier.poll)
    cancel(store, cancelled)
    may_go_on.set()
    until(lambda: not carrier.engine.busy_workers(), carrier.poll)
    forget_all(carrier, monkeypatch)
    left = rows(store)
    assert {id[: len(cancelled)] for ids in left.values() for id in ids} == {cancelled}
    assert store.jobs.get(done).state == "done", "the history of jobs is the store's own"
    resume(store, cancelled)
    settle(carrier)
    assert store.jobs.get(cancelled).state == "done"
    assert store.imports.get(second).done == store.imports.get(second).total
    forget_all(carrier, monkeypatch)
    assert not any(rows(store).values())


@on_sqlite
def test_a_failed_import_that_was_forgotten_can_be_tried_again(
    carrier: Worker,
    fresh_store: Callable[[str], Store],
    source: Path,
    chunked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = carrier.store
    import_id, job = fail_for_room(carrier, source, monkeypatch)
    assert store.jobs.get(job).state == "failed"
    forget_all(carrier, monkeypatch)
    assert not any(rows(store).values())
    resume(store, job)
    settle(carrier)
    assert whole(store, import_id) == whole(in_one_go(fresh_store, source), 1)


@on_sqlite
def test_a_job_that_goes_on_is_not_forgotten(carrier: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    job = carrier.store.jobs.request("order", "ada")
    settle(carrier)
    monkeypatch.setattr(type(carrier.store.jobs), "running", lambda self: (self.get(job),))
    forget_all(carrier, monkeypatch)
    assert job in rows(carrier.store)["workflow_status"]
