"""The page Annotate, its Python side: what lies on the session, what is said, and what the buttons do."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app.annotate import page as page_module
from app.annotate.page import MORE_KEY
from app.annotate.prefetch import ProposalJobs
from app.annotate.save import perform, save_draft
from app.annotate.session import KEY, AnnotationSession
from app.text import NO_LABEL_ISSUES
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.store import Store
from tests.app.annotating import act_on, box, filled_store, work_on
from tests.core.store.conftest import drawn
from tests.pages.workspace import texts, unopened

PAGE = "../pages/annotate.py"


def store_in(folder, photos: int, **fields) -> Store:
    folder.mkdir()
    return filled_store(folder, photos, **fields)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start(monkeypatch, folder):
    """Gives the page as a person opens it; no model looks at its photos meanwhile."""
    monkeypatch.setattr(ProposalJobs, "request", lambda *_: None)

    def begin(person: str = "anna", **parameters: str) -> AppTest:
        monkeypatch.delenv("LAPEL_DATABASE_URL", raising=False)
        app = unopened(monkeypatch, folder)
        for name, value in (("as", person), *parameters.items()):
            app.query_params[name] = value
        return app.switch_page(PAGE).run()

    return begin


def session_of(app: AppTest) -> AnnotationSession:
    found: AnnotationSession = app.session_state[KEY]
    return found


def component_data(app: AppTest, component: str = "lapel_editor") -> dict:
    """The data that one of our components got."""
    (found,) = [c for c in app.get("bidi_component") if c.proto.component_name == component]
    return json.loads(found.proto.json)


def pressed(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_without_photos_the_page_links_to_the_import(start, folder):
    store_in(folder, 0)
    page = start()
    assert not page.exception
    assert "There are no photos yet" in texts(page)
    assert [link.proto.label for link in page.get("page_link")] == ["Import photos"]


def test_the_editor_gets_the_next_photo_with_its_proposals(start, folder):
    store = store_in(folder, 2, predicted=True)
    page = start()
    assert not page.exception
    data = component_data(page)
    assert data["photo"]["id"] == session_of(page).opened.photo.id
    assert "/media/" in data["photo"]["url"]
    (proposal,) = data["boxes"]
    assert proposal["score"] == 0.8 and not proposal["accepted"] and proposal["label"] == "Shirt"
    assert len(data["categories"]) == len(store.categories.all()) == 13
    assert data["parents"]["Shirt"] == proposal["category"]
    assert "0 done · 2 to do" in texts(page)


def test_the_url_names_the_open_photo_and_a_link_opens_one(start, folder):
    store_in(folder, 3)
    page = start()
    open_id = session_of(page).opened.photo.id
    assert page.query_params["photo"] == str(open_id)
    other = next(id for id in (1, 2, 3) if id != open_id)
    assert component_data(start(photo=str(other)))["photo"]["id"] == other


def test_a_link_to_no_photo_gives_a_notice_and_the_queue_continues(start, folder):
    store_in(folder, 1)
    for wrong in ("99", "<b>"):
        page = start(photo=wrong)
        assert not page.exception
        assert "no" in component_data(page)["notice"] and component_data(page)["photo"]["id"] == 1


def test_the_draft_comes_back_after_a_reload(start, folder):
    store = store_in(folder, 2)
    page = start()
    save_draft(store, session_of(page), work_on(session_of(page), 7, box(uid="mine")))
    again = start()
    data = component_data(again)
    assert [entry["uid"] for entry in data["boxes"]] == ["mine"] and data["sequence"] == 7
    assert data["notice"].startswith("Your draft of ")


def test_the_reason_for_choosing_a_photo_is_shown(start, folder):
    store = store_in(folder, 1)
    store.queue.put_first(1, "two categories nearly tied")
    assert "two categories nearly tied" in texts(start())


def test_the_empty_queue_says_that_all_is_annotated(start, folder):
    store = store_in(folder, 1)
    page = start()
    perform(store, session_of(page), act_on(session_of(page), "submit", [box()]))
    page.run()
    assert "every photo has been annotated" in next(piece.value for piece in page.success)


def test_skipped_photos_can_be_restored(start, folder):
    store = store_in(folder, 1)
    page = start()
    perform(store, session_of(page), act_on(session_of(page), "skip"))
    page.run()
    assert "Nothing is left for you just now" in texts(page)
    pressed(page, "Restore skipped photos")
    assert component_data(page)["photo"]["id"] == 1


def test_a_photo_leased_to_another_user_is_read_only(start, folder):
    store = store_in(folder, 2)
    first = store.queue.next("ben").photo_id
    page = start(photo=str(first))
    assert component_data(page)["readonly"]
    assert "ben is working on this photo" in texts(page)
    pressed(page, "Continue the queue")
    assert component_data(page)["photo"]["id"] != first and not component_data(page)["readonly"]


def test_a_conflict_is_merged_box_by_box_into_one_version(start, folder):
    store = store_in(folder, 2)
    page = start()
    session = session_of(page)
    photo = session.opened.photo.id
    mine = [box(uid="both"), box(40, uid="mine")]
    theirs = [box(uid="both"), box(5, uid="theirs", category=2)]
    store.annotations.submit(photo, theirs, author="ben", base_version=0, request="ben")
    perform(store, session, act_on(session, "submit", mine))
    page.run()
    assert not page.exception
    assert "ben saved version 1" in texts(page) and "2 boxes differ" in texts(page)
    panes = component_data(page, "lapel_panes")["panes"]
    assert [len(pane["boxes"]) for pane in panes] == [2, 2]
    assert {entry["mark"] for entry in panes[0]["boxes"]} == {"same", "chosen"}
    pressed(page, "Use mine")
    assert [entry["mark"] for entry in component_data(page, "lapel_panes")["panes"][1]["boxes"]] == [
        "same",
        "dropped",
    ]
    pressed(page, "Use theirs")
    pressed(page, "Save the merged version")
    latest = store.annotations.latest(photo)
    assert latest.kind == "merged" and [b.uid for b in latest.boxes] == ["both", "theirs"]
    assert component_data(page)["photo"]["id"] != photo


def test_the_history_shows_changes_and_restores_an_old_version(start, folder):
    store = store_in(folder, 1)
    store.annotations.submit(1, [box(uid="a")], author="ben", base_version=0, request="1")
    store.annotations.submit(1, [box(30, uid="a"), box(uid="b")], author="cleo", base_version=1, request="2")
    page = start(photo="1")
    page.session_state[page_module.MORE_KEY] = "History"
    page.run()
    assert "1 box added, 1 box moved since version 1" in texts(page)
    page.session_state["annotate-version-1"] = 1
    page.run()
    assert [pane["title"] for pane in component_data(page, "lapel_panes")["panes"]] == ["Version 1, ben"]
    pressed(page, "Restore version 1")
    assert [entry["uid"] for entry in component_data(page)["boxes"]] == ["a"]
    assert "Version 1 is your draft now" in component_data(page)["notice"]
    assert store.annotations.latest(1).version == 2


def test_a_consensus_review_is_blind_and_a_reviewer_decides(start, folder):
    store = store_in(folder, 1, predicted=True)
    store.settings.put("second_share", 1.0)
    store.annotations.submit(1, [box(uid="first")], author="ben", base_version=0, request="1")
    page = start("anna")
    assert "Consensus review: a second" in texts(page)
    assert [entry["origin"] for entry in component_data(page)["boxes"]] == ["model"]
    page.session_state[page_module.MORE_KEY] = "History"
    page.run()
    assert "without seeing the first" in texts(page) and "ben" not in texts(page)
    session = session_of(page)
    perform(store, session, act_on(session, "submit", [box(2, uid="second")]))
    page = start("cleo")
    page.session_state[page_module.MORE_KEY] = "Consensus review"
    page.run()
    page.selectbox[0].set_value(1).run()
    assert "1 box in the same place (mean IoU" in texts(page)
    pressed(page, "Accept the second (anna)")
    latest = store.annotations.latest(1)
    assert latest.kind == "accepted" and [b.uid for b in latest.boxes] == ["second"]
    assert store.consensus_reviews.waiting() == []


def test_label_issues_say_where_there_are_none(start, folder):
    store_in(folder, 1)
    page = start()
    page.session_state[MORE_KEY] = "Label issues"
    page.run()
    assert NO_LABEL_ISSUES in texts(page)


def test_drafts_are_listed_and_opened(start, folder):
    store = store_in(folder, 2)
    other = next(id for id in (1, 2) if id != store.queue.next("anna").photo_id)
    store.drafts.save(other, "anna", boxes=[box(uid="mine")], sequence=3, base_version=0)
    page = start()
    page.session_state[page_module.MORE_KEY] = "Drafts"
    page.run()
    pressed(page, f"Photo {other}")
    assert [entry["uid"] for entry in component_data(page)["boxes"]] == ["mine"]


def test_tags_and_comments_of_a_photo_are_kept_and_shown_in_its_history(start, folder):
    store = store_in(folder, 1)
    page = start()
    page.segmented_control(key=MORE_KEY).set_value("Tags and comments").run()
    page.multiselect(key="photo-tags-1").set_value(["red  sale", "bad;tag"]).run()
    assert "expected a tag" in json.dumps(component_data(page)["notice"])
    page.multiselect(key="photo-tags-1").set_value(["red  sale"]).run()
    assert store.photo_notes.tags_of([1]) == {1: ("red sale",)}
    page.text_area(key="photo-comment-1").set_value("The *bag* is cut.")
    pressed(page, "Add the comment")
    assert [comment.text for comment in store.photo_notes.comments(1)] == ["The *bag* is cut."]
    assert "red sale · 1 comment" in texts(page)
    page.segmented_control(key=MORE_KEY).set_value("History").run()
    assert "Comment** by anna" in texts(page) and not page.exception


def test_an_unaided_holdout_photo_has_no_attention_map(start, folder):
    store = store_in(folder, 1)
    held = store.photos.add(drawn(5, holdout=True), by="ann").row
    assert held is not None
    assert component_data(start(photo=str(held.id)))["without"] == []
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    page = start(photo=str(held.id))
    assert component_data(page)["without"] == ["attention"]
