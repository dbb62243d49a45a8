"""Boxes as rows, to find photos by them; tasks that are given to a person; indexes for finding."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BATCH = 1000


def upgrade() -> None:
    op.create_table(
        "annotated_boxes",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_annotated_boxes_photo_id"),
        sa.PrimaryKeyConstraint("photo_id", "place", name="pk_annotated_boxes"),
    )
    op.create_table(
        "predicted_boxes",
        sa.Column("detector_id", sa.Integer(), nullable=False),
        sa.Column("classifier_id", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_predicted_boxes_photo_id"),
        sa.PrimaryKeyConstraint(
            "detector_id", "classifier_id", "photo_id", "place", name="pk_predicted_boxes"
        ),
    )
    _fill()
    op.create_index("ix_annotated_boxes_category", "annotated_boxes", ["category_id", "photo_id"])
    op.create_index("ix_annotated_boxes_label", "annotated_boxes", ["label", "photo_id"])
    for column in ("category", "label"):
        of_models = ["detector_id", "classifier_id", column, "photo_id", "score"]
        op.create_index(f"ix_predicted_boxes_{column}", "predicted_boxes", of_models)
    op.create_index("ix_predicted_boxes_photo", "predicted_boxes", ["photo_id"])
    op.add_column("tasks", sa.Column("assigned_to", sa.String(200), nullable=True))
    op.create_index("ix_tasks_assigned", "tasks", ["assigned_to", "state", "rank"])
    op.create_index("ix_photos_live", "photos", ["deleted_at", "id", "holdout"])
    op.create_index("ix_annotations_author", "annotations", ["author", "photo_id"])


def _fill() -> None:
    """The boxes of the newest versions and of the predictions, a batch of photos at a time."""
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["annotations", "predictions", "annotated_boxes", "predicted_boxes"])
    saved, predicted = tables.tables["annotations"], tables.tables["predictions"]
    newer = saved.alias("newer")
    later = (
        newer.c.photo_id == saved.c.photo_id,
        newer.c.version > saved.c.version,
        newer.c.kind != "second",
    )
    newest = sa.select(saved.c.photo_id, saved.c.boxes).where(
        saved.c.kind != "second", ~sa.exists().where(*later)
    )
    _copy(connection, newest, tables.tables["annotated_boxes"], "boxes", _annotated)
    by = (predicted.c.photo_id, predicted.c.detector_id, predicted.c.classifier_id, predicted.c.garments)
    _copy(connection, sa.select(*by), tables.tables["predicted_boxes"], "garments", _predicted)


def _copy(connection: Any, chosen: Any, target: sa.Table, column: str, row_of: Any) -> None:
    result = connection.execute(chosen).mappings()
    while batch := result.fetchmany(BATCH):
        rows = [
            {name: row[name] for name in row if name != column} | {"place": place} | row_of(entry)
            for row in batch
            for place, entry in enumerate(row[column])
        ]
        if rows:
            connection.execute(sa.insert(target), rows)


def _annotated(box: Any) -> dict[str, Any]:
    return {"uid": box["uid"], "category_id": box["category"], "label": box.get("label"), "box": box["box"]}


def _predicted(garment: Any) -> dict[str, Any]:
    label = garment["top5"][0][0] if garment["top5"] else None
    own = {name: garment[name] for name in ("category", "score", "box")}
    return own | {"label": label}


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
