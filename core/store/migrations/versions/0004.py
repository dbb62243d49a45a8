"""The share of a photo's uncertainty that its smallest margin has is called margin, no longer tie."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

tasks = sa.table("tasks", sa.column("id", sa.Integer), sa.column("parts", sa.JSON))


def upgrade() -> None:
    connection = op.get_bind()
    for number, parts in connection.execute(sa.select(tasks)).all():
        if "tie" in (parts or {}):
            parts["margin"] = parts.pop("tie")
            connection.execute(sa.update(tasks).where(tasks.c.id == number).values(parts=parts))


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
