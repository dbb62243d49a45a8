"""The database behind the store: SQLite by default, PostgreSQL by URL, one way to read and one to write."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, Executable, Row
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from core.errors import NotFoundError, StoreBusyError, StoreError, StoreFullError

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 15.0
DAY_SECONDS = 24 * 3600.0
CONNECTIONS = 30
"""Of a process at once: more than there are people who save at the same moment."""

VERSIONS = sa.table("alembic_version", sa.column("version_num"))
"""Where Alembic writes what the schema is at."""

UPGRADE_LOCK = 0x1A9E1  # any number that every process agrees on

_SEARCH_PATH = re.compile(r"-csearch_path=(\w+)")
_WAIT_MS = "lapel_wait_ms"
_CLOSE_MS = 20
"""A connection that waits so much longer than is asked is not set again: that takes a statement."""

_BUSY = ("database is locked", "database table is locked", "lock timeout", "deadlock detected", "connection")
_FULL = ("database or disk is full", "disk i/o error", "no space left", "could not extend file")


@dataclass(frozen=True)
class Database:
    """An engine with the store's rules on transactions, clock and errors."""

    engine: Engine
    wait_seconds: float = WAIT_SECONDS
    _free: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(CONNECTIONS), repr=False, compare=False
    )
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def connect(
        cls, url: str, wait_seconds: float = WAIT_SECONDS, connections: int = CONNECTIONS
    ) -> Database:
        """A database by its SQLAlchemy URL, with at most so many ``connections`` at once.

        A transaction begins within ``wait_seconds``, or StoreBusyError is raised: waiting for other writers,
        for a free connection and for SQLite's lock counts together; PostgreSQL's locks are waited for as
        long each. Raises StoreError for a URL that names no SQLite or PostgreSQL database.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreError(
                f"expected a database URL such as sqlite:////data/lapel.db, got: {error}"
            ) from None
        kind = parsed.get_backend_name()
        if kind == "sqlite":
            engine = _sqlite_engine(parsed, wait_seconds, connections)
        elif kind == "postgresql":
            engine = _postgresql_engine(parsed, wait_seconds, connections)
        else:
            raise StoreError(f"expected a SQLite or PostgreSQL database, got {kind}")
        return cls(engine, wait_seconds, threading.Semaphore(connections))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @property
    def now(self) -> ColumnElement[float]:
        """Seconds since 1970 on the database's clock, as an expression: many machines agree on it."""
        if self.is_sqlite:
            return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Double)
        return sa.literal_column("extract(epoch from clock_timestamp())::double precision", sa.Double)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database from its first query to its last."""
        with translated(), self._connection(self._deadline()) as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is on disk once the block has ended, and left no trace if the block failed.

        On SQLite it takes the one lock for writing at once, so that what it reads is still so when it writes;
        on PostgreSQL rows are locked by ``with_for_update``. Raises StoreBusyError or StoreFullError.
        """
        deadline = self._deadline()
        with (
            translated(),
            self._alone(deadline),
            self._connection(deadline, lapel_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def _deadline(self) -> float:
        return time.monotonic() + self.wait_seconds

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        """Hold this process's turn to write in SQLite: its own lock is polled, and some never get it."""
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=_left(deadline)):
            raise StoreBusyError("The database is busy; nothing was changed. Try again.")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _connection(self, deadline: float, **options: Any) -> Iterator[Connection]:
        """One of the connections, which begins its transaction before the deadline."""
        if not self._free.acquire(timeout=_left(deadline)):
            raise StoreBusyError("The database is busy: all connections are in use. Try again.")
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(**options, lapel_wait_seconds=_left(deadline))
        finally:
            self._free.release()

    def rows(self, statement: Executable) -> Sequence[Row]:
        """What a query finds, read in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(statement).all()

    def row(self, statement: Executable) -> Row | None:
        """The one row that a query finds, or None; in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(statement).one_or_none()

    def found(self, statement: Executable, missing: str) -> Row:
        """The one row that a query finds. Raises NotFoundError with the sentence ``missing``."""
        row = self.row(statement)
        if row is None:
            raise NotFoundError(missing)
        return row

    def value(self, statement: Executable) -> Any:
        """The first value that a query finds, or None; in a transaction of its own."""
        with self.read() as connection:
            return connection.execute(statement).scalar()

    def change(self, statement: Executable) -> int:
        """Execute one change as a transaction of its own; how many rows it changed."""
        with self.write() as connection:
            return connection.execute(statement).rowcount

    def lock(self, connection: Connection, key: int) -> None:
        """Within a write: wait until no other write holds this key. SQLite's writes are alone in any case."""
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def session_lock(self, key: int) -> SessionLock | None:
        """PostgreSQL's lock of a key for as long as its own connection lives; None where somebody holds it.

        Raises StoreError where the database cannot be reached.
        """
        engine = sa.create_engine(self.engine.url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
        try:
            connection = engine.connect()
        except DBAPIError as error:
            raise StoreError(f"The database cannot be reached: {error.orig}.") from error
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one():
            connection.close()
            return None
        return SessionLock(connection)

    @property
    def namespace(self) -> str:
        """PostgreSQL's schema that the URL's ``search_path`` names; empty for the usual one, and SQLite."""
        found = _SEARCH_PATH.search(str(self.engine.url.query.get("options", "")))
        return found[1] if found else ""

    def has_namespace(self) -> bool:
        """Whether that schema is there."""
        chosen = sa.text("select 1 from information_schema.schemata where schema_name = :name")
        with self.read() as connection:
            return connection.execute(chosen, {"name": self.namespace}).first() is not None

    def create_namespace(self) -> None:
        """Make that schema, unless it is there. Raises StoreError where this user may not."""
        try:
            with self.write() as connection:
                connection.execute(sa.schema.CreateSchema(self.namespace, if_not_exists=True))
        except DBAPIError as error:
            raise StoreError(f"The project's tables cannot be made: {error.orig}.") from error

    def check(self) -> None:
        """Raises StoreError where the database does not answer."""
        try:
            with self.read() as connection:
                connection.execute(sa.select(sa.literal(1)))
        except DBAPIError as error:
            raise StoreError(f"The database does not answer: {error.orig}.") from error

    def session_locks(self) -> list[int]:
        """The keys of PostgreSQL's locks that sessions of this database hold now."""
        key = "((classid::bigint << 32) | objid::bigint)"
        chosen = sa.text(
            f"select {key} from pg_locks where locktype = 'advisory' and objsubid = 1 and granted "
            "and database = (select oid from pg_database where datname = current_database()) order by 1"
        )
        with self.read() as connection:
            return [int(row[0]) for row in connection.execute(chosen)]

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def upgrade(self, to: str | None = None) -> None:
        """Bring the schema up to the newest migration, or to this one; two processes at once do it once.

        Raises StoreError where a newer Lapel has migrated it.
        """
        if self.version() == (to or head()):
            return
        self.require_known_schema()
        from alembic import command  # which most processes need not load
        from alembic.config import Config

        with self.write() as connection:
            self.lock(connection, UPGRADE_LOCK)
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(MIGRATIONS))
            command.upgrade(config, to or head())

    def require_known_schema(self) -> None:
        """Raises StoreError where the schema is at a migration that only a newer Lapel has."""
        version = self.version()
        if version is not None and version not in revisions():
            raise StoreError(
                f"A newer Lapel has migrated the database (to {version}, and this one "
                f"knows {head()}): update this one."
            )

    def version(self) -> str | None:
        """The migration that the schema is at; None for an empty database."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table(VERSIONS.name):
                return None
            return connection.execute(sa.select(VERSIONS.c.version_num)).scalar()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


@dataclass(frozen=True)
class SessionLock:
    """A lock that ends with its connection: when it is released, or its process dies."""

    connection: Connection

    def check(self) -> None:
        """Raises StoreError where the connection, and with it the lock, is lost."""
        try:
            self.connection.execute(sa.select(1))
        except sa.exc.SQLAlchemyError as error:
            raise StoreError("The connection to the database was lost.") from error

    def release(self) -> None:
        """Let others have the lock, at once: that a connection was closed is noticed only later."""
        with suppress(sa.exc.SQLAlchemyError):  # where the connection is lost, so is the lock
            self.connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))
        self.connection.close()


@cache
def revisions() -> tuple[str, ...]:
    """All migrations that this process's code knows, the oldest first; their files begin with them.

    Looked up once, when a store is opened: files that an update brings later belong to other code.
    """
    return tuple(sorted(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def head() -> str:
    """The newest migration."""
    return revisions()[-1]


@contextmanager
def translated() -> Iterator[None]:
    """Database errors that a person can do something about, as sentences."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig).lower()
        if any(sign in text for sign in _FULL):
            raise StoreFullError("There is no room left on the disk; nothing was changed.") from error
        if any(sign in text for sign in _BUSY) or error.connection_invalidated:
            raise StoreBusyError("The database is busy or away; nothing was changed. Try again.") from error
        raise


def _left(deadline: float) -> float:
    """The seconds before a deadline; none where it is over."""
    return max(0.0, deadline - time.monotonic())


def _sqlite_engine(url: sa.URL, wait_seconds: float, connections: int) -> Engine:
    engine = sa.create_engine(
        url, connect_args={"timeout": wait_seconds}, pool_size=connections, max_overflow=0
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where SQLAlchemy says, not where sqlite3 thinks
        )
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        wait_ms = round(1000 * options.get("lapel_wait_seconds", WAIT_SECONDS))
        set_ms = connection.info.get(_WAIT_MS, 0)
        if not wait_ms <= set_ms <= wait_ms + _CLOSE_MS:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
            connection.info[_WAIT_MS] = wait_ms
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("lapel_write") else "BEGIN")

    return engine


