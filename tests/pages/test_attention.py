"""The page for those who want to know what the models look at: any photo, any view, and a link to it."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from app import resources
from app.attention import figure, link
from app.preview.session import KEY
from core.evaluation.faithfulness import Curve, Faithfulness
from core.inference.labeler import Labeler
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.store import Store
from core.store.schema import photos
from tests.fakes import FakeLabeler
from tests.pages.workspace import dropped, texts, unopened
from tests.pictures import jpeg
from tests.weights import LABELS, drawn_photo


@pytest.fixture
def workspace(monkeypatch, tmp_path, tiny_weights, tiny_labeler: Labeler):
    """The workspace with the tiny models, not yet opened; its store has one photo."""
    app = unopened(monkeypatch, tmp_path)
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)  # a classifier with attention
    monkeypatch.setattr(resources, "labeler", lambda: tiny_labeler)
    store = Store.open(folder=tmp_path)
    store.photos.add(drawn_photo(), by="me")
    store.close()
    return app


def opened(app, **parameters: str):
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.switch_page("../pages/attention.py").run()


def test_a_sample_is_there_at_once_and_the_address_says_what_is_shown(workspace):
    page = opened(workspace)
    assert not page.exception and not page.error
    assert page.selectbox[0].label == "Photo" and page.selectbox[0].value == "03-hand-on-the-hip.jpg"
    assert page.query_params["view"] == "heads" and page.query_params["from"] == "sample"
    assert "The address of this page opens the same view" in texts(page)


def test_every_view_of_a_stored_photo_opens_and_is_in_the_address(workspace):
    page = opened(workspace, **{"from": "store", "photo": "1", "view": "why"})
    for view in ("why", "heads", "labels", "simam", "faithfulness"):
        if page.query_params["view"] != view:
            page.segmented_control[1].set_value(view).run()
        assert not page.exception and not page.error, view
        assert (page.query_params["photo"], page.query_params["view"]) == ("1", view)
        kind = "Detector" if view in ("simam", "why") else "Classifier"
        assert kind in [box.label for box in page.selectbox]


def test_nothing_is_shown_of_a_holdout_photo_that_waits_to_be_annotated_unaided(workspace, tmp_path):
    store = Store.open(folder=tmp_path)
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    with store.database.write() as connection:
        connection.execute(sa.update(photos).values(holdout=True))
    page = opened(workspace, **{"from": "store", "photo": "1", "view": "why"})
    assert not page.exception and "annotated without proposals" in texts(page)
    assert "Detector" not in [box.label for box in page.selectbox]
    store.annotations.submit(1, [], author="me", base_version=0, request="r")
    assert "Detector" in [box.label for box in page.run().selectbox]
    store.close()


def test_labels_of_a_link_are_chosen_and_another_garment_begins_with_its_own(workspace):
    page = opened(
        workspace, **{"from": "store", "photo": "1", "view": "labels", "label": "Hat", "other": "Shoes"}
    )
    chosen = {box.label: box.value for box in page.selectbox}
    assert (chosen["Label"], chosen["Other label"]) == ("Hat", "Shoes")
    assert set(page.selectbox[-1].options[0].split(" · ")[:1]) <= set(LABELS)


def test_a_point_and_a_finer_map_of_a_link_are_shown(workspace):
    page = opened(workspace, **{"from": "store", "photo": "1", "at": "6,2", "finer": "2"})
    assert not page.exception and not page.error
    assert page.query_params["finer"] == "2"
    assert "is a reconstruction" in texts(page)


def test_a_link_that_asks_for_nonsense_shows_the_first_of_everything(workspace):
    page = opened(workspace, **{"view": "none", "garment": "77", "at": "9,x", "model": "x", "from": "moon"})
    assert not page.exception and not page.error
    assert (page.query_params["view"], page.query_params["from"]) == ("heads", "sample")


@pytest.mark.parametrize(
    ("asked", "numbers"), [("6,2", [6, 2]), ("x", None), ("1", None), ("-1,2", None), ("99999,1", None)]
)
def test_numbers_of_a_link_are_whole_and_as_many_as_asked(monkeypatch, asked, numbers):
    monkeypatch.setattr(link.st, "query_params", {"at": asked})
    assert link.asked_numbers("at", 2) == numbers


def test_a_classifier_without_attention_says_so_in_a_sentence(workspace, tiny_ships):
    page = opened(workspace, **{"from": "store", "photo": "1"})
    assert not page.exception
    assert "a classifier with attention" in texts(page)
    page.segmented_control[1].set_value("simam").run()
    assert not page.exception and not page.error


def test_without_a_photo_it_says_what_to_do(workspace):
    page = opened(workspace, **{"from": "dropped"})
    assert not page.exception
    assert "The maps appear here once a photo is labeled" in texts(page)


def test_dropped_photos_are_chosen_among_and_stay_open_on_the_first_page(workspace, monkeypatch):
    monkeypatch.setattr(resources, "labeler", FakeLabeler)
    page = opened(workspace, **{"from": "dropped"})
    dropped(page, ("a.jpg", jpeg(2)), ("b.jpg", jpeg(1)))
    assert not page.exception and not page.error
    page.selectbox[0].set_value("1").run()
    assert page.session_state[KEY].photo == 1
    assert "A dropped photo is yours alone" in texts(page)
    page.switch_page("../pages/preview.py").run()
    assert "2 of 2" in texts(page)


def test_a_photo_without_garments_has_simam_and_says_why_no_heads(workspace, monkeypatch):
    monkeypatch.setattr(resources, "labeler", FakeLabeler)
    page = opened(workspace, **{"from": "dropped"})
    dropped(page, ("none.jpg", jpeg(0)))
    assert not page.exception
    assert "nothing to classify" in texts(page)
    page.segmented_control[1].set_value("simam").run()
    assert not page.exception and not page.error


def test_a_weights_file_waits_for_its_card_and_its_view_has_no_link(workspace, tiny_weights):
    page = opened(workspace)
    pair = [
        (f"mine.{ending}", (tiny_weights / f"classifier.{ending}").read_bytes(), "application/octet-stream")
        for ending in ("safetensors", "json")
    ]
    files = next(element for element in page.file_uploader if element.label.startswith("Weights"))
    files.set_value(pair[:1])
    page.run()
    assert "The other file of the two is still to come: .json" in texts(page)
    next(element for element in page.file_uploader if element.label.startswith("Weights")).set_value(pair)
    page.run()
    assert not page.exception and "still to come" not in texts(page)
    assert page.query_params["model"] == "file0"
    assert "A weights file is in this session only" in texts(page)


def test_a_link_to_a_weights_file_of_another_session_says_that_it_is_not_here(workspace):
    page = opened(workspace, model="file3")
    assert [toast.value for toast in page.toast] == [
        "The address names a weights file of another session: the champion is shown instead."
    ]
    assert "The address of this page opens the same view" in texts(page)


@pytest.mark.parametrize(("asked", "view"), [("heads:all.to.all.3.1.65", "all.to.all.3.1.65"), ("why:x", "")])
def test_a_figure_takes_from_the_address_what_was_chosen_in_it(monkeypatch, asked, view):
    monkeypatch.setattr(figure.st, "query_params", {"look": asked})
    assert figure.requested_figure_view("attention-heads") == view


def test_a_link_to_measured_figures_measures_and_another_label_waits_for_a_click(workspace, monkeypatch):
    curve = Curve(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    measured = []

    def faithfulness(score, picture, values, *, baseline) -> Faithfulness:
        measured.append(baseline)
        return Faithfulness(curve, curve, 0.0, increased=False)

    monkeypatch.setattr("core.evaluation.faithfulness.faithfulness", faithfulness)
    view = {"from": "store", "photo": "1", "view": "faithfulness", "label": "Hat", "baseline": "mean"}
    page = opened(workspace, **view)
    assert not measured and "measured" not in page.query_params
    page = opened(workspace, **view, measured="1")
    assert not page.exception and not page.error
    assert set(measured) == {"mean"} and len(page.dataframe) == 1
    maps = len(measured)
    next(box for box in page.selectbox if box.label == "Label").set_value("Shoes").run()
    assert len(measured) == maps and "measured" not in page.query_params
    next(button for button in page.button if button.label == "Measure").click().run()
    assert len(measured) == 2 * maps and page.query_params["measured"] == "1"
