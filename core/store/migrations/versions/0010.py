"""How many tasks of each kind are in each state, kept by triggers.

SQLite, where writers take turns, has one row a kind and state. In PostgreSQL a change adds a row with its
increment, so that no two writers wait for each other; the store adds such rows up now and then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

IN_SQLITE = """
CREATE TRIGGER tasks_{event} AFTER {when} ON tasks {condition} BEGIN
    {changes}
END
"""
MORE = (
    "INSERT INTO task_counts (kind, state, number) SELECT NEW.kind, NEW.state, 0 WHERE NOT EXISTS "
    "(SELECT 1 FROM task_counts WHERE kind = NEW.kind AND state = NEW.state); "
    "UPDATE task_counts SET number = number + 1 WHERE kind = NEW.kind AND state = NEW.state;"
)
LESS = "UPDATE task_counts SET number = number - 1 WHERE kind = OLD.kind AND state = OLD.state;"
CHANGED = "WHEN OLD.state <> NEW.state OR OLD.kind <> NEW.kind"

IN_POSTGRESQL = (
    """
CREATE FUNCTION count_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO task_counts (kind, state, number) VALUES (OLD.kind, OLD.state, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO task_counts (kind, state, number) VALUES (NEW.kind, NEW.state, 1);
    END IF;
    RETURN NULL;
END
$$
""",
    """
CREATE TRIGGER tasks_counted AFTER INSERT OR DELETE ON tasks FOR EACH ROW
EXECUTE FUNCTION count_tasks()
""",
    """
CREATE TRIGGER tasks_recounted AFTER UPDATE ON tasks FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.kind <> NEW.kind) EXECUTE FUNCTION count_tasks()
""",
)


def upgrade() -> None:
    op.create_table(
        "task_counts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_counts"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event, when, condition, changes in (
            ("added", "INSERT", "", MORE),
            ("removed", "DELETE", "", LESS),
            ("changed", "UPDATE OF state, kind", CHANGED, f"{LESS} {MORE}"),
        ):
            text = IN_SQLITE.format(event=event, when=when, condition=condition, changes=changes)
            op.execute(sa.text(text))
    else:
        for text in IN_POSTGRESQL:  # which locks the table, so that all is counted once
            op.execute(sa.text(text))
    op.execute(
        sa.text(
            "INSERT INTO task_counts (kind, state, number) "
            "SELECT kind, state, count(*) FROM tasks GROUP BY kind, state"
        )
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
