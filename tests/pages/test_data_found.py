"""Finding on the page Data: crops mended in bulk, photos given away, label issues, links, and the map."""

from __future__ import annotations

import json
from threading import Event

import numpy as np
import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from app.data import background_actions, embedding_map
from app.data.selection import SelectionState
from app.text import NO_LABEL_ISSUES
from core.garments import Garment
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.store import Store, bulk
from core.store.guidelines import guidelines
from core.store.schema import photos
from core.store.search import MOST_IDS
from tests.core.store.rows import add_models, add_photos
from tests.pages.data_page import annotate, button, gallery, on, open_store, photo, told
from tests.pages.workspace import texts, unopened
from tests.waiting import until


@pytest.fixture
def store(monkeypatch, tmp_path) -> Store:
    return open_store(monkeypatch, tmp_path)


@pytest.fixture
def page(monkeypatch, store) -> AppTest:
    return unopened(monkeypatch, store.folder).switch_page("../pages/data.py")


def test_crops_are_relabeled_in_bulk_and_undone_as_one_step(page, store):
    top, skirt = (category.id for category in store.categories.all()[:2])
    names = {id: category.name for id, category in store.categories.by_id().items()}
    coats = [photo(store, shade, f"{shade}.jpg", bands=2 * shade) for shade in (1, 2, 3)]
    for each in coats:
        annotate(store, each, top, skirt)
    on(page, "Photos")
    page.segmented_control(key="view").set_value("Crops")
    page.selectbox(key="category").set_value(names[top]).run()
    assert gallery(page) == [names[top]] * 3
    page.button(key="choose-page").click().run()
    assert "3 boxes chosen" in texts(page)
    page.selectbox(key="chosen-category").set_value(skirt).run()
    page.button(key="relabel").click().run()
    assert not page.exception and "3 boxes on 3 photos relabeled" in told(page)
    assert {len(store.annotations.history(each)) for each in coats} == {2}
    assert all({b.category_id for b in store.annotations.latest(each).boxes} == {skirt} for each in coats)
    page.button(key="relabel-undo").click().run()
    assert gallery(page) == [names[top]] * 3


def test_annotated_and_predicted_boxes_are_relabeled_together_and_undone_together(page, store):
    top, skirt = (category.id for category in store.categories.all()[:2])
    name = store.categories.by_id()[top].name
    by_person, by_models = (photo(store, shade, f"{shade}.jpg", bands=2 * shade) for shade in (1, 2))
    annotate(store, by_person, top)
    store.predictions.save(
        by_models, add_models(store.database), [Garment((5.0, 5.0, 60.0, 90.0), name, 0.9)], None
    )
    page.query_params["view"] = "Crops"
    on(page, "Photos").button(key="choose-page").click().run()
    page.segmented_control(key="boxes").set_value("predicted").run()
    page.button(key="choose-page").click().run()
    assert "2 boxes chosen" in texts(page)
    page.selectbox(key="chosen-category").set_value(skirt).run()
    page.button(key="relabel").click().run()
    assert "1 box on 1 photo relabeled. 1 box on 1 photo relabeled in your drafts" in told(page)
    person = store.annotations.history(by_person)[-1].author
    assert store.drafts.load(by_models, person) is not None
    page.button(key="relabel-undo").click().run()
    assert "1 box as before on 1 photo. The drafts of 1 photo are as before." in told(page)
    assert {box.category_id for box in store.annotations.latest(by_person).boxes} == {top}
    assert store.drafts.load(by_models, person) is None
    assert not [shown for shown in page.button if shown.key == "relabel-undo"]


def test_chosen_photos_are_put_first_given_away_and_exported(page, store):
    first, second = photo(store, 1, bands=2), photo(store, 2, bands=4)
    store.settings.put("second_share", 0.0)
    annotate(store, first, 1)
    store.queue.fill()
    on(page, "Photos")
    page.button(key="choose-page").click().run()
    assert "2 photos chosen" in texts(page) and page.get("download_button")
    assert "1 photo without annotation left out" in texts(page)
    page.button(key="chosen-first").click().run()
    assert "2 photos first in the queue" in told(page) and store.queue.counts().open == 2
    page.selectbox(key="chosen-person").set_value("whoever comes")
    page.button(key="give").click().run()
    assert not page.exception and store.queue.upcoming("Zoe") in (first, second)


