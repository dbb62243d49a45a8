"""Predictions are keyed by the ids of the detector and the classifier, no longer by their joined names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME_SETTINGS = ("queue_model", "labelling_asked_for")
"""Settings that named a detector and a classifier, and hold their ids from now on."""

models = sa.table("models", sa.column("id", sa.Integer), sa.column("kind"), sa.column("name"))
predictions = sa.table(
    "predictions",
    sa.column("model"),
    sa.column("detector_id", sa.Integer),
    sa.column("classifier_id", sa.Integer),
)
settings = sa.table("settings", sa.column("name"), sa.column("value", sa.JSON))


def upgrade() -> None:
    """Predictions of models that the store does not know are dropped: workers make them anew."""
    connection = op.get_bind()
    with op.batch_alter_table("predictions") as batch_op:
        batch_op.add_column(sa.Column("detector_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("classifier_id", sa.Integer(), nullable=True))
    pairs = _pairs_by_name(connection)
    for name in connection.execute(sa.select(predictions.c.model).distinct()).scalars().all():
        of_name = predictions.c.model == name
        if name in pairs:
            detector_id, classifier_id = pairs[name]
            change = sa.update(predictions).where(of_name)
            connection.execute(change.values(detector_id=detector_id, classifier_id=classifier_id))
        else:
            connection.execute(sa.delete(predictions).where(of_name))
    with op.batch_alter_table("predictions") as batch_op:
        batch_op.drop_constraint("pk_predictions", type_="primary")
        batch_op.drop_column("model")
        batch_op.alter_column("detector_id", existing_type=sa.Integer(), nullable=False)
        batch_op.alter_column("classifier_id", existing_type=sa.Integer(), nullable=False)
        batch_op.create_primary_key("pk_predictions", ["photo_id", "detector_id", "classifier_id"])
        batch_op.create_foreign_key("fk_predictions_detector_id", "models", ["detector_id"], ["id"])
        batch_op.create_foreign_key("fk_predictions_classifier_id", "models", ["classifier_id"], ["id"])
    _convert_settings(connection, pairs)


def _pairs_by_name(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Ids of a detector and a classifier by their joined name, where that names one pair only."""
    rows = connection.execute(sa.select(models)).all()
    found: dict[str, list[tuple[int, int]]] = {}
    for detector in rows:
        for classifier in rows:
            if (detector.kind, classifier.kind) == ("detector", "classifier"):
                joined = f"{detector.name} + {classifier.name}"[:200]
                found.setdefault(joined, []).append((detector.id, classifier.id))
    return {name: pairs[0] for name, pairs in found.items() if len(pairs) == 1}


def _convert_settings(connection: sa.Connection, pairs: dict[str, tuple[int, int]]) -> None:
    """The thresholds by name go as well: a detector's card has its threshold."""
    connection.execute(sa.delete(settings).where(settings.c.name == "model_thresholds"))
    named = sa.select(settings).where(settings.c.name.in_(NAME_SETTINGS))
    for name, value in connection.execute(named).all():
        of_name = settings.c.name == name
        if value in pairs:
            connection.execute(sa.update(settings).where(of_name).values(value=list(pairs[value])))
        else:
            connection.execute(sa.delete(settings).where(of_name))


def downgrade() -> None:
    raise NotImplementedError("restore a backup that was made before this version")
