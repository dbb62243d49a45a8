"""The labeler is loaded once, follows promotions, and what stays in memory slows no run of a page."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app import resources
from core.errors import StoreError, WeightsError
from core.files import DATA_VARIABLE
from core.inference.labeler import Labeler
from core.store import Store
from tests.core.store.models import add_candidate, blob_path


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_ships: Path) -> Iterator[Store]:
    """The workspace's store; the collector is left as it was found."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv("LAPEL_DATABASE_URL", raising=False)
    yield resources.machine_store()
    st.cache_resource.clear()
    gc.unfreeze()


def promote(store: Store, folder: Path, name: str = "candidate") -> None:
    champion, candidate = store.models.champion("detector"), add_candidate(store, folder, name=name)
    store.promotions.promote(
        candidate.id, expected_champion=champion.id, request=name, overrule_reason="a test"
    )


def test_the_labeler_is_loaded_once() -> None:
    first = resources.labeler()
    assert resources.labeler() is first and first.names["detector"] == "tiny detector"
    assert resources.warnings_of(first) == ()


def test_pages_follow_a_promotion_and_a_rollback_at_once(store: Store, tmp_path: Path) -> None:
    first = resources.labeler()
    promote(store, tmp_path)
    second = resources.labeler()
    assert second.names == {"detector": "candidate", "classifier": "tiny classifier"}
    assert second.classifier is first.classifier  # what did not change is not loaded again
    store.promotions.rollback("detector", request="back")
    assert resources.labeler().names["detector"] == "tiny detector"


def test_a_champion_without_weights_is_told(store: Store, tmp_path: Path) -> None:
    promote(store, tmp_path)
    champion = store.models.champion("detector")
    store.models.file_of(champion).unlink()
    blob_path(store, champion.digest).unlink()
    serving = resources.labeler()
    assert serving.names["detector"] == "tiny detector"
    [warning] = resources.warnings_of(serving)
    assert warning.startswith("The detector candidate cannot serve") and "tiny detector serves" in warning


def test_missing_weights_are_not_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("core.models.cards.WEIGHTS_FOLDER", tmp_path)
        with pytest.raises(WeightsError, match=r"detector\.json"):
            resources.labeler()
    assert resources.labeler().names["detector"] == "tiny detector"


def test_without_a_store_the_weights_that_ship_label_and_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny_labeler: Labeler
) -> None:
    def closed() -> Store:
        raise StoreError("The database cannot be opened.")

    monkeypatch.setattr(resources, "machine_store", closed)
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls: tiny_labeler))
    assert resources.labeler() is tiny_labeler
    [warning] = resources.warnings_of(tiny_labeler)
    assert warning == "The database cannot be opened. The models that ship label meanwhile."


def test_what_is_loaded_is_left_alone_by_the_collector_and_new_garbage_is_not() -> None:
    before = len(gc.get_objects())
    resources.labeler()
    assert gc.get_freeze_count() > 0.9 * before
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
