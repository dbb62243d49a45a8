"""An update of Lapel brings weights: stores that nobody has fine-tuned move to them, others may choose."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import WeightsError
from core.inference.model_cache import ModelCache
from core.models.cards import read_card, write_card
from core.models.weights import digest
from core.store import Store
from core.store.models import ModelRow
from tests.core.store.models import add_candidate, candidate_file

Update = Callable[..., Path]


@pytest.fixture
def update(tiny_ships: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Update:
    """Lets Lapel ship another detector from now on, and the same classifier; gives the detector's path."""

    def ship(name: str = "new detector", shift: float = 0.002) -> Path:
        folder = tmp_path / f"ships {name}"
        for kind, new in (("detector", name), ("classifier", "tiny classifier")):
            file = f"{kind}.safetensors"
            candidate_file(
                tiny_ships / file, folder / file, name=new, shift=shift if kind == "detector" else 0.0
            )
        monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", folder)
        return folder / "detector.safetensors"

    return ship


def promoted(store: Store, folder: Path, name: str) -> ModelRow:
    champion = store.models.champion("detector")
    own = add_candidate(store, folder, name=name)
    store.promotions.promote(own.id, expected_champion=champion.id, request=name, overrule_reason="a test")
    return own


def test_a_store_that_nobody_has_fine_tuned_moves_to_the_new_weights(store: Store, update: Update) -> None:
    old, classifier = store.models.champion("detector"), store.models.champion("classifier")
    file = update()
    new = store.models.champion("detector")
    assert (new.name, new.digest, new.is_shipped) == ("new detector", digest(file), True)
    assert store.models.champion("classifier") == classifier, "what has not changed stays"
    last = store.promotions.history("detector")[0]
    assert (last.action, last.model_id, last.previous_id, last.by) == ("update", new.id, old.id, "lapel")
    assert last.reason == "It came with an update of Lapel."
    entry = store.audit.entries()[0]
    assert (entry.action, entry.object, entry.details["previous"]) == ("update", "new detector", old.name)
    store.models.register_shipped()
    assert len(store.models.all()) == 3 and len(store.promotions.history()) == 3


def test_an_update_can_be_rolled_back_and_does_not_come_again(store: Store, update: Update) -> None:
    old = store.models.champion("detector")
    update()
    new = store.models.champion("detector")
    store.promotions.rollback("detector", request="back", expected_champion=new.id)
    store.models.register_shipped()
    assert store.models.champion("detector") == old
    update("newer detector", shift=0.003)
    store.models.register_shipped()
    assert store.models.champion("detector") == old, "a person has chosen: the next one is offered"
    assert store.models.all("detector")[0].name == "newer detector"


def test_updates_follow_one_another(store: Store, update: Update) -> None:
    store.models.register_shipped()
    update()
    store.models.register_shipped()
    update("newer detector", shift=0.003)
    assert store.models.champion("detector").name == "newer detector"
    previous = store.promotions.previous("detector")
    assert previous is not None and store.models.get(previous).name == "new detector"


def test_a_champion_of_ones_own_stays_and_the_new_weights_are_a_candidate(
    store: Store, update: Update, tmp_path: Path
) -> None:
    own = promoted(store, tmp_path, "own detector")
    update()
    store.models.register_shipped()
    assert store.models.champion("detector") == own
    offered = store.models.all("detector")[0]
    assert offered.name == "new detector" and offered.is_shipped and not own.is_shipped
    assert store.promotions.history("detector")[0].model_id == own.id


def test_a_calibration_that_changed_is_an_update_and_a_note_is_none(store: Store, update: Update) -> None:
    old = store.models.champion("detector")
    file = update("tiny detector", shift=0.0)
    write_card(replace(read_card(file), notes="another note", metrics={"mAP50": 0.5}), file)
    assert store.models.champion("detector") == old
    write_card(replace(read_card(file), calibration={"slope": 1.5, "intercept": 0.25}), file)
    new = store.models.champion("detector")
    assert (new.digest, new.card.calibration["slope"]) == (old.digest, 1.5)
    assert store.promotions.previous("detector") == old.id


def test_many_processes_update_once(store: Store, update: Update) -> None:
    store.models.register_shipped()
    update()
    threads = [threading.Thread(target=store.models.register_shipped) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.models.all("detector")) == 2 == len(store.promotions.history("detector"))


def test_weights_that_came_damaged_change_nothing(store: Store, update: Update) -> None:
    old = store.models.champion("detector")
    update().write_bytes(b"\x80\x04N.")
    store.models.register_shipped()
    assert store.models.champion("detector") == old and len(store.models.all("detector")) == 1
    with pytest.raises(WeightsError):
        store.models.shipped("detector")


def test_a_process_that_starts_serves_the_new_weights(store: Store, update: Update) -> None:
    assert ModelCache(store).current().labeler.names["detector"] == "tiny detector"
    update()
    serving = ModelCache(store).current()
    assert serving.labeler.names["detector"] == "new detector" and serving.warnings == ()
