"""Which photos hold a category: a condition on their latest annotation, in either database's JSON."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from core.store.database import Database
from core.store.schema import annotations as versions
from core.store.schema import photos


def holds_category(database: Database, category_id: int) -> ColumnElement[bool]:
    """Whether the newest version of a row of ``photos``, second looks apart, has a box of the category."""
    newer = versions.alias("newer")
    newest = (
        sa.select(sa.func.max(newer.c.version))
        .where(newer.c.photo_id == photos.c.id, newer.c.kind != "second")
        .correlate(photos)
        .scalar_subquery()
    )
    holding = sa.exists().where(
        versions.c.photo_id == photos.c.id,
        versions.c.version == newest,
        _has_box(database, category_id),
    )
    return holding.correlate(photos)


def _has_box(database: Database, category_id: int) -> ColumnElement[bool]:
    each = sa.func.json_each if database.is_sqlite else sa.func.json_array_elements
    boxes = each(versions.c.boxes).table_valued(sa.column("value", sa.JSON), name="box")
    of_box = boxes.c.value["category"].as_integer()
    return sa.exists(sa.select(sa.literal(1)).select_from(boxes).where(of_box == category_id)).correlate(
        versions
    )
