"""Who serves: the champions, what came before them where they cannot be loaded, and never without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.access import Actor
from core.errors import StoreBusyError, WeightsError
from core.inference import model_cache
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.labeler import Labeler
from core.inference.model_cache import ModelCache
from core.inference.predictions import model_pair, predict
from core.models.cards import card_path
from core.store import Store
from core.store.models import ModelRow, Models
from tests.core.store.models import add_candidate, blob_path, candidate_file
from tests.weights import FEW, MANY, drawn_photo, save_classifier, save_detector

LOADED = {"detector": Detector, "classifier": Classifier}

pytestmark = pytest.mark.usefixtures("tiny_ships")


@pytest.fixture
def promote(store: Store, tmp_path: Path) -> Callable[[str], ModelRow]:
    """Lets a new candidate of a name take over, whatever it is worth."""

    def recover(name: str, kind: str = "detector") -> ModelRow:
        champion = store.models.champion(kind)
        candidate = add_candidate(store, tmp_path, kind, name=name, shift=0.001 * (1 + len(name)))
        store.promotions.promote(
            candidate.id, expected_champion=champion.id, request=name, overrule_reason="a test"
        )
        return candidate

    return recover


def lose(store: Store, model: ModelRow) -> None:
    """Take a model's weights away, here and in the store."""
    for path in (store.models.file_of(model), blob_path(store, model.digest)):
        path.unlink()


def test_a_new_store_is_served_by_what_ships(store: Store) -> None:
    found = ModelCache(store).current()
    assert found.labeler.names == {"detector": "tiny detector", "classifier": "tiny classifier"}
    assert {"detector": found.detector_id, "classifier": found.classifier_id} == store.models.champion_ids()
    assert found.warnings == ()


def test_a_merchants_page_is_served_as_well(store: Store) -> None:
    assert ModelCache(store.acting(Actor.of("mia", ["merchant"]))).current().warnings == ()


