"""Two names of the field's: the photos' perceptual hash and the table of consensus reviews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

COLUMNS = "photo_id, first_version, second_version, agreement, verdict, reviewer, at"


def upgrade() -> None:
    op.alter_column("photos", "look", new_column_name="perceptual_hash")
    # A table made anew has its constraints' names right on SQLite too, which cannot rename them.
    op.create_table(
        "consensus_reviews",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("first_version", sa.Integer(), nullable=False),
        sa.Column("second_version", sa.Integer(), nullable=True),
        sa.Column("agreement", sa.JSON(), nullable=True),
        sa.Column("verdict", sa.String(16), nullable=True),
        sa.Column("reviewer", sa.String(200), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_consensus_reviews_photo_id"),
        sa.PrimaryKeyConstraint("photo_id", name="pk_consensus_reviews"),
    )
    op.execute(sa.text(f"INSERT INTO consensus_reviews ({COLUMNS}) SELECT {COLUMNS} FROM second_looks"))
    op.drop_table("second_looks")


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
