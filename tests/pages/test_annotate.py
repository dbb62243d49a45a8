"""The page Annotate, its Python side: what lies on the desk, what is said, and what the buttons do."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app.annotate import work
from app.annotate.save import act, keep
from app.annotate.session import KEY, Desk
from app.annotate.sight import Sight
from core.store import Store
from tests.app.annotating import act_on, box, filled_store, work_on
from tests.pages.workspace import opened, texts

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
    monkeypatch.setattr(Sight, "ask", lambda *_: None)

    def begin(person: str = "anna", **parameters: str) -> AppTest:
        monkeypatch.delenv("LAPEL_DATABASE_URL", raising=False)
        app = opened(monkeypatch, folder)
        for name, value in (("as", person), *parameters.items()):
            app.query_params[name] = value
        return app.switch_page(PAGE).run()

    return begin


def desk_of(app: AppTest) -> Desk:
    found: Desk = app.session_state[KEY]
    return found


def told(app: AppTest, component: str = "lapel_editor") -> dict:
    """What one of our components was told to draw."""
    (found,) = [c for c in app.get("bidi_component") if c.proto.component_name == component]
    return json.loads(found.proto.json)


def pressed(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_without_photos_the_page_leads_to_where_they_are_brought_in(start, folder):
    store_in(folder, 0)
    page = start()
    assert not page.exception
    assert "There are no photos yet" in texts(page)
    assert [link.proto.label for link in page.get("page_link")] == ["Bring photos in"]


def test_the_editor_gets_the_next_photo_with_its_proposals(start, folder):
    store = store_in(folder, 2, predicted=True)
    page = start()
    assert not page.exception
    data = told(page)
    assert data["photo"]["id"] == desk_of(page).opened.photo.id
    assert "/media/" in data["photo"]["url"]
    (proposal,) = data["boxes"]
    assert proposal["score"] == 0.8 and not proposal["accepted"] and proposal["label"] == "Shirt"
    assert len(data["categories"]) == len(store.categories.all()) == 13
    assert data["parents"]["Shirt"] == proposal["category"]
    assert "0 done · 2 to do" in texts(page)


def test_the_address_names_the_photo_at_hand_and_a_link_opens_one(start, folder):
    store_in(folder, 3)
    page = start()
    at_hand = desk_of(page).opened.photo.id
    assert page.query_params["photo"] == str(at_hand)
    other = next(id for id in (1, 2, 3) if id != at_hand)
    assert told(start(photo=str(other)))["photo"]["id"] == other


def test_a_link_to_nothing_is_told_and_the_queue_goes_on(start, folder):
    store_in(folder, 1)
    for wrong in ("99", "<b>"):
        page = start(photo=wrong)
        assert not page.exception
        assert "no" in told(page)["notice"] and told(page)["photo"]["id"] == 1


def test_the_draft_comes_back_after_a_reload(start, folder):
    store = store_in(folder, 2)
    page = start()
    keep(store, desk_of(page), work_on(desk_of(page), 7, box(uid="mine")))
    again = start()
    data = told(again)
    assert [entry["uid"] for entry in data["boxes"]] == ["mine"] and data["sequence"] == 7
    assert data["notice"].startswith("Your unfinished work of ")


def test_why_a_photo_was_picked_is_said(start, folder):
    store = store_in(folder, 1)
    task = store.queue.next("anna")
    with store.database.write() as connection:
        connection.exec_driver_sql(
            f"update tasks set reasons = '[\"two categories nearly tied\"]' where id = {task.id}"
        )
    assert "two categories nearly tied" in texts(start())


def test_all_done_is_said(start, folder):
    store = store_in(folder, 1)
    page = start()
    act(store, desk_of(page), act_on(desk_of(page), "submit", [box()]))
    page.run()
    assert "every photo has been annotated" in next(piece.value for piece in page.success)


def test_what_was_skipped_can_be_brought_back(start, folder):
    store = store_in(folder, 1)
    page = start()
    act(store, desk_of(page), act_on(desk_of(page), "skip"))
    page.run()
    assert "Nothing is left for you just now" in texts(page)
    pressed(page, "Bring back what I skipped")
    assert told(page)["photo"]["id"] == 1


def test_a_photo_that_another_holds_is_shown_to_look_at(start, folder):
    store = store_in(folder, 2)
    first = store.queue.next("ben").photo_id
    page = start(photo=str(first))
    assert told(page)["readonly"]
    assert "ben is working on this photo" in texts(page)
    pressed(page, "Go on with the queue")
    assert told(page)["photo"]["id"] != first and not told(page)["readonly"]


def test_a_conflict_is_settled_box_by_box_and_saved_as_one_version(start, folder):
    store = store_in(folder, 2)
    page = start()
    desk = desk_of(page)
    photo = desk.opened.photo.id
    mine = [box(uid="both"), box(40, uid="mine")]
    theirs = [box(uid="both"), box(5, uid="theirs", category=2)]
    store.annotations.submit(photo, theirs, author="ben", base_version=0, request="ben")
    act(store, desk, act_on(desk, "submit", mine))
    page.run()
    assert not page.exception
    assert "ben saved version 1" in texts(page) and "2 boxes differ" in texts(page)
    panes = told(page, "lapel_panes")["panes"]
    assert [len(pane["boxes"]) for pane in panes] == [2, 2]
    assert {entry["mark"] for entry in panes[0]["boxes"]} == {"same", "chosen"}
    pressed(page, "Take mine")
    assert [entry["mark"] for entry in told(page, "lapel_panes")["panes"][1]["boxes"]] == ["same", "dropped"]
    pressed(page, "Take theirs")
    pressed(page, "Save the merged version")
    latest = store.annotations.latest(photo)
    assert latest.kind == "merged" and [b.uid for b in latest.boxes] == ["both", "theirs"]
    assert told(page)["photo"]["id"] != photo


def test_the_history_tells_versions_apart_and_an_old_one_is_laid_out_again(start, folder):
    store = store_in(folder, 1)
    store.annotations.submit(1, [box(uid="a")], author="ben", base_version=0, request="1")
    store.annotations.submit(1, [box(30, uid="a"), box(uid="b")], author="cleo", base_version=1, request="2")
    page = start(photo="1")
    page.session_state[work.MORE_KEY] = "History"
    page.run()
    assert "1 box added, 1 box moved since version 1" in texts(page)
    page.session_state["annotate-version-1"] = 1
    page.run()
    assert [pane["title"] for pane in told(page, "lapel_panes")["panes"]] == ["Version 1, ben"]
    pressed(page, "Begin again from version 1")
    assert [entry["uid"] for entry in told(page)["boxes"]] == ["a"]
    assert "Version 1 is laid out again" in told(page)["notice"]
    assert store.annotations.latest(1).version == 2


def test_a_second_look_is_blind_and_a_reviewer_decides(start, folder):
    store = store_in(folder, 1, predicted=True)
    store.settings.put("second_share", 1.0)
    store.annotations.submit(1, [box(uid="first")], author="ben", base_version=0, request="1")
    page = start("anna")
    assert "A second look" in texts(page)
    assert [entry["origin"] for entry in told(page)["boxes"]] == ["model"]
    page.session_state[work.MORE_KEY] = "History"
    page.run()
    assert "without seeing the first" in texts(page) and "ben" not in texts(page)
    desk = desk_of(page)
    act(store, desk, act_on(desk, "submit", [box(2, uid="second")]))
    page = start("cleo")
    page.session_state[work.MORE_KEY] = "Second looks"
    page.run()
    page.selectbox[0].set_value(1).run()
    assert "1 box in the same place (mean IoU" in texts(page)
    pressed(page, "Accept the second (anna)")
    latest = store.annotations.latest(1)
    assert latest.kind == "accepted" and [b.uid for b in latest.boxes] == ["second"]
    assert store.second_looks.waiting() == []


def test_unfinished_work_is_listed_and_opened(start, folder):
    store = store_in(folder, 2)
    other = next(id for id in (1, 2) if id != store.queue.next("anna").photo_id)
    store.drafts.save(other, "anna", boxes=[box(uid="mine")], sequence=3, base_version=0)
    page = start()
    page.session_state[work.MORE_KEY] = "Unfinished"
    page.run()
    pressed(page, f"Photo {other}")
    assert [entry["uid"] for entry in told(page)["boxes"]] == ["mine"]
