"""Models are in the store with their weights, once each, and never without knowing where they came from."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.access import Actor
from core.errors import AccessError, NotFoundError, StoreError, WeightsError
from core.models.cards import card_path, read_card
from core.models.weights import digest
from core.store import Store
from core.store.backup import backup, restore
from core.store.models import MOST_CHARACTERS, Models
from core.store.schema import trainings
from tests.core.store.models import add_candidate, blob_path, candidate_file
from tests.databases import on_sqlite

pytestmark = pytest.mark.usefixtures("tiny_ships")


@pytest.fixture
def revision(store: Store) -> int:
    return store.revisions.create("ann").number


def a_training(store: Store, revision: int, by: str = "ann") -> int:
    values = {"kind": "detector", "mode": "quick", "revision": revision, "state": "running", "by": by}
    with store.database.write() as connection:
        insert = sa.insert(trainings).values(**values, settings={}, at=0.0, updated_at=0.0)
        return connection.execute(insert.returning(trainings.c.id)).scalar_one()


def test_the_weights_that_ship_are_the_first_champions(store: Store, tiny_ships: Path) -> None:
    assert store.models.champion_ids() == {} and store.models.all() == []
    detector, classifier = store.models.champion("detector"), store.models.champion("classifier")
    assert (detector.name, classifier.name) == ("tiny detector", "tiny classifier")
    assert detector.digest == digest(tiny_ships / "detector.safetensors")
    assert (detector.parent_id, detector.revision, detector.by) == (None, None, "lapel")
    assert store.models.champion_ids() == {"detector": detector.id, "classifier": classifier.id}
    store.models.register_shipped()
    assert store.models.all() == [classifier, detector]


@on_sqlite
def test_weights_that_ship_and_are_not_those_of_their_card_are_tried(
    store: Store, tiny_ships: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tmp_path)
    for kind in ("detector", "classifier"):
        candidate_file(
            tiny_ships / f"{kind}.safetensors", tmp_path / f"{kind}.safetensors", shift=float("inf")
        )
    with pytest.raises(WeightsError, match="not finite"):
        store.models.champion("detector")


def test_processes_that_register_the_shipped_weights_at_once_do_it_once(store: Store) -> None:
    threads = [threading.Thread(target=store.models.register_shipped) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.models.all()) == 2 == len(store.promotions.history())


@on_sqlite
def test_without_weights_that_ship_the_sentence_says_so(store: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="card detector.json"):
        store.models.champion("detector")
    assert store.models.all() == []


def test_an_added_model_says_where_it_came_from(store: Store, revision: int, tmp_path: Path) -> None:
    parent = store.models.champion("detector")
    training = a_training(store, revision)
    file = candidate_file(weights_of(store, "detector"), tmp_path / "new.safetensors", name="nano 2")
    model = store.models.add(file, parent_id=parent.id, revision=revision, training_id=training)
    assert (model.kind, model.name, model.by) == ("detector", "nano 2", "ann")
    assert (model.parent_id, model.revision, model.training_id) == (parent.id, revision, training)
    assert model.card.training["parent"] == parent.name and model.card.training["revision"] == revision
    assert store.models.get(model.id) == model == store.models.named("nano 2")
    assert store.models.all("detector") == [model, parent]
    assert store.models.champion("detector") == parent


def test_a_training_that_ends_twice_is_one_model(store: Store, revision: int, tmp_path: Path) -> None:
    training = a_training(store, revision)
    file = candidate_file(weights_of(store, "detector"), tmp_path / "new.safetensors")
    first = store.models.add(file, revision=revision, training_id=training)
    assert store.models.add(file, revision=revision, training_id=training) == first


def test_every_model_has_a_name_of_its_own(store: Store, tmp_path: Path) -> None:
    names = [add_candidate(store, tmp_path, name="n" * 200).name for _ in range(3)]
    assert names[0] == "n" * MOST_CHARACTERS
    assert all(len(name) <= MOST_CHARACTERS for name in names) and len(set(names)) == 3
    assert [name[-4:] for name in names[1:]] == [" (2)", " (3)"]


@on_sqlite
def test_weights_that_could_not_serve_are_not_taken(store: Store, tmp_path: Path) -> None:
    file = candidate_file(weights_of(store, "detector"), tmp_path / "new.safetensors")
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(WeightsError, match="no safetensors"):
        store.models.add(file)
    assert [model.name for model in store.models.all("detector")] == ["tiny detector"]


@on_sqlite
def test_a_parent_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    file = candidate_file(weights_of(store, "detector"), tmp_path / "new.safetensors")
    with pytest.raises(StoreError, match="expected a parent"):
        store.models.add(file, parent_id=99)


@on_sqlite
def test_what_is_not_there_is_not_found(store: Store) -> None:
    for ask in (lambda: store.models.get(9), lambda: store.models.named("x")):
        with pytest.raises(NotFoundError):
            ask()
    with pytest.raises(StoreError, match="detector or classifier"):
        store.models.champion("poem")


@on_sqlite
def test_weights_are_fetched_with_their_card(store: Store) -> None:
    model = store.models.champion("detector")
    path = store.models.file_of(model)
    assert digest(path) == model.digest and read_card(path) == model.card


@on_sqlite
def test_copies_that_nobody_asked_for_in_a_month_go_and_are_fetched_again(store: Store) -> None:
    old, used = store.models.champion("detector"), store.models.champion("classifier")
    path, kept = store.models.file_of(old), store.models.file_of(used)
    long_ago = time.time() - 31 * 86400
    os.utime(path, (long_ago, long_ago))
    os.utime(kept, (long_ago, long_ago))
    assert store.models.file_of(used) == kept
    assert store.models.drop_unused_copies() == 1
    assert kept.is_file() and not path.exists() and not card_path(path).exists()
    assert digest(store.models.file_of(old)) == old.digest


@on_sqlite
def test_a_damaged_copy_is_fetched_again(store: Store) -> None:
    model = store.models.champion("detector")
    path = store.models.file_of(model)
    path.write_bytes(path.read_bytes()[:-100])
    card_path(path).write_text("{}")
    assert store.models.file_of(model) == path
    assert digest(path) == model.digest and read_card(path) == model.card


@on_sqlite
def test_a_copy_serves_while_the_blob_is_gone_and_then_a_sentence_says_so(
    store: Store, tmp_path: Path
) -> None:
    model = add_candidate(store, tmp_path)
    path = store.models.file_of(model)
    blob_path(store, model.digest).unlink()
    assert store.models.file_of(model) == path
    path.unlink()
    with pytest.raises(WeightsError, match="weights of candidate are missing"):
        store.models.file_of(model)


@on_sqlite
def test_a_damaged_blob_is_not_taken_for_the_weights(store: Store, tmp_path: Path) -> None:
    model = add_candidate(store, tmp_path)
    blob = blob_path(store, model.digest)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="damaged"):
        store.models.file_of(model)


@on_sqlite
def test_weights_that_ship_need_no_blob(store: Store) -> None:
    model = store.models.champion("classifier")
    blob_path(store, model.digest).unlink()
    assert digest(store.models.file_of(model)) == model.digest


@on_sqlite
def test_a_sweep_leaves_weights_alone(store: Store, tmp_path: Path) -> None:
    model = add_candidate(store, tmp_path)
    store.blobs.put(b"left by a killed process")
    assert store.photos.sweep() == 1
    assert store.blobs.has(model.digest) and store.blobs.has(store.models.champion("detector").digest)


def test_models_are_in_a_backup(store: Store, fresh_store, tmp_path: Path) -> None:
    model = add_candidate(store, tmp_path)
    backup(store, tmp_path / "b.zip")
    other = fresh_store("sqlite")
    other.models.register_shipped()  # as a workspace does when it is started
    restore(tmp_path / "b.zip", other)
    assert other.models.all() == store.models.all()
    assert digest(other.models.file_of(other.models.get(model.id))) == model.digest


@on_sqlite
def test_a_backup_of_a_store_that_lost_weights_can_be_made(store: Store, fresh_store, tmp_path: Path) -> None:
    model = add_candidate(store, tmp_path)
    blob_path(store, model.digest).write_bytes(b"damaged")
    backup(store, tmp_path / "b.zip")
    other = fresh_store("sqlite")
    restore(tmp_path / "b.zip", other)
    with pytest.raises(WeightsError, match="missing"):
        other.models.file_of(other.models.get(model.id))


@on_sqlite
def test_a_merchant_may_use_the_champion_and_neither_list_nor_add(store: Store, tmp_path: Path) -> None:
    store.models.register_shipped()
    merchant = store.acting(Actor.of("mia", ["merchant"])).models
    assert merchant.file_of(merchant.champion("detector")).is_file()
    file = candidate_file(weights_of(store, "detector"), tmp_path / "new.safetensors")
    for act in (
        merchant.all,
        lambda: merchant.get(1),
        lambda: merchant.named("x"),
        lambda: merchant.add(file),
    ):
        with pytest.raises(AccessError):
            act()


def weights_of(store: Store, kind: str) -> Path:
    models = Models(store.database, store.blobs, store.folder)
    return models.file_of(models.champion(kind))
