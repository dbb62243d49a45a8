"""Overlays are pictures with alpha, worked out once a photo and state."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.attention import maps as maps_module
from app.attention.maps import LAYER_SIDE, Maps, layer_png
from app.preview import selection
from app.preview.batch import Batch
from core.corrections import Corrections, Edit
from core.files import DATA_VARIABLE
from core.store.photo_spools import Spool
from tests.fakes import FakeLabeler, fake_explain
from tests.pictures import jpeg


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The photos that were explained, in order."""
    explained: list[str] = []

    def counted(labeler, photo, labeled):
        explained.append(photo.name)
        return fake_explain(labeler, photo, labeled)

    monkeypatch.setattr(maps_module, "explain", counted)
    return explained


@pytest.fixture
def batch(tmp_path, monkeypatch) -> Batch:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg(3)), ("empty.jpg", jpeg(0))])
    batch.wait(lambda now: not now.running, 10)
    return batch


def view(batch: Batch, number: int = 0, threshold: float = 0.5) -> selection.PhotoView:
    return selection.view_of(batch.items[number], Corrections(), threshold)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_there_is_a_layer_for_every_stage_and_every_garment_that_is_seen(batch, calls):
    layers = Maps(FakeLabeler()).layers(view(batch), 10)
    assert layers is not None
    assert list(layers.attention) == ["stride8", "stride16", "stride32"]
    assert list(layers.activation) == [0, 1]
    assert opened(layers.attention["stride8"]).size == (90, 120)  # the photo's own shape
    assert opened(layers.activation[0]).size == (54, 40)  # 0.2 to 0.8 of the width, a third of the height
    assert opened(layers.activation[0]).mode == "RGBA"


def test_a_photo_is_explained_once_and_again_when_other_garments_are_seen(batch, calls):
    maps = Maps(FakeLabeler())
    for threshold in (0.5, 0.5, 0.55, 0.1, 0.5):
        maps.layers(view(batch, threshold=threshold), 10)
    assert len(calls) == 2


def test_another_label_is_explained_anew_since_the_activation_speaks_for_it(batch, calls):
    maps, corrections = Maps(FakeLabeler()), Corrections()
    maps.layers(selection.view_of(batch.items[0], corrections, 0.5), 10)
    garment = batch.items[0].labeled.garments[0]
    corrections.apply(Edit(0, 0, garment, garment.correct(label=garment.top5[1][0])))
    maps.layers(selection.view_of(batch.items[0], corrections, 0.5), 10)
    assert len(calls) == 2


def test_a_photo_without_garments_still_has_the_detectors_attention(batch, calls):
    layers = Maps(FakeLabeler()).layers(view(batch, 1), 10)
    assert layers is not None
    assert len(layers.attention) == 3
    assert layers.activation == {}


def test_maps_that_are_not_ready_are_none_for_now(batch, monkeypatch):
    import threading

    go = threading.Event()

    def slow(labeler, photo, labeled):
        assert go.wait(10)
        return fake_explain(labeler, photo, labeled)

    monkeypatch.setattr(maps_module, "explain", slow)
    maps = Maps(FakeLabeler())
    assert maps.layers(view(batch)) is None
    go.set()
    assert maps.layers(view(batch), 10) is not None


def test_maps_that_fail_are_empty_so_that_the_page_can_say_so(batch, monkeypatch):
    def broken(labeler, photo, labeled):
        raise RuntimeError("no such layer")

    monkeypatch.setattr(maps_module, "explain", broken)
    layers = Maps(FakeLabeler()).layers(view(batch), 10)
    assert layers is not None and (layers.attention, layers.activation) == ({}, {})


def test_only_the_last_photos_arrays_are_kept(batch, calls):
    maps = Maps(FakeLabeler())
    for number in (0, 0, 1, 0):
        photo, explanation = maps.explanation(view(batch, number))
        assert explanation.photo == photo.name == batch.items[number].spooled.name
    assert calls == ["a.jpg", "empty.jpg", "a.jpg"]


def test_a_large_photos_layer_is_bounded_and_keeps_its_shape():
    assert opened(layer_png(np.ones((4, 4), dtype=np.float32), (4000, 2000))).size == (
        LAYER_SIDE,
        LAYER_SIDE // 2,
    )
    assert opened(layer_png(np.ones((4, 4), dtype=np.float32), (3, 1))).size == (3, 1)
