"""Backup while others work, and restore into an empty store, from any kind of database into any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import INITIAL_AUTHOR, Right, needs
from core.errors import NotFoundError, PhotoError, StoreError
from core.files import atomic_write, disk_errors
from core.images.decode import header_size
from core.store import Store, sqlite_url
from core.store.audit import record_audit
from core.store.backup_file import (
    MANIFEST,
    PICTURES,
    Manifest,
    TableDigest,
    line_of,
    opened,
    read_lines,
    read_manifest,
    read_pictures,
    refused,
    row_of,
    stored_tables,
    table_file,
    table_names,
    write_picture,
)
from core.store.backup_rows import RowChecker, filling_order
from core.store.box_index import fill_index
from core.store.database import Database, head, revisions
from core.store.ingest import PHOTOS_LOCK
from core.store.photos import mark_deleted
from core.store.schema import (
    categories,
    champions,
    imports,
    jobs,
    models,
    photos,
    promotions,
    trainings,
)

_ROWS_AT_ONCE = 500

Row = dict[str, Any]


@needs(Right.SETTINGS)
def backup(store: Store, file: Path) -> Manifest:
    """Write all of the store into a zip; others read and write as ever meanwhile.

    The audit log has it, here and not in the file. The tables are of one moment. The file appears under its
    name once it is whole and on the disk. Raises StoreFullError where there is no room, StoreError where a
    picture is missing or damaged.
    """
    with (
        disk_errors("There is no room left for the backup; none was made.", "The backup cannot be written"),
        atomic_write(file, sync=True) as out,
    ):
        with ZipFile(out, "w", compression=ZIP_DEFLATED, compresslevel=1) as archive:
            manifest = _write(store, archive)
        store.audit.record("backup", file.name, pictures=manifest.pictures)
    return manifest


def restore(file: Path, store: Store) -> Manifest:
    """Fill an empty store from a backup, all or nothing; the audit log goes on with it.

    A backup of an older schema is migrated on the way. Raises StoreError where the store holds anything, and
    for a file that is damaged, hostile, of an unknown schema, or with rows that no save would have made.
    """
    store.actor.require(Right.SETTINGS)
    put: list[str] = []
    try:
        with opened(file) as archive:
            manifest = _checked(archive)
            with _current_rows(archive, manifest) as rows_of, store.database.write() as connection:
                store.database.lock(connection, PHOTOS_LOCK)
                _require_empty(connection)
                _fill(store, connection, rows_of)
                _fill_pictures(store, connection, archive, manifest, put)
                record_audit(
                    connection, store.database, store.actor, "restore", file.name, made_at=manifest.at
                )
    except BaseException as error:
        for digest in put:
            store.blobs.delete(digest)
        if isinstance(error, sa.exc.StatementError | OverflowError | RecursionError):
            raise refused("its rows do not fit together") from error
        raise
    return manifest


def _write(store: Store, archive: ZipFile) -> Manifest:
    wanted: dict[str, list[int]] = {}
    with store.database.read() as connection:
        at = float(connection.execute(sa.select(store.database.now)).scalar_one())
        parts = {table.name: _write_table(connection, archive, table, wanted) for table in stored_tables()}
    pictures, gone = _write_pictures(store, archive, wanted)
    manifest = Manifest(head(), at, parts, pictures, tuple(sorted(gone)))
    archive.writestr(MANIFEST, manifest.as_json())
    return manifest


def _write_table(
    connection: Connection, archive: ZipFile, table: sa.Table, wanted: dict[str, list[int]]
) -> TableDigest:
    """One table's lines; ``wanted`` collects blobs with the live photos that need each: none for weights."""
    sha256, rows = hashlib.sha256(), 0
    chosen = sa.select(table).order_by(*table.primary_key.columns)
    result = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(chosen)
    with archive.open(_entry(table_file(table.name), ZIP_DEFLATED), "w", force_zip64=True) as out:
        for row in result:
            line = line_of(table, row)
            out.write(line)
            sha256.update(line)
            rows += 1
            if table is photos and row.deleted_at is None:
                for digest in {row.blob, row.thumbnail}:
                    wanted.setdefault(digest, []).append(row.id)
            if table is models:
                wanted.setdefault(row.digest, [])
    return TableDigest(rows, sha256.hexdigest())


