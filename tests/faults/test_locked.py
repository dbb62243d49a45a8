"""A database that another process keeps locked: a bounded wait, a sentence, and then it works again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from core.errors import StoreBusyError
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.database import Database
from tests.core.store.conftest import drawn
from tests.faults.processes import Child, tell
from tests.faults.wholeness import faults_of
from tests.waiting import PATIENCE_SECONDS


def keep_locked(pipe: Connection, url: str, release: Path, seconds: float) -> None:
    """In a child: let nobody else write for so long, or until there is a file ``release``."""
    with _lock(url):
        tell(pipe, what="locked")
        until = time.monotonic() + seconds
        while time.monotonic() < until and not release.exists():
            time.sleep(0.01)


@contextmanager
def _lock(url: str) -> Iterator[None]:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database), timeout=60, isolation_level=None)) as embedded:
            embedded.execute("BEGIN IMMEDIATE")
            yield
        return
    address = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute("LOCK TABLE photos, drafts, annotations, tasks IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def locked(store: Store, seconds: float = 10 * PATIENCE_SECONDS) -> Iterator[Child]:
    """Another process keeps the store's database locked, at most for so long."""
    release = store.folder / "release"
    child = Child(keep_locked, url_of(store), release, seconds)
    assert child.next()["what"] == "locked"
    yield child
    release.touch()
    assert child.end() == 0


def url_of(store: Store) -> str:
    """The database as another process opens it."""
    return store.database.engine.url.render_as_string(hide_password=False)


def impatient(store: Store, seconds: float) -> Store:
    """The same store, with another patience."""
    return Store(Database.connect(url_of(store), seconds), store.blobs, store.folder)


def saves(store: Store, photo_id: int) -> list[Callable[[], object]]:
    """All that people wait for."""
    boxes = [AnnotatedBox((10, 10, 50, 60), store.categories.all()[0].id)]
    submit, draft = store.annotations.submit, store.drafts.save
    return [
        lambda: draft(photo_id, "Anna", boxes=boxes, sequence=7, base_version=0),
        lambda: store.queue.next("Anna"),
        lambda: store.photos.add(drawn(2), by="Anna"),
        lambda: submit(photo_id, boxes, author="Anna", base_version=0, request="r"),
    ]


def test_nothing_waits_for_ever_for_a_locked_database_and_all_works_afterwards(store: Store) -> None:
    added = store.photos.add(drawn(1), by="Anna").row
    assert added is not None
    hasty = impatient(store, 0.2)
    with locked(store) as holder:
        for save in saves(hasty, added.id):
            with pytest.raises(StoreBusyError, match="Try again"):
                save()
        assert holder.process.is_alive()  # no save has waited for the lock's end
    for save in saves(hasty, added.id):
        save()
    latest = store.annotations.latest(added.id)
    assert latest is not None and latest.version == 1 and store.photos.count() == 2
    assert [*faults_of(store)] == []
    hasty.close()


def test_people_can_look_at_what_is_there_while_sqlite_is_locked(
    fresh_store: Callable[[str], Store],
) -> None:
    store = fresh_store("sqlite")
    row = store.photos.add(drawn(1), by="Anna").row
    with locked(store):
        assert store.photos.page(0, 10) == [row]


@pytest.mark.faults
def test_a_save_is_refused_while_a_minutes_lock_lasts_and_goes_through_when_it_is_sent_again(
    store: Store,
) -> None:
    row = store.photos.add(drawn(1), by="Anna").row
    assert row is not None
    draft, refused = saves(store, row.id)[0], 0
    with locked(store, 60.0) as holder:
        while True:  # as the editor does
            try:
                draft()
                break
            except StoreBusyError:
                refused += 1
        assert holder.end() == 0
    assert refused
    kept = store.drafts.load(row.id, "Anna")
    assert kept is not None and kept.sequence == 7
