"""Stores of many photos without their pictures: rows as years of work would leave them, made in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from random import Random
from typing import Any

import sqlalchemy as sa

from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.schema import annotations as versions
from core.store.schema import photos

SIZE_WH = (960, 1280)
BOXES = 6
BATCH = 5000


def add_photos(store: Store, count: int) -> None:
    """So many rows of photos, none of them like another."""
    insert(store, photos, (_photo(number) for number in range(count)))


def annotate_all(store: Store, count: int) -> None:
    """A first version for each of the first ``count`` photos, six boxes each."""
    categories = [category.id for category in store.categories.all()]
    insert(store, versions, (_annotation(number + 1, categories) for number in range(count)))


def some_boxes(random: Random, categories: list[int]) -> list[AnnotatedBox]:
    """Six boxes with five labels each, as a photo of a person in clothes has them."""
    return [_box(random, random.choice(categories), f"{number:012x}") for number in range(BOXES)]


def insert(store: Store, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Put rows into a table, some thousands a transaction."""
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        with store.database.write() as connection:
            connection.execute(sa.insert(table), batch)


def _photo(number: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"photo {number}".encode()).hexdigest()
    return {
        "digest": digest,
        "blob": digest,
        "thumbnail": digest,
        "perceptual_hash": hashlib.sha256(f"look {number}".encode()).digest(),
        "name": f"photo {number}.jpg",
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "holdout": int(digest[:8], 16) < 0.15 * 2**32,
        "by": "benchmark",
        "at": float(number),
    }


def _annotation(photo_id: int, categories: list[int]) -> dict[str, Any]:
    return {
        "photo_id": photo_id,
        "version": 1,
        "base_version": 0,
        "kind": "imported",
        "boxes": [box.as_dict() for box in some_boxes(Random(photo_id), categories)],
        "author": "benchmark",
        "at": float(photo_id),
        "request": f"benchmark-{photo_id}",
    }


def _box(random: Random, category: int, uid: str) -> AnnotatedBox:
    x0, y0 = random.uniform(0, SIZE_WH[0] - 300), random.uniform(0, SIZE_WH[1] - 300)
    top5 = tuple((f"label {random.randrange(48)}", share) for share in (0.5, 0.2, 0.1, 0.05, 0.02))
    corners = (x0, y0, x0 + random.uniform(50, 300), y0 + random.uniform(50, 300))
    return AnnotatedBox(corners, category, top5[0][0], uid, "model", False, True, 0.8, top5)
