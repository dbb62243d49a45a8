"""The page Models: two models side by side, the gate's verdict, promotion and rollback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Actor, Role
from core.evaluation.comparison import ClassComparison, Comparison, PairedMetric
from core.images.decode import read_photo
from core.models import cards
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.models import ModelRow
from tests.core.store.models import add_candidate, watch_exports
from tests.pages.workspace import texts, unopened
from tests.pictures import jpeg


@pytest.fixture
def store(monkeypatch, tmp_path, tiny_weights: Path) -> Iterator[Store]:
    """The store that the page opens; its first champions are tiny, and it has a photo and a revision."""
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cards, "WEIGHTS_FOLDER", tiny_weights)
    store = Store.open(folder=tmp_path / "data")
    photo = store.photos.add(read_photo(jpeg(2), "coat.jpg"), by="Anna").row
    assert photo is not None
    box = AnnotatedBox((5.0, 5.0, 60.0, 90.0), store.categories.all()[0].id)
    store.annotations.submit(photo.id, [box], author="Anna", base_version=0, request="first")
    store.revisions.create("Anna")
    yield store
    store.close()


@pytest.fixture
def candidate(store, tmp_path) -> ModelRow:
    return add_candidate(store, tmp_path)


@pytest.fixture
def visit(monkeypatch, store):
    """Opens the page, by what the address asks for."""

    def open_page(**asked: object) -> AppTest:
        page = unopened(monkeypatch, store.folder).switch_page("../pages/models.py")
        for name, value in asked.items():
            page.query_params[name] = str(value)
        return shown(page.run())

    return open_page


def shown(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def figure(champion: float, difference: float, spread: float = 0.002) -> PairedMetric:
    candidate = champion + difference
    ends = [(middle - spread, middle + spread) for middle in (champion, candidate, difference)]
    return PairedMetric(champion, candidate, difference, *ends)


def compared(
    store: Store, candidate: ModelRow, difference: float, *, spread: float = 0.002, photos: int = 60, **more
) -> int:
    """A comparison with the champion in which the candidate gains so much."""
    classes = (
        ClassComparison("top", 50, figure(0.5, difference)),
        ClassComparison("hat", 30, figure(0.4, more.get("hat", 0.0))),
        ClassComparison("bag", 3, figure(0.4, -0.3)),
        ClassComparison("belt", 0, PairedMetric(None, None, None)),
    )
    figures = {"mAP50": figure(0.412, difference, spread), "mAP": figure(0.25, difference, spread)}
    comparison = Comparison("detector", photos, 83, figures, classes, 1000)
    report = {"comparison": comparison.as_dict(), "changed": more.get("changed", []), "seconds": 1.0}
    champion = store.models.champion("detector")
    return store.comparisons.save(candidate.id, champion.id, 1, report).id


def text_of(page: AppTest) -> str:
    """All that is written, with Markdown's backslashes taken out."""
    return "\n".join((texts(page), *(found.value for found in page.success))).replace("\\", "")


def test_without_a_candidate_it_says_how_to_get_one(visit, store):
    page = visit()
    said = text_of(page)
    assert "tiny detector" in said and "No candidate yet" in said and "ships with Lapel" in said
    assert store.models.champion("detector").digest[:16] in said
    assert not [button for button in page.button if button.key in ("promote", "compare")]


def test_the_address_names_kind_and_candidate(visit, store, tmp_path):
    first = add_candidate(store, tmp_path, name="one")
    add_candidate(store, tmp_path, name="two")
    page = visit(kind="detector", candidate=first.id)
    assert page.selectbox(key="models-candidate").value == first.id
    assert "tiny classifier" in text_of(visit(kind="classifier"))
    page = visit(kind="nonsense", candidate="drop table")
    assert page.selectbox(key="models-candidate").value == first.id + 1
    page.segmented_control(key="models-kind").set_value("classifier").run()
    assert "tiny classifier" in text_of(shown(page))


def test_a_card_says_where_a_model_comes_from(visit, store, candidate):
    said = text_of(visit())
    assert "Parent: tiny detector" in said and f"Digest: {candidate.digest[:16]}" in said
    assert "yolov4-gs pico, 160 pixels, 13 categories" in said


def test_both_are_measured_side_by_side_with_intervals(visit, store, candidate):
    compared(store, candidate, 0.02)
    page = visit()
    (totals,) = [found.value for found in page.table]
    assert totals.loc["mAP50", "Champion"] == "41.2 % (41.0 to 41.4)"
    assert totals.loc["mAP50", "Difference, points"] == "+2.0 (+1.8 to +2.2)"
    assert "60 holdout photos" in text_of(page) and "1 class without a box" in text_of(page)
    assert "The gate passes" in text_of(page)
    assert len(page.get("plotly_chart")) >= 1


def test_classes_that_lost_are_marked(visit, store, candidate):
    compared(store, candidate, 0.02, hat=-0.08)
    page = visit()
    table = next(found.value for found in page.dataframe if "Class" in found.value)
    assert dict(zip(table["Class"], table[""], strict=True)) == {
        "bag": "few boxes",
        "hat": "▼ lost too much",
        "top": "",
    }
    assert "hat loses 8.0 points" in text_of(page) and page.button(key="promote").disabled


