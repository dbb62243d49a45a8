"""What the browser is told to draw: numbers, names and addresses, and never a picture."""

from __future__ import annotations

import json

import pytest

from app.attention import maps as maps_module
from app.attention.maps import Layers
from app.preview import gallery, viewer
from app.preview.selection import view_of
from core.corrections import Corrections, Edit
from core.garments import Garment, LabeledPhoto
from core.store.photo_spools import Item, SpooledPhoto

FIRST = Garment((10, 20, 50, 80), "top", 0.9, (("Shirt", 0.6), ("Hat", 0.2)))
SECOND = Garment((0, 0, 5, 5), "pants", 0.54, (("Pants", 0.9), ("Hat", 0.01)))


@pytest.fixture(autouse=True)
def addresses(monkeypatch):
    """Pictures get an address that says where they are shown."""
    for module in (viewer, gallery, maps_module):
        monkeypatch.setattr(module, "picture_url", lambda data, mimetype, place: f"/media/{place}")


@pytest.fixture
def item(tmp_path) -> Item:
    (tmp_path / "0.jpg").write_bytes(b"x")
    (tmp_path / "0.view.jpg").write_bytes(b"x" * 100_000)
    name = '<img src=x onerror="alert(1)">.jpg'
    labeled = LabeledPhoto(name, 100, 200, 0.1, {}, (FIRST, SECOND))
    return Item(4, SpooledPhoto(tmp_path / "0.jpg", name, "d", b"t" * 9_000), labeled)


def test_a_photo_goes_by_address_with_its_boxes_in_pixels(item):
    data = viewer.view_data(view_of(item, Corrections(), 0.5), 1, None, {}, "viewer")
    assert (data["photo"], data["url"], data["width"], data["height"]) == (4, "/media/viewer/photo", 100, 200)
    assert [garment["box"] for garment in data["garments"]] == [[10, 20, 50, 80], [0, 0, 5, 5]]
    assert [garment["tag"] for garment in data["garments"]] == ["top 0.90", "pants 0.54"]
    assert data["garments"][0]["name"] == "top, 0.90, Shirt"
    assert data["selected"] == 1
    assert data["layers"] is None
    assert len(json.dumps(data)) < 2_000


def test_what_a_lower_threshold_would_show_goes_along_so_that_the_browser_need_not_wait(item):
    corrections = Corrections()
    corrections.apply(Edit(4, 0, FIRST, FIRST.correct(label="Hat")))
    data = viewer.view_data(view_of(item, corrections, 0.6), None, None, {}, "viewer")
    assert [(g["number"], g["score"]) for g in data["garments"]] == [(0, 1.0)]  # corrected: above them all
    assert [(g["number"], g["score"]) for g in data["hidden"]] == [(1, 0.54)]
    corrections.apply(Edit(4, 1, SECOND, None))
    assert viewer.view_data(view_of(item, corrections, 0.6), None, None, {}, "viewer")["hidden"] == []


def test_the_shops_names_and_corrections_show(item):
    corrections = Corrections()
    corrections.apply(Edit(4, 0, FIRST, FIRST.correct(label="Hat")))
    data = viewer.view_data(view_of(item, corrections, 0.5), None, None, {"top": "Oberteil"}, "viewer")
    assert data["garments"][0]["tag"] == "Oberteil ✓"
    assert data["garments"][0]["name"] == "Oberteil, corrected, Hat"


def test_layers_go_by_address_too(item):
    layers = Layers({"stride8": b"1", "stride32": b"2"}, {0: b"3", 1: b"4"})
    data = viewer.view_data(view_of(item, Corrections(), 0.5), None, layers, {}, "viewer")
    assert data["layers"] == {
        "attention": [
            {"name": "Fine", "url": "/media/viewer/stride8"},
            {"name": "Coarse", "url": "/media/viewer/stride32"},
        ],
        "activation": {"0": "/media/viewer/activation/0", "1": "/media/viewer/activation/1"},
    }


def test_the_state_tells_what_the_maps_are_for(item):
    states = [
        viewer.view_data(view_of(item, Corrections(), t), None, None, {}, "v")["state"]
        for t in (0.5, 0.55, 0.6, 0.95)
    ]
    assert (len(set(states)), states[1]) == (3, states[2])


def test_a_photo_is_told_in_words(item):
    assert viewer.alt_text(view_of(item, Corrections(), 0.5)).endswith(": top, pants")
    assert viewer.alt_text(view_of(item, Corrections(), 0.95)).endswith(": nothing found")


def test_a_tile_says_what_was_found_and_whether_to_look(item):
    tile = gallery.tile(view_of(item, Corrections(), 0.5), {"top": "Oberteil"})
    assert tile["note"] == "Oberteil, pants"
    assert [box["box"] for box in tile["boxes"]] == [[10, 20, 50, 80], [0, 0, 5, 5]]
    assert gallery.tile(view_of(item, Corrections(), 0.88), {})["note"] == "uncertain · top"
    assert gallery.tile(view_of(item, Corrections(), 0.97), {})["note"] == "nothing found"


def test_pages_hold_a_few_tiles_each(item):
    photos = [
        view_of(Item(n, item.spooled, item.labeled), Corrections(), 0.5) for n in range(gallery.PAGE * 2 + 1)
    ]
    assert gallery.pages(photos) == 3
    assert gallery.pages([]) == 1
    assert gallery.page_of(photos, gallery.PAGE) == 2
    assert gallery.page_of(photos, 10_000) == 1
    numbers = [view.item.number for page in (1, 2, 3) for view in gallery.on_page(photos, page)]
    assert numbers == list(range(len(photos)))
    assert len(gallery.on_page(photos, 3)) == 1
