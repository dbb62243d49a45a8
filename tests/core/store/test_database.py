"""The database: one schema by migrations, whole writes, one clock, and errors that say what to do."""

from __future__ import annotations

import shutil
import threading
import time
from functools import cache
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import StoreBusyError, StoreError, StoreFullError
from core.store import Store, sqlite_url
from core.store import database as database_module
from core.store.database import MIGRATIONS, Database, head, revisions
from core.store.schema import metadata, settings
from tests.core.store.rows import clock_of
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_url):
    made = Database.connect(fresh_url(request.param), wait_seconds=0.3)
    yield made
    made.close()


def put(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.insert(settings).values(name=name, value=1))


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(settings.c.name)).scalars())


def test_the_migrations_make_the_tables_that_the_schema_names(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    assert database.version() == head()


def test_the_migrations_files_begin_with_what_alembic_knows_them_by():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == revisions()
    assert scripts.get_current_head() == head()


def test_a_migration_that_an_update_brings_is_not_known_to_a_process_that_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "revisions", cache(revisions.__wrapped__))
    monkeypatch.setattr(database_module, "MIGRATIONS", shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    (tmp_path / "migrations" / "versions" / "9999_of_an_update.py").touch()
    store.check()
    with store.database.write() as connection:  # as a process of the update does it
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StoreError, match="A newer Lapel has migrated the database"):
        store.check()
    store.close()


def test_a_write_that_fails_leaves_no_trace(database):
    with pytest.raises(RuntimeError), database.write() as connection:
        put(connection, "half")
        raise RuntimeError
    assert names(database) == []


def test_a_read_sees_one_state_from_its_first_query_to_its_last(database):
    with database.read() as connection:
        before = connection.execute(sa.select(sa.func.count()).select_from(settings)).scalar_one()
        with database.write() as other:
            put(other, "new")
        after = connection.execute(sa.select(sa.func.count()).select_from(settings)).scalar_one()
    assert (before, after) == (0, 0) and names(database) == ["new"]


def test_a_lock_is_waited_for_a_while_and_then_said(database):
    with database.write() as holder:
        put(holder, "mine")
        with pytest.raises(StoreBusyError), database.write() as connection:
            put(connection, "mine")
    assert names(database) == ["mine"]


def test_a_lock_that_is_let_go_in_time_is_taken(database):
    entered = threading.Event()

    def hold() -> None:
        with database.write() as connection:
            database.lock(connection, 7)
            put(connection, "first")
            entered.set()
            time.sleep(0.1)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(PATIENCE_SECONDS)
    with database.write() as connection:
        database.lock(connection, 7)
        assert connection.execute(sa.select(settings.c.name)).scalars().all() == ["first"]
    holder.join()


def test_the_clock_is_the_databases_in_seconds_since_1970(database):
    # Within ten minutes of this machine's, which no time zone, other unit or other year is.
    assert abs(clock_of(database) - time.time()) < 600


def test_the_clock_goes_on_within_a_transaction(database):
    with database.write() as connection:
        first = connection.execute(sa.select(database.now)).scalar_one()
        time.sleep(0.02)
        assert connection.execute(sa.select(database.now)).scalar_one() > first


def test_upgrading_again_changes_nothing(database):
    database.upgrade()
    assert database.version() == head()


def test_two_that_start_at_once_upgrade_once(tmp_path):
    failures: list[BaseException] = []

    def start() -> None:
        database = Database.connect(f"sqlite:///{tmp_path}/new.db")
        try:
            database.upgrade()
        except BaseException as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_sqlite_writes_ahead_and_syncs_in_full(fresh_url):
    database = Database.connect(fresh_url("sqlite"))
    with database.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    database.close()
    assert found == ["wal", 2, 1]


def test_a_full_disk_is_said_and_leaves_no_trace(fresh_url):
    database = Database.connect(fresh_url("sqlite"))
    with pytest.raises(StoreFullError), database.write() as connection:
        put(connection, "half")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(sa.insert(settings).values(name="large", value="x" * 10**6))
    assert names(database) == []
    database.close()


@pytest.mark.parametrize("url", ["", "lapel.db", "mysql://localhost/lapel", "mongodb://localhost"])
def test_what_is_no_database_of_ours_is_refused_with_a_sentence(url):
    with pytest.raises(StoreError, match="expected a"):
        Database.connect(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_connection_is_waited_for_a_while_and_then_said(fresh_url, kind):
    database = Database.connect(fresh_url(kind), wait_seconds=0.1, connections=2)
    with database.read(), database.read():
        for begin in (database.read, database.write):
            with pytest.raises(StoreBusyError, match="all connections are in use. Try again"), begin():
                pass
    with database.write() as connection:
        put(connection, "afterwards")
    assert names(database) == ["afterwards"]
    database.close()


def test_writers_wait_for_their_turn_without_a_connection(fresh_url):
    database = Database.connect(fresh_url("sqlite"), wait_seconds=PATIENCE_SECONDS, connections=2)
    wanted = {str(number) for number in range(25)}

    def save(name: str) -> None:
        with database.write() as connection:
            put(connection, name)

    threads = [threading.Thread(target=save, args=(name,)) for name in wanted]
    with database.write():
        for thread in threads:
            thread.start()
        assert names(database) == []  # while all of them wait, there is a connection to read with
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert set(names(database)) == wanted
    database.close()


def test_what_was_waited_before_counts_as_waiting_for_the_lock(fresh_url, monkeypatch):
    database = Database.connect(fresh_url("sqlite"), wait_seconds=100.0)
    clock = iter([0.0, 70.0, 80.0, 90.0])  # the deadline, the turn, the connection, the lock
    monkeypatch.setattr("core.store.database.time", SimpleNamespace(monotonic=lambda: next(clock)))
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
    database.close()
