"""Two settings have the field's words for names: what labeling was requested for, and label issues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

settings = sa.table("settings", sa.column("name", sa.String))

NAMES = {"labelling_asked_for": "labeling_requested_for", "suspects": "label_issues"}


def upgrade() -> None:
    connection = op.get_bind()
    for before, after in NAMES.items():
        connection.execute(sa.delete(settings).where(settings.c.name == after))
        connection.execute(sa.update(settings).where(settings.c.name == before).values(name=after))


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