def _write_pictures(store: Store, archive: ZipFile, wanted: dict[str, list[int]]) -> tuple[int, set[int]]:
    """All blobs; how many, and the photos that were deleted since the tables were written.

    Weights that are missing or damaged are left out: the restored store lacks what this one lacks, and says
    so when they are asked for.
    """
    gone: set[int] = set()
    pictures = 0
    with archive.open(_entry(PICTURES, ZIP_STORED), "w", force_zip64=True) as out:
        for digest, ids in wanted.items():
            try:
                data = store.blobs.get(digest)
            except StoreError as error:
                if ids and not isinstance(error, NotFoundError):
                    raise
                _require_deleted(store, ids)
                gone.update(ids)
                continue
            write_picture(out, data)
            pictures += 1
    return pictures, gone


def _require_deleted(store: Store, ids: Iterable[int]) -> None:
    for id in ids:
        if store.photos.get(id, deleted_ok=True).deleted_at is None:
            raise StoreError(f"The picture of photo {id} is missing; the backup was not made.")


def _entry(name: str, method: int) -> ZipInfo:
    entry = ZipInfo(name)
    entry.compress_type = method
    return entry


def _checked(archive: ZipFile) -> Manifest:
    """The manifest of a backup all of whose digests are right."""
    manifest = read_manifest(archive)
    if manifest.schema not in revisions():
        raise refused(f"it is of schema {manifest.schema[:40]!r}, and this is {head()!r}")
    names = table_names(manifest.schema)
    entries = {table_file(name) for name in names} | {MANIFEST, PICTURES}
    if set(manifest.tables) != names or set(archive.namelist()) != entries:
        raise refused("its manifest names other tables")
    if manifest.schema == head():  # rows of an older schema are checked as they are migrated
        for table in stored_tables():
            for _ in _rows(archive, manifest, table):
                pass
    if sum(1 for _ in read_pictures(archive)) != manifest.pictures:
        raise refused("pictures are missing in it")
    return manifest


def _require_empty(connection: Connection) -> None:
    """Nothing but what every store begins with: the first categories and models, which make way."""
    begun = (categories, models, promotions)
    questions = [
        sa.select(sa.literal(1)).select_from(table).where(table.c.by != INITIAL_AUTHOR) for table in begun
    ]
    others = [table for table in stored_tables() if table not in (*begun, champions)]
    questions += [sa.select(sa.literal(1)).select_from(table) for table in others]
    if any(connection.execute(question.limit(1)).first() for question in questions):
        raise StoreError("A backup is restored into an empty store only, and this one holds something.")
    for table in (promotions, champions, models, categories):
        connection.execute(sa.delete(table))


def _rows(archive: ZipFile, manifest: Manifest, table: sa.Table) -> Iterator[Row]:
    lines = read_lines(archive, table, manifest.tables[table.name])
    return (row_of(table, line) for line in lines)


@contextmanager
def _current_rows(archive: ZipFile, manifest: Manifest) -> Iterator[Callable[[sa.Table], Iterator[Row]]]:
    """Gives the backup's rows of a table as the newest schema has them.

    Rows of an older schema go through a temporary database, which the migrations bring up to date.
    """
    if manifest.schema == head():
        yield lambda table: _rows(archive, manifest, table)
        return
    with TemporaryDirectory(prefix="lapel-restore-") as folder:
        database = Database.connect(sqlite_url(Path(folder)))
        try:
            with _old_rows_refused():
                _fill_old(database, archive, manifest)
                database.upgrade()
            with database.read() as connection:
                yield lambda table: _stored_rows(connection, table)
        finally:
            database.close()


