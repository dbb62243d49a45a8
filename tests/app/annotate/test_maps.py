"""The map over the photo at hand: of the right shape, worked out once, and never an end of the page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app import resources
from app.annotate import maps as annotate_maps
from app.annotate.maps import AttentionMaps, attention_png, over_photo
from app.attention import maps as shared_maps
from core.garments import Garment
from core.inference.explain import DetectorMap, Explanation, GarmentMaps
from core.store import Store
from tests.app.annotating import filled_store
from tests.fakes import FakeLabeler, fake_explain
from tests.waiting import until


@pytest.fixture
def explained(monkeypatch) -> list[str]:
    """The names of the photos that were explained, in order."""
    names = []

    def explain(labeler, photo, labeled):
        names.append(photo.name)
        return fake_explain(labeler, photo, labeled)

    monkeypatch.setattr(shared_maps, "explain", explain)
    return names


@pytest.fixture
def store(tmp_path, monkeypatch, explained) -> Store:
    fake = FakeLabeler()
    monkeypatch.setattr(resources, "labeler", lambda: fake)
    return filled_store(tmp_path, 1, predicted=True)


def test_a_garments_activation_lies_in_its_box_and_nowhere_else():
    hot = {"class_activation": np.ones((7, 7), np.float32)}
    garment = Garment((20, 40, 60, 80), "top", 0.9)
    heat = over_photo(Explanation("a.jpg", (GarmentMaps(garment, hot),), ()), (100, 200))
    assert heat.shape == (200, 100)
    assert heat[40:80, 20:60].min() == 1.0 and heat.sum() == 40 * 40


def test_half_of_the_photo_stays_clear():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    heat = over_photo(Explanation("a.jpg", (), (DetectorMap("stride8", ramp),)), (8, 8))
    assert (heat == 0).sum() == 32 and heat.max() == 1.0


def test_the_map_has_the_photos_shape(store):
    data = attention_png(store, 1)
    assert data is not None
    assert Image.open(io.BytesIO(data)).size == (90, 120)


def test_a_map_is_asked_for_once_and_is_there_later(store, explained):
    kept = AttentionMaps()
    assert kept.png(store, 1) is None and not kept.pending(store, 1)
    kept.request(store, 1)
    kept.request(store, 1)
    until(lambda: not kept.pending(store, 1))
    assert kept.png(store, 1) is not None and len(explained) == 1


def test_a_map_that_cannot_be_made_is_none(store, monkeypatch):
    monkeypatch.setattr(shared_maps, "explain", lambda *_: 1 / 0)
    assert attention_png(store, 1) is None
    assert annotate_maps.attention_maps() is annotate_maps.attention_maps()


def test_a_map_of_models_that_serve_no_more_is_made_anew(store, explained, monkeypatch):
    serving = {"detector": 1}
    monkeypatch.setattr(annotate_maps, "champions", lambda _: dict(serving))
    kept = AttentionMaps()
    kept.request(store, 1)
    until(lambda: kept.png(store, 1) is not None)
    serving["detector"] = 2
    assert kept.png(store, 1) is None and not kept.pending(store, 1)
    kept.request(store, 1)
    until(lambda: kept.png(store, 1) is not None)
    assert len(explained) == 2
