"""Tags of photos, those that a revision has frozen, and comments on photos."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "photo_tags",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(60), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_photo_tags_photo_id"),
        sa.PrimaryKeyConstraint("photo_id", "tag", name="pk_photo_tags"),
    )
    op.create_index("ix_photo_tags_tag", "photo_tags", ["tag"])
    op.create_table(
        "photo_comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_photo_comments_photo_id"),
        sa.PrimaryKeyConstraint("id", name="pk_photo_comments"),
    )
    op.create_index("ix_photo_comments_photo_id", "photo_comments", ["photo_id"])
    op.create_table(
        "revision_tags",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(60), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revisions.number"], name="fk_revision_tags_revision"),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_revision_tags_photo_id"),
        sa.PrimaryKeyConstraint("revision", "photo_id", "tag", name="pk_revision_tags"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
