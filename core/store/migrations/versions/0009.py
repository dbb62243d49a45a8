"""The attributes of boxes as rows, to find photos and boxes by them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BATCH = 1000


def upgrade() -> None:
    op.add_column("annotated_boxes", sa.Column("flags", sa.Text(), nullable=True))
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["annotations", "annotated_boxes"])
    saved, rows = tables.tables["annotations"], tables.tables["annotated_boxes"]
    newer = saved.alias("newer")
    later = (
        newer.c.photo_id == saved.c.photo_id,
        newer.c.version > saved.c.version,
        newer.c.kind != "second",
    )
    newest = sa.select(saved.c.photo_id, saved.c.boxes).where(
        saved.c.kind != "second", ~sa.exists().where(*later)
    )
    own = (rows.c.photo_id == sa.bindparam("of"), rows.c.place == sa.bindparam("at"))
    change = sa.update(rows).where(*own).values(flags=sa.bindparam("new"))
    result = connection.execute(newest)
    while batch := result.fetchmany(BATCH):
        changes = [
            {"of": row.photo_id, "at": place, "new": f" {' '.join(sorted(box['flags']))} "}
            for row in batch
            for place, box in enumerate(row.boxes)
            if box.get("flags")
        ]
        if changes:
            connection.execute(change, changes)
    op.create_index("ix_annotated_boxes_flags", "annotated_boxes", ["flags", "photo_id"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