def test_chosen_photos_are_tagged_and_found_by_it(page, store):
    first, second = photo(store, 1, "1.jpg", bands=2), photo(store, 2, "2.jpg", bands=4)
    store.photo_notes.tag([second], "Anna", add=["winter"])
    page.session_state["chosen"] = SelectionState({"Photos": {str(first): None}})
    on(page, "Photos")
    page.selectbox(key="chosen-tag").set_value("winter").run()
    page.button(key="tag-add").click().run()
    assert "winter added to 1 photo" in told(page) and store.photo_notes.known_tags() == {"winter": 2}
    page.button(key="tag-remove").click().run()
    assert "removed from 1 photo" in told(page) and store.photo_notes.known_tags() == {"winter": 1}
    page.selectbox(key="tag").set_value("winter").run()
    assert gallery(page) == ["2.jpg"]


def test_all_that_a_filter_finds_is_tagged_however_many(page, store, monkeypatch):
    monkeypatch.setattr(background_actions, "SHORT_SECONDS", 60.0)
    ids = add_photos(store.database, MOST_IDS + 50)  # without pictures
    store.photo_notes.tag([ids[0]], "Anna", add=["winter"])
    on(page, "Photos")
    page.button(key="choose-all").click().run()
    assert "10,050 photos chosen" in texts(page) and not page.exception
    page.session_state["chosen"].choose("Photos", [str(ids[-1])], False)
    page.run()
    assert "10,049 photos chosen" in texts(page)
    page.selectbox(key="chosen-tag").set_value("winter").run()
    page.button(key="tag-add").click().run()
    assert "winter added to 10,049 photos" in told(page) and not page.exception
    assert store.photo_notes.known_tags() == {"winter": 10_049}


def test_a_long_act_shows_how_far_it_is_after_a_reload_too(page, store, monkeypatch):
    monkeypatch.setattr(background_actions, "SHORT_SECONDS", 0.0)
    begun, go = Event(), Event()

    def put_first(store, photo_ids, reason, progress):
        progress(1, 2)
        begun.set()
        assert go.wait(60)
        progress(2, 2)

    monkeypatch.setattr(bulk, "put_first", put_first)
    add_photos(store.database, 2)
    on(page, "Photos")
    page.button(key="choose-page").click().run()
    page.button(key="chosen-first").click().run()
    assert begun.wait(60)
    del page.session_state["chosen"]  # as a reload does
    page.run()
    page.button(key="choose-page").click().run()
    assert "More can be done once the action above is over" in texts(page)
    page.button(key="action-stop").click().run()
    go.set()
    until(lambda: "Putting first was stopped. 1 of 2 photos were done by then." in told(page.run()))


def test_a_map_of_photos_shows_what_they_are(page, store, monkeypatch):
    monkeypatch.setattr(embedding_map, "SHORT_SECONDS", 60.0)
    assert "once the models have labeled photos" in texts(on(page, "Map"))
    pair = add_models(store.database)
    ids = [photo(store, shade, f"{shade}.jpg", bands=2 * shade) for shade in (1, 2, 3, 4)]
    for number, each in enumerate(ids):
        garment = Garment((5.0, 5.0, 60.0, 90.0), "top", 0.9, (("Shirt", 0.8),))
        store.predictions.save(each, pair, [garment], np.eye(4, dtype=np.float32)[number])
    annotate(store, ids[0], store.categories.all()[1].id)
    on(page, "Map")
    assert "4 photos; near points look alike" in texts(page)
    (chart,) = page.get("plotly_chart")
    traces = {trace["name"]: trace["customdata"] for trace in json.loads(chart.proto.spec)["data"]}
    other = store.categories.all()[1].name
    assert traces == {"top (3)": [str(id) for id in ids[1:]], f"{other} (1)": [str(ids[0])]}
    page.segmented_control(key="map-color").set_value("State").run()
    assert not page.exception
    page.segmented_control(key="map").set_value("Garments").run()
    assert button(page, "Compute the map") is not None