def test_a_better_candidate_is_promoted_and_rolled_back(visit, store, candidate, monkeypatch):
    first, exports = store.models.champion("detector"), watch_exports(monkeypatch, store)
    compared(store, candidate, 0.02)
    page = visit()
    shown(page.button(key="promote").click().run())
    assert store.models.champion("detector").id == candidate.id
    assert f"{candidate.name} serves now" in text_of(page)
    history = next(found.value for found in page.dataframe if "Action" in found.value)
    assert list(history["Action"]) == ["promoted", "first champion"]
    shown(page.button(key="rollback-yes").click().run())
    assert store.models.champion("detector").id == first.id and "serves again" in text_of(page)
    assert exports == [(candidate.id, first.id), (first.id, candidate.id)], "each before it serves"


def test_a_worse_candidate_takes_a_reason(visit, store, candidate):
    compared(store, candidate, -0.1)
    page = visit()
    assert page.button(key="promote").disabled and "The gate refuses" in text_of(page)
    overrule = next(button for button in page.button if button.label == "Promote against the gate")
    shown(overrule.click().run())
    assert "Expected a reason" in text_of(page)
    assert store.models.champion("detector").id != candidate.id
    page.text_input(key="overrule-reason").set_value("hats are no longer sold")
    overrule = next(button for button in page.button if button.label == "Promote against the gate")
    shown(overrule.click().run())
    assert store.models.champion("detector").id == candidate.id
    change = store.promotions.history("detector")[0]
    assert (change.action, change.reason) == ("overrule", "hats are no longer sold")


def test_too_few_photos_say_how_many_it_would_take(visit, store, candidate):
    compared(store, candidate, 0.01, spread=0.1)
    page = visit()
    assert "too few photos to tell" in text_of(page) and "annotated holdout photos" in text_of(page)


def test_somebody_else_who_promoted_meanwhile_is_one_sentence(visit, store, candidate, tmp_path):
    compared(store, candidate, 0.02)
    page = visit()
    other = add_candidate(store, tmp_path, name="other", shift=0.002)
    champion = store.models.champion("detector").id
    store.promotions.promote(
        other.id, expected_champion=champion, request="theirs", overrule_reason="I was quicker"
    )
    shown(page.button(key="promote").click().run())
    assert "other has become the detector that serves" in text_of(page)
    assert store.models.champion("detector").id == other.id


def test_a_comparison_with_a_former_champion_asks_for_another(visit, store, candidate, tmp_path):
    compared(store, candidate, 0.02)
    other = add_candidate(store, tmp_path, name="other", shift=0.002)
    champion = store.models.champion("detector").id
    store.promotions.promote(other.id, expected_champion=champion, request="theirs", overrule_reason="so")
    page = visit(candidate=candidate.id)
    assert "which is no longer the champion" in text_of(page) and page.button(key="promote").disabled


def test_a_researcher_sees_all_of_it_and_may_not_promote(visit, store, candidate, monkeypatch):
    from app.auth import identity
    from app.auth import identity as app_store

    researcher = Actor("Rosa", frozenset({Role.RESEARCHER}))
    compared(store, candidate, -0.1)
    for module in (identity, app_store):
        monkeypatch.setattr(module, "current_actor", lambda **_: researcher)
    page = visit()
    assert page.button(key="promote").disabled and "need the role admin" in text_of(page)
    assert not [button for button in page.button if "against the gate" in button.label]


def test_photos_that_changed_are_shown_with_both_models_boxes(visit, store, candidate):
    (row,) = store.photos.page(0, 1)
    before, after = [[5, 5, 60, 90, "top", 0.8]], [[6, 6, 61, 91, "top", 0.9], [1, 1, 9, 9, "headwear", 0.5]]
    changes = [
        {"photo": row.id, "gain": 1, "what": ["finds headwear"], "champion": before, "candidate": after},
        {"photo": 999, "gain": -1, "what": ["no longer finds bag"], "champion": [], "candidate": []},
    ]
    compared(store, candidate, 0.02, changed=changes)
    page = visit()
    (tile,) = component(page, "lapel_gallery")["tiles"]
    assert tile["note"] == "finds headwear" and len(tile["boxes"]) == 3
    panes = {pane["title"]: pane["boxes"] for pane in component(page, "lapel_panes")["panes"]}
    assert [box["tag"] for box in panes["Candidate"]] == ["top", "headwear"]
    assert len(panes["Champion"]) == len(panes["Annotated by Anna"]) == 1
    page.segmented_control(key="changed-show").set_value("Worse").run()
    assert "No such photo" in text_of(shown(page))  # the one that got worse was deleted


def test_maps_of_both_models_are_made_when_asked_for(visit, store, candidate):
    (row,) = store.photos.page(0, 1)
    changes = [{"photo": row.id, "gain": 0, "what": ["finds top"], "champion": [], "candidate": []}]
    compared(store, candidate, 0.02, changed=changes)
    page = visit()
    shown(page.button(key="models-maps-show").click().run())
    captions = [caption.value for caption in page.caption]
    assert any(caption.startswith("Detector, stride") for caption in captions)
    assert sum(len(image.proto.imgs) for image in page.image) == 6  # three stages, both models


def component(page: AppTest, name: str) -> dict:
    """What a component of ours was given."""
    (found,) = [c for c in page.get("bidi_component") if c.proto.component_name == name]
    return json.loads(found.proto.json)
