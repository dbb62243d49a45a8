"""The boxes of newest annotations and of predictions as rows, so that photos are found by them.

Annotations and predictions hold their boxes as JSON; these tables repeat them. Whoever saves one of the
former writes the latter in the same transaction; a restore and the migration that added them fill them whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import JSON, Column, Connection, Double, ForeignKey, Index, Integer, String, Table, Text

from core.store.schema import DERIVED, metadata, predictions
from core.store.schema import annotations as versions

annotated_boxes = Table(
    "annotated_boxes",  # the boxes of photos' newest versions once more, to find photos by them
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("uid", String(64), nullable=False),
    Column("category_id", Integer, nullable=False),
    Column("label", Text),
    Column("box", JSON, nullable=False),
    Column("flags", Text),  # the names of its attributes with a blank around each
    info={DERIVED: True},
)
Index("ix_annotated_boxes_flags", annotated_boxes.c.flags, annotated_boxes.c.photo_id)
Index("ix_annotated_boxes_category", annotated_boxes.c.category_id, annotated_boxes.c.photo_id)
Index("ix_annotated_boxes_label", annotated_boxes.c.label, annotated_boxes.c.photo_id)

predicted_boxes = Table(
    "predicted_boxes",  # the garments of predictions once more
    metadata,
    Column("detector_id", Integer, primary_key=True),
    Column("classifier_id", Integer, primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("category", Text, nullable=False),  # as the models name it
    Column("label", Text),
    Column("score", Double, nullable=False),
    Column("box", JSON, nullable=False),
    info={DERIVED: True},
)
for _column in ("category", "label"):
    Index(
        f"ix_predicted_boxes_{_column}",
        predicted_boxes.c.detector_id,
        predicted_boxes.c.classifier_id,
        predicted_boxes.c[_column],
        predicted_boxes.c.photo_id,
        predicted_boxes.c.score,
    )
Index("ix_predicted_boxes_photo", predicted_boxes.c.photo_id)

_ROWS_AT_ONCE = 2000

Entry = Mapping[str, Any]
"""A box or a garment in its saved form."""


def index_annotation(connection: Connection, photo_id: int, boxes: Sequence[Entry]) -> None:
    """Replace the rows of a photo's newest version by these boxes'."""
    connection.execute(sa.delete(annotated_boxes).where(annotated_boxes.c.photo_id == photo_id))
    if boxes:
        connection.execute(sa.insert(annotated_boxes), list(_annotated(photo_id, boxes)))


def index_prediction(
    connection: Connection, photo_id: int, detector_id: int, classifier_id: int, garments: Sequence[Entry]
) -> None:
    """Replace the rows of one model pair's prediction of a photo by these garments'."""
    made_by = {"detector_id": detector_id, "classifier_id": classifier_id}
    old = (predicted_boxes.c[name] == value for name, value in ({"photo_id": photo_id} | made_by).items())
    connection.execute(sa.delete(predicted_boxes).where(*old))
    if garments:
        connection.execute(sa.insert(predicted_boxes), list(_predicted(photo_id, made_by, garments)))


def fill_index(connection: Connection) -> None:
    """Write all rows anew; a few thousand boxes in memory at a time."""
    for table in (annotated_boxes, predicted_boxes):
        connection.execute(sa.delete(table))
    _insert(connection, annotated_boxes, _all_annotated(connection))
    _insert(connection, predicted_boxes, _all_predicted(connection))


def _annotated(photo_id: int, boxes: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    for place, box in enumerate(boxes):
        yield {
            "photo_id": photo_id,
            "place": place,
            "uid": box["uid"],
            "category_id": box["category"],
            "label": box.get("label"),
            "box": box["box"],
            "flags": f" {' '.join(sorted(box['flags']))} " if box.get("flags") else None,
        }


def _predicted(
    photo_id: int, made_by: Mapping[str, int], garments: Sequence[Entry]
) -> Iterator[dict[str, Any]]:
    for place, garment in enumerate(garments):
        yield {
            **made_by,
            "photo_id": photo_id,
            "place": place,
            "category": garment["category"],
            "label": garment["top5"][0][0] if garment["top5"] else None,
            "score": garment["score"],
            "box": garment["box"],
        }


def _all_annotated(connection: Connection) -> Iterator[dict[str, Any]]:
    counted = versions.c.kind != "second"
    newest = sa.select(versions.c.photo_id, sa.func.max(versions.c.version).label("version"))
    newest_of = newest.where(counted).group_by(versions.c.photo_id).subquery()
    is_newest = sa.and_(
        versions.c.photo_id == newest_of.c.photo_id, versions.c.version == newest_of.c.version
    )
    chosen = sa.select(versions.c.photo_id, versions.c.boxes).join(newest_of, is_newest)
    for row in connection.execute(chosen.execution_options(yield_per=_ROWS_AT_ONCE)):
        yield from _annotated(row.photo_id, row.boxes)


def _all_predicted(connection: Connection) -> Iterator[dict[str, Any]]:
    columns = (predictions.c.photo_id, predictions.c.detector_id, predictions.c.classifier_id)
    chosen = sa.select(*columns, predictions.c.garments)
    for row in connection.execute(chosen.execution_options(yield_per=_ROWS_AT_ONCE)):
        made_by = {"detector_id": row.detector_id, "classifier_id": row.classifier_id}
        yield from _predicted(row.photo_id, made_by, row.garments)


def _insert(connection: Connection, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        connection.execute(sa.insert(table), batch)