def _fill_old(database: Database, archive: ZipFile, manifest: Manifest) -> None:
    """Fill a temporary database of the backup's own schema."""
    database.upgrade(manifest.schema)
    with database.write() as connection:
        old = sa.MetaData()
        old.reflect(connection, only=list(manifest.tables))
        for table in old.sorted_tables:
            _insert(connection, table, _rows(archive, manifest, table))


@contextmanager
def _old_rows_refused() -> Iterator[None]:
    """Migrations count on rows as their schema's version saved them; anything may go wrong with others."""
    try:
        yield
    except (StoreError, OSError, MemoryError):
        raise
    except Exception as error:
        raise refused("its rows cannot be brought up to date") from error


def _stored_rows(connection: Connection, table: sa.Table) -> Iterator[Row]:
    chosen = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(chosen):
        yield dict(row._mapping)


def _fill(store: Store, connection: Connection, rows_of: Callable[[sa.Table], Iterator[Row]]) -> None:
    """Fill the tables; work that was running when the backup was made counts as cancelled."""
    checker = RowChecker()
    for table in filling_order():
        _insert(connection, table, checker.rows(table, rows_of(table)))
        if not store.database.is_sqlite:
            _go_on_counting(connection, table)
    fill_index(connection)
    for table in (imports, jobs, trainings):
        stopped = sa.update(table).where(table.c.state.in_(("waiting", "running")))
        connection.execute(stopped.values(state="cancelled", message="Stopped: restored from a backup."))


def _fill_pictures(
    store: Store, connection: Connection, archive: ZipFile, manifest: Manifest, put: list[str]
) -> None:
    """Put all blobs; ``put`` collects those that were not there before."""
    for id in manifest.gone:
        mark_deleted(store.database, connection, id)
    live = sa.select(photos.c.blob, photos.c.id, photos.c.width, photos.c.height)
    rows = connection.execute(live.where(photos.c.deleted_at.is_(None))).all()
    sizes = {row.blob: (row.id, row.width, row.height) for row in rows}
    for digest, data in read_pictures(archive):
        if digest in sizes:
            _require_size(data, *sizes[digest])
        if not store.blobs.has(digest):
            put.append(digest)
        store.blobs.put(data)
    _require_pictures(store, connection)


def _require_size(data: bytes, id: int, width: int, height: int) -> None:
    try:
        found = header_size(data)
    except PhotoError as error:
        raise refused(f"the picture of photo {id} cannot be: {error}") from error
    if found != (width, height):
        raise refused(
            f"the picture of photo {id} has {found[0]} x {found[1]} pixels, its row says {width} x {height}"
        )


def _insert(connection: Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    """Insert the rows; a photo may look like one with a higher number, so that goes in afterwards."""
    remaining = iter(rows)
    near: list[dict[str, int]] = []
    while batch := list(islice(remaining, _ROWS_AT_ONCE)):
        if table.name == photos.name:
            near += [{"of": row["id"], "near": row["near_id"]} for row in batch if row["near_id"] is not None]
            batch = [row | {"near_id": None} for row in batch]
        connection.execute(sa.insert(table), batch)
    if near:
        change = sa.update(photos).where(photos.c.id == sa.bindparam("of"))
        connection.execute(change.values(near_id=sa.bindparam("near")), near)


def _go_on_counting(connection: Connection, table: sa.Table) -> None:
    """On PostgreSQL: let the next row's number follow the restored ones."""
    key = table.autoincrement_column
    if key is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, key.name)
    highest = sa.select(sa.func.max(key)).scalar_subquery()
    connection.execute(
        sa.select(sa.func.setval(sequence, sa.func.coalesce(highest, 1), highest.is_not(None)))
    )


def _require_pictures(store: Store, connection: Connection) -> None:
    live = sa.select(photos.c.blob, photos.c.thumbnail).where(photos.c.deleted_at.is_(None))
    for row in connection.execute(live):
        if not (store.blobs.has(row.blob) and store.blobs.has(row.thumbnail)):
            raise refused("the picture of a photo is missing in it")
