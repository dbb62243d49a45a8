"""What must be so in every store, whatever has happened to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise

import sqlalchemy as sa

from core.errors import LapelError
from core.store import Store
from core.store.revisions import Revision, content_lines
from core.store.schema import (
    annotations,
    audit,
    champions,
    consensus_reviews,
    models,
    photos,
    promotions,
    tasks,
)
from core.store.tasks import count_tasks

DEEDS = ("promote", "overrule", "rollback")


def faults_of(store: Store) -> Iterator[str]:
    """Everything about a store that is not whole, in words."""
    yield from _database_faults(store)
    yield from _blob_faults(store)
    yield from _version_faults(store)
    yield from _half_saves(store)
    yield from _count_faults(store)
    yield from _revision_faults(store)
    yield from _champion_faults(store)


def _database_faults(store: Store) -> Iterator[str]:
    """SQLite's own checks; PostgreSQL's of every index against its table."""
    with store.database.write() as connection:
        if store.database.is_sqlite:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            yield from (line for line in said if line != "ok")
            rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            yield from (f"a reference leads nowhere: {tuple(row)}" for row in rows)
            return
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS amcheck")
        ours = "relnamespace = 'public'::regnamespace AND relkind = 'i' AND relam = 403"  # btree
        try:
            connection.exec_driver_sql(f"SELECT bt_index_check(oid, true) FROM pg_class WHERE {ours}").all()
        except sa.exc.DBAPIError as error:
            yield f"an index does not fit its table: {error.orig}"


def _blob_faults(store: Store) -> Iterator[str]:
    live = sa.select(photos.c.id, photos.c.blob, photos.c.thumbnail).where(photos.c.deleted_at.is_(None))
    with store.database.read() as connection:
        rows = connection.execute(live).all()
    for row in rows:
        for digest in (row.blob, row.thumbnail):
            try:
                store.blobs.get(digest)
            except LapelError as error:
                yield f"photo {row.id} has no picture: {error}"


def _version_faults(store: Store) -> Iterator[str]:
    count, last = sa.func.count(), sa.func.max(annotations.c.version)
    of_photos = sa.select(annotations.c.photo_id, count, last).group_by(annotations.c.photo_id)
    with store.database.read() as connection:
        for photo, counted, highest in connection.execute(of_photos.having(count != last)):
            yield f"photo {photo} has {counted} versions, and the last is number {highest}"


def _count_faults(store: Store) -> Iterator[str]:
    """Counts of tasks that are not those of the rows."""
    of_rows = sa.select(tasks.c.state, tasks.c.kind, sa.func.count()).group_by(tasks.c.state, tasks.c.kind)
    with store.database.read() as connection:
        counted = {(state, kind): number for state, kind, number in connection.execute(of_rows)}
        kept = {key: number for key, number in count_tasks(connection).items() if number}
    if kept != counted:
        yield f"there are {counted} tasks, and {kept} are counted"


def _half_saves(store: Store) -> Iterator[str]:
    """A submitted photo whose task is open, and a second annotation without its task."""
    submitted = sa.exists().where(
        annotations.c.photo_id == tasks.c.photo_id, annotations.c.kind == "submitted"
    )
    first = (tasks.c.kind == "first", tasks.c.state == "open", tasks.c.arm != "returned")
    second = sa.exists().where(tasks.c.photo_id == consensus_reviews.c.photo_id, tasks.c.kind == "second")
    with store.database.read() as connection:
        for photo in connection.execute(sa.select(tasks.c.photo_id).where(*first, submitted)).scalars():
            yield f"photo {photo} is submitted, and its task is open"
        for photo in connection.execute(sa.select(consensus_reviews.c.photo_id).where(~second)).scalars():
            yield f"photo {photo} is to be done twice, and there is no task for it"


def _revision_faults(store: Store) -> Iterator[str]:
    for revision in store.revisions.all():
        found = digest_of_content(store, revision)
        if found != revision.digest:
            yield f"revision {revision.number} holds something else than its digest says"


def _champion_faults(store: Store) -> Iterator[str]:
    """A champion that nobody promoted, a promotion that is in no log, weights that are not there."""
    with store.database.read() as connection:
        models_there = dict(connection.execute(sa.select(models.c.id, models.c.digest)).tuples().all())
        serving = dict(connection.execute(sa.select(champions.c.kind, champions.c.model_id)).tuples().all())
        rows = connection.execute(sa.select(promotions).order_by(promotions.c.id)).all()
        noted = connection.execute(sa.select(audit.c.details).where(audit.c.action.in_(DEEDS))).scalars()
        logged = sorted(details["promotion"] for details in noted)
    last = {row.kind: row.model_id for row in rows}
    if last != serving:
        yield f"{serving} serve, and {last} were promoted"
    if logged != [row.id for row in rows if row.action in DEEDS]:
        yield "promotions and the audit log do not tell the same"
    for before, after in pairwise([row for row in rows if row.kind == "detector"]):
        if after.previous_id != before.model_id:
            yield f"promotion {after.id} took over from {after.previous_id}, and {before.model_id} served"
    for id, digest in models_there.items():
        try:
            store.blobs.get(digest)
        except LapelError as error:
            yield f"model {id} has no weights: {error}"


def digest_of_content(store: Store, revision: Revision) -> str:
    """A revision's digest, counted anew from its rows."""
    items = sorted(store.revisions.items(revision.number), key=lambda item: item.photo.digest)
    entries = [(item.photo.digest, [box.as_dict() for box in item.annotation.boxes]) for item in items]
    lines = content_lines(dict(revision.categories), entries)
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