def test_the_cache_follows_promotions_and_loads_only_what_changed(store: Store, promote) -> None:
    cache = ModelCache(store)
    assert not cache.is_ready
    first = cache.current()
    assert cache.is_ready and cache.current() is first
    other = promote("other", "classifier")
    second = cache.current()
    assert (second.classifier_id, second.labeler.names["classifier"]) == (other.id, "other")
    assert second.labeler.detector is first.labeler.detector
    store.promotions.rollback("classifier", request="back")
    assert cache.current().labeler.names["classifier"] == "tiny classifier"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_promoted_models_of_other_classes_and_sizes_serve_in_an_engine(
    store: Store, tmp_path: Path, exported_here: None, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    pytest.importorskip(engine)
    monkeypatch.setenv("LAPEL_ENGINE", engine)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    kinds = ("bag", "hat", "kimono")
    files = {
        "detector": save_detector(tmp_path / "d.safetensors", preset="nano", categories=kinds, input_size=96),
        "classifier": save_classifier(tmp_path / "c.safetensors", attention=False, seed=3),
    }
    for kind, file in files.items():
        champion = store.models.champion(kind)
        model = store.models.add(file, parent_id=champion.id)
        store.promotions.promote(
            model.id, expected_champion=champion.id, request=kind, overrule_reason="a test"
        )
    labeler = ModelCache(store).current().labeler
    assert labeler.detector.engine.name == labeler.classifier.engine.name == engine
    assert labeler.categories == kinds and labeler.detector.card.input_size == 96
    reference = Labeler(*(loaded.load(files[kind], engine="pytorch") for kind, loaded in LOADED.items()))
    for seed in (FEW, MANY):
        ours, theirs = (each.label(drawn_photo(seed), 0.2).garments for each in (labeler, reference))
        assert [garment.category for garment in ours] == [garment.category for garment in theirs]
        assert [g.score for g in ours] == pytest.approx([g.score for g in theirs], abs=5e-3)


def test_where_the_champion_is_lost_the_one_before_serves(store: Store, promote) -> None:
    second, third = promote("second"), promote("third")
    lose(store, third)
    found = ModelCache(store).current()
    assert found.detector_id == second.id and found.labeler.names["detector"] == "second"
    assert found.warnings == (
        "The detector third cannot serve: the weights of third are missing in the store. "
        "second serves instead.",
    )
    lose(store, second)
    found = ModelCache(store).current()
    assert found.labeler.names["detector"] == "tiny detector" and "third cannot serve" in found.warnings[0]


def test_predictions_are_saved_while_shipped_weights_that_are_new_stand_in(
    store: Store, promote, tiny_weights: Path, tmp_path: Path, monkeypatch, make_photo
) -> None:
    """The champion and the one before it are lost, and Lapel ships other weights than at the beginning."""
    first, own = store.models.champion("detector"), promote("own")
    folder = tmp_path / "update"
    candidate_file(tiny_weights / "detector.safetensors", folder / "detector.safetensors", shift=0.002)
    candidate_file(
        tiny_weights / "classifier.safetensors", folder / "classifier.safetensors", name="tiny classifier"
    )
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", folder)
    lose(store, own)
    lose(store, first)
    found = ModelCache(store).current()
    shipped = store.models.shipped("detector")
    assert found.detector_id == shipped.id not in (first.id, own.id)
    assert found.warnings[0].endswith("candidate, which ships, serves instead.")
    assert store.models.champion("detector") == own, "it only stands in"
    photo = store.photos.add(make_photo(1), by="ann").row
    assert photo is not None
    predict(store, found.labeler, photo.id)
    pair = model_pair(store, found.labeler)
    assert pair.detector_id == shipped.id and store.predictions.get(photo.id, pair) is not None


@pytest.mark.parametrize("damage", [b"", b"\x80\x04}q.", None])
def test_damaged_weights_are_never_loaded(store: Store, promote, damage: bytes | None) -> None:
    champion = promote("champion")
    for path in (store.models.file_of(champion), blob_path(store, champion.digest)):
        path.write_bytes(path.read_bytes()[:-7] if damage is None else damage)
    found = ModelCache(store).current()
    assert found.labeler.names["detector"] == "tiny detector" and "damaged" in found.warnings[0]


def test_a_copy_that_was_swapped_here_is_fetched_again(store: Store, promote) -> None:
    champion = promote("champion")
    path = store.models.file_of(champion)
    path.write_bytes(b"\x80\x04}q.")
    card_path(path).write_text("[]")
    found = ModelCache(store).current()
    assert found.labeler.names["detector"] == "champion" and found.warnings == ()


def test_weights_that_come_back_serve_again_after_a_while(store: Store, promote, monkeypatch) -> None:
    champion = promote("champion")
    blob = blob_path(store, champion.digest)
    data = blob.read_bytes()
    lose(store, champion)
    cache = ModelCache(store)
    assert cache.current().warnings
    store.blobs.put(data)
    assert cache.current().warnings  # it is not tried at every look
    monkeypatch.setattr(model_cache.time, "monotonic", lambda: 1e12)
    found = cache.current()
    assert found.warnings == () and found.labeler.names["detector"] == "champion"


def test_while_the_database_is_away_the_models_at_hand_serve(store: Store, monkeypatch) -> None:
    cache = ModelCache(store)
    first = cache.current()

    def away(self: Models) -> dict[str, int]:
        raise StoreBusyError("The database is busy or away.")

    monkeypatch.setattr(Models, "champion_ids", away)
    assert cache.current() is first
    found = ModelCache(store).current()
    assert found.labeler.names["detector"] == "tiny detector" and found.detector_id is None
    assert "The store does not say which detector serves." in found.warnings[0]


def test_without_any_weights_a_sentence_says_so(store: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=r"detector\.json"):
        ModelCache(store).current()
