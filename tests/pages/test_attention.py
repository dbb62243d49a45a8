"""The page for those who want to know how the models look at a photo."""

from __future__ import annotations

import pytest

from app.attention import maps
from core.errors import WeightsError
from tests.pages.workspace import dropped, texts, unopened
from tests.pictures import jpeg


@pytest.fixture
def page(monkeypatch, tmp_path):
    app = unopened(monkeypatch, tmp_path)
    return app.switch_page("../pages/attention.py").run()


def captions(app) -> list[str]:
    return [picture.caption for image in app.image for picture in image.proto.imgs]


def test_without_a_photo_it_says_what_to_do(page):
    assert not page.exception
    assert "The maps appear here once a photo is labeled" in texts(page)


def test_a_photo_shows_three_stages_and_every_head(page):
    dropped(page, ("a.jpg", jpeg(2)))
    assert not page.exception
    shown = captions(page)
    assert sum(caption.startswith("Detector") for caption in shown) == 3
    assert shown[3:] == [
        "Class activation",
        "Attention, mean of the heads",
        *(f"Head {n}" for n in range(1, 9)),
    ]


def test_another_photo_without_garments_shows_the_detector_alone(page):
    dropped(page, ("a.jpg", jpeg(2)), ("none.jpg", jpeg(0)))
    page.selectbox[0].set_value(1).run()
    assert not page.exception
    assert len(captions(page)) == 3
    assert "nothing to classify" in texts(page)


def test_the_photo_that_is_open_here_is_open_on_the_first_page_too(page):
    dropped(page, ("a.jpg", jpeg(2)), ("b.jpg", jpeg(1)))
    page.selectbox[0].set_value(1).run()
    page.switch_page("../pages/preview.py").run()
    assert "2 of 2" in texts(page)


def test_a_model_without_heads_says_so_in_a_sentence(page, monkeypatch):
    def headless(labeler, photo, labeled):
        raise WeightsError("Expected the classifier with attention, got one without.")

    monkeypatch.setattr(maps, "explain", headless)
    dropped(page, ("a.jpg", jpeg(2)))
    assert not page.exception
    assert [error.value for error in page.error] == [
        "Expected the classifier with attention, got one without."
    ]