def test_what_models_find_on_an_unaided_holdout_photo_is_not_shown_before_it_is_annotated(page, store):
    pair = add_models(store.database)
    ids = [photo(store, shade, f"{shade}.jpg", bands=2 * shade) for shade in (1, 2)]
    for each in ids:
        garment = Garment((5.0, 5.0, 60.0, 90.0), "top", 0.9, (("Shirt", 0.8),))
        store.predictions.save(each, pair, [garment], np.eye(4, dtype=np.float32)[each % 4])
    with store.database.write() as connection:
        connection.execute(sa.update(photos).where(photos.c.id == ids[0]).values(holdout=True))
        connection.execute(sa.update(photos).where(photos.c.id == ids[1]).values(holdout=False))
    page.query_params["view"], page.query_params["boxes"] = "Crops", "predicted"
    assert len(gallery(on(page, "Photos"))) == 2
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    assert len(gallery(page.run())) == 1 and "so that nobody is led by it" in texts(page)
    on(page, "Map")
    (chart,) = page.get("plotly_chart")
    traces = {trace["name"]: trace["customdata"] for trace in json.loads(chart.proto.spec)["data"]}
    assert traces == {"top (1)": [str(ids[1])], "none (1)": [str(ids[0])]}
    assert "so that nobody is led by it" in texts(page)


def test_a_link_finds_the_same(page, store):
    ids = [photo(store, shade, f"{shade}.jpg", bands=2 * shade) for shade in (1, 2, 3)]
    annotate(store, ids[0], 1)
    page.query_params["state"] = "without annotation"
    page.query_params["ids"] = f"{ids[0]}-{ids[1]}"
    assert gallery(on(page, "Photos")) == ["2.jpg"]
    page.query_params["ids"] = "many"
    page.run()
    assert "expected photos by number" in texts(page).replace("\\", "")


def test_label_issues_are_crops_with_their_reason(page, store):
    wrong = photo(store, name="coat.jpg")
    annotate(store, wrong, store.categories.all()[0].id)
    on(page, "Photos")
    page.segmented_control(key="view").set_value("Label issues").run()
    assert NO_LABEL_ISSUES in texts(page)
    issue = {"photo_id": wrong, "kind": "swapped", "score": 0.9, "reason": "drawn as a top", "version": 1}
    store.settings.remember("label_issues", [issue | {"box_xyxy": [5.0, 5.0, 60.0, 90.0], "category_id": 2}])
    page.run()
    first, second = (category.name for category in store.categories.all()[:2])
    assert gallery(page) == [f"{first} → {second}"]
    page.button(key="choose-page").click().run()
    page.button(key="relabel-as-suggested").click().run()
    assert store.annotations.latest(wrong).boxes[0].category_id == 2
    assert "1 box on 1 photo relabeled" in told(page)
    assert NO_LABEL_ISSUES in texts(page)


def test_addresses_of_before_find_label_issues(page, store):
    annotate(store, photo(store, name="coat.jpg"), store.categories.all()[0].id)
    page.query_params["view"] = "Label errors"
    on(page, "Photos")
    assert page.segmented_control(key="view").value == "Label issues"
    assert NO_LABEL_ISSUES in texts(page) and not page.exception
    page.segmented_control(key="view").set_value("Photos").run()
    assert gallery(page) == ["coat.jpg"]


def test_chosen_boxes_are_examples_in_the_guidelines(page, store):
    top = store.categories.all()[0].id if store.categories.all() else 1
    coat = photo(store, 1, "coat.jpg", bands=2)
    annotate(store, coat, top)
    on(page, "Photos")
    page.segmented_control(key="view").set_value("Crops").run()
    page.button(key="choose-page").click().run()
    page.button(key="chosen-example").click().run()
    assert "1 box in the guidelines" in told(page)
    on(page, "Categories")
    assert gallery(page) == [store.categories.by_id()[top].name] and "1 example" in texts(page)
    page.text_area(key=f"guideline-text-{top}").set_value("Worn above the waist.")
    page.button(key="guideline-save").click().run()
    assert "The guideline is saved" in told(page) and guidelines(store)[top].text == "Worn above the waist."
