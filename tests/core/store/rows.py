"""Rows put straight into the tables: photos without pictures, models without weights; and boxes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from core.models.cards import ModelCard
from core.store.boxes import AnnotatedBox
from core.store.database import Database
from core.store.models import KINDS
from core.store.predictions import ModelPair
from core.store.schema import models, photos

SIZE_WH = (640, 480)


def clock_of(database: Database) -> float:
    """What the database's clock says, in seconds since 1970."""
    now: float = database.value(sa.select(database.now))
    return now


def add_photos(database: Database, count: int, *, first: int = 1, **values: Any) -> list[int]:
    """So many photos, numbered by name from ``first``; their ids."""
    rows = [photo_row(number) | values for number in range(first, first + count)]
    with database.write() as connection:
        connection.execute(sa.insert(photos), rows)
        names = [row["name"] for row in rows]
        found = sa.select(photos.c.id).where(photos.c.name.in_(names)).order_by(photos.c.id)
        return list(connection.execute(found).scalars())


def add_models(database: Database, name: str = "model", *, threshold: float = 0.25) -> ModelPair:
    """A detector and a classifier without weights, named after ``name``, made once; their ids."""
    of_name = models.c.name.in_([f"{name} {kind}" for kind in KINDS])
    with database.write() as connection:
        ids = dict(connection.execute(sa.select(models.c.kind, models.c.id).where(of_name)).all())
        for kind in KINDS if not ids else ():
            card = ModelCard(kind, "a model", "pico", ("top",), 160, threshold, name=f"{name} {kind}")
            row = {"kind": kind, "name": card.name, "digest": "0" * 64, "card": asdict(card)}
            insert = sa.insert(models).values(**row, by="ann", at=0.0).returning(models.c.id)
            ids[kind] = connection.execute(insert).scalar_one()
    return ModelPair(ids["detector"], ids["classifier"])


def box(x0: float, y0: float, x1: float, y1: float, category: int = 1, **values: Any) -> AnnotatedBox:
    """A box of a category, with a uid that its corners give."""
    uid = values.pop("uid", f"{x0:g},{y0:g},{x1:g},{y1:g}")
    return AnnotatedBox((x0, y0, x1, y1), category, uid=uid, **values)


def photo_row(number: int) -> dict[str, Any]:
    """A photo's row without its id."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "digest": digest,
        "blob": digest,
        "thumbnail": digest,
        "perceptual_hash": bytes(32),
        "name": f"photo {number}.jpg",
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "holdout": False,
        "by": "ann",
        "at": 0.0,
    }


def photo_row_0010(number: int) -> dict[str, Any]:
    """A photo's row as the schemas up to 0010 have it, without its id."""
    row = photo_row(number)
    return row | {"look": row.pop("perceptual_hash")}
