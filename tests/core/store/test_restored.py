"""A restored store goes on where the saved one was: its numbers, its audit log; and who may bring it back."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import sqlalchemy as sa

from core.access import Actor
from core.errors import AccessError
from core.models.cards import ModelCard
from core.store import Store
from core.store.backup import backup, restore
from core.store.schema import comparisons, metadata, models, promotions, training_lines, trainings

FIGURES = {"champion": 0.5, "candidate": 0.5, "difference": 0.0}
COMPARISON = {"kind": "detector", "photos": 1, "boxes": 1, "figures": {"mAP50": FIGURES}, "classes": []}
REPORT = {"comparison": COMPARISON | {"resamples": 10, "skipped": 0}, "changed": []}


@pytest.fixture
def filled(fresh_store, make_photo) -> Store:
    """A store in which three things were done that are noted down."""
    store = fresh_store("sqlite")
    store.categories.add("poncho", "ada")
    store.settings.put("second_share", 0.25)
    row = store.photos.add(make_photo(1), by="ada").row
    store.photos.delete(row.id, "ada")
    return store


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_table_goes_on_counting_where_it_was(fresh_store, tmp_path, kind):
    store, other = fresh_store("sqlite"), fresh_store(kind)
    number = store.revisions.create("ada").number
    add_trained(store, number)
    backup(store, tmp_path / "b.zip")
    restore(tmp_path / "b.zip", other)
    assert other.revisions.create("ada").number == number
    other.categories.add("poncho", "ben")
    assert other.revisions.create("ben").number == number + 1
    before, after = add_trained(store, number, "2"), add_trained(other, number, "2")
    counted = [table.name for table in metadata.sorted_tables if table.autoincrement_column is not None]
    assert {"trainings", "training_lines", "models", "promotions", "comparisons"} <= set(counted)
    assert after == before and all(id > 1 for id in after)


def add_trained(store: Store, revision: int, name: str = "1") -> list[int]:
    """A training with a line, its model, a comparison and a promotion; the rows' numbers."""
    by, at = {"by": "ada", "at": 1.0}, {"at": 1.0}
    training = {
        "kind": "detector",
        "mode": "quick",
        "revision": revision,
        "state": "running",
        "updated_at": 1,
    }
    with store.database.write() as connection:

        def add(table: sa.Table, **values: object) -> int:
            return connection.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()

        trained = add(trainings, **training, **by)
        line = add(training_lines, training_id=trained, text="epoch 1", **at)
        card = asdict(ModelCard("detector", "a model", "pico", ("top",), 160, name=name))
        blob = {"digest": store.blobs.put(b"weights"), "card": card}
        model = add(models, kind="detector", name=name, training_id=trained, revision=revision, **blob, **by)
        pair = {"candidate_id": model, "champion_id": model, "revision": revision}
        compared = add(comparisons, **pair, report=REPORT, **at)
        promoted = add(promotions, kind="detector", model_id=model, action="promote", request=name, **by)
    return [trained, line, model, compared, promoted]


def test_the_audit_log_goes_on_in_a_restored_store(filled, fresh_store, tmp_path):
    backup(filled.acting(Actor.of("Ada", ["admin"])), tmp_path / "b.zip")
    newest = filled.audit.entries()[0]
    assert (newest.by, newest.action, newest.object) == ("Ada", "backup", "b.zip")
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    noted = other.audit.entries()
    assert [entry.action for entry in noted] == ["restore", "delete", "setting", "add category"]
    assert noted[1:] == filled.audit.entries()[1:]


def test_only_who_may_change_the_settings_saves_or_restores(filled, fresh_store, tmp_path):
    anna, other = Actor.of("Anna", ["researcher"]), fresh_store("sqlite")
    with pytest.raises(AccessError):
        backup(filled.acting(anna), tmp_path / "b.zip")
    assert list(tmp_path.glob("*b.zip*")) == []
    backup(filled, tmp_path / "b.zip")
    with pytest.raises(AccessError):
        restore(tmp_path / "b.zip", other.acting(anna))
    assert other.photos.count() == 0
