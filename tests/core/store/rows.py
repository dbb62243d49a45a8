"""Rows put straight into the tables: photos without pictures, as many as a test wants; and boxes."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from core.store.boxes import AnnotatedBox
from core.store.database import Database
from core.store.schema import photos

SIZE_WH = (640, 480)


def add_photos(database: Database, count: int, *, first: int = 1, **values: Any) -> list[int]:
    """So many photos, numbered by name from ``first``; their ids."""
    rows = [_row(number) | values for number in range(first, first + count)]
    with database.write() as connection:
        connection.execute(sa.insert(photos), rows)
        names = [row["name"] for row in rows]
        found = sa.select(photos.c.id).where(photos.c.name.in_(names)).order_by(photos.c.id)
        return list(connection.execute(found).scalars())


def box(x0: float, y0: float, x1: float, y1: float, category: int = 1, **values: Any) -> AnnotatedBox:
    """A box of a category, with a uid that its corners give."""
    uid = values.pop("uid", f"{x0:g},{y0:g},{x1:g},{y1:g}")
    return AnnotatedBox((x0, y0, x1, y1), category, uid=uid, **values)


def _row(number: int) -> dict[str, Any]:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "digest": digest,
        "blob": digest,
        "thumbnail": digest,
        "look": bytes(32),
        "name": f"photo {number}.jpg",
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "holdout": False,
        "by": "ann",
        "at": 0.0,
    }