def use_write_ahead_log(path: Path) -> None:
    """Set the write-ahead log of a SQLite file, which keeps the setting: readers are not blocked then.

    Raises StoreError where the file cannot be opened.
    """
    try:
        connection = sqlite3.connect(path, timeout=15)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"The jobs cannot be kept in {path}: {error}.") from error


def _postgresql_engine(url: sa.URL, wait_seconds: float, connections: int) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    named = url.query.get("options", "")  # of the URL; what is given to connect would replace it
    options = f"{named} -c lock_timeout={round(wait_seconds * 1000)}".strip()
    return sa.create_engine(
        url,
        connect_args={"options": options, "connect_timeout": max(1, round(wait_seconds))},
        pool_pre_ping=True,
        pool_size=min(5, connections),
        max_overflow=max(0, connections - 5),
    )


def batches_of(ids: Sequence[int] | None, size: int) -> Iterator[Sequence[int] | None]:
    """Sorted numbers in batches, for conditions on them; a single None where all rows are meant."""
    if ids is None:
        yield None
        return
    inorder = sorted(ids)
    yield from (inorder[start : start + size] for start in range(0, len(inorder), size))


def one_line(text: str, most: int = 1000) -> str:
    """The text on one line, without control and direction-changing characters, at most ``most`` of them.

    >>> one_line("  Rain\\x00  coat\\n")
    'Rain coat'
    """
    visible = "".join(c for c in text if c.isspace() or not unicodedata.category(c).startswith("C"))
    return unicodedata.normalize("NFC", " ".join(visible.split()))[:most]
