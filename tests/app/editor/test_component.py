"""The editor as a page calls it: what goes to the browser, and what comes of what it says."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st

from app.editor import component
from app.editor.component import EditorPhoto, editor_data
from app.editor.messages import Work
from core.errors import StoreBusyError
from core.store.boxes import AnnotatedBox

BOX = AnnotatedBox((1, 2, 30, 40), 3, "<b>Tee</b>", "abc", "model", False, False, 0.51234, (("Tee", 0.7),))
PHOTO = EditorPhoto(4, "/media/4", 100, 80, "a photo.jpg")


class Category:
    def __init__(self, id: int, name: str, colour: str) -> None:
        self.id, self.name, self.colour = id, name, colour


def said(key: str = "me/4/0", sequence: int = 7, **fields: Any) -> dict[str, Any]:
    return {"key": key, "sequence": sequence, "boxes": [BOX.as_dict()], "seconds": 1.0, "attempt": 1} | fields


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Streamlit's session state as a plain dictionary."""
    kept: dict[str, Any] = {"editor": {"work": None, "act": None}}
    monkeypatch.setattr(st, "session_state", kept)
    return kept


def test_the_browser_gets_boxes_in_pixels_and_a_readable_ink_for_each_colour():
    data = editor_data(
        PHOTO, [BOX], [Category(3, "top", "#ffe000"), Category(4, "bag", "#102030")], ["Tee"], {"Tee": 3}
    )
    assert data["photo"]["url"] == "/media/4"
    assert data["boxes"][0]["box"] == [1, 2, 30, 40]
    assert data["boxes"][0]["label"] == "<b>Tee</b>"
    assert [category["ink"] for category in data["categories"]] == ["#111111", "#ffffff"]
    assert data["parents"] == {"Tee": 3}


def test_work_of_the_open_task_is_saved(state: dict[str, Any]):
    state["editor"]["work"] = said()
    got: list[Work] = []
    component._take_work("editor", "me/4/0", got.append)
    assert [work.sequence for work in got] == [7]
    assert got[0].boxes == (AnnotatedBox.from_dict(BOX.as_dict()),)


@pytest.mark.parametrize("entry", [said(key="me/3/0"), {"key": "me/4/0"}, None, "nonsense"])
def test_work_of_another_task_and_nonsense_are_left_alone(state: dict[str, Any], entry: Any):
    state["editor"]["work"] = entry
    got: list[Work] = []
    component._take_work("editor", "me/4/0", got.append)
    assert got == []


def test_a_refusal_is_kept_for_the_editor_until_something_goes_well(state: dict[str, Any]):
    state["editor"]["work"] = said()

    def busy(work: Work) -> None:
        raise StoreBusyError("The database is busy.")

    component._take_work("editor", "me/4/0", busy)
    assert state["editor/refused"] == "The database is busy."
    component._take_work("editor", "me/4/0", lambda work: None)
    assert state["editor/refused"] == ""


def test_an_act_is_answered_also_when_it_was_refused(state: dict[str, Any]):
    state["editor"]["act"] = said(name="submit", request="r1")

    def busy(act: Any) -> None:
        raise StoreBusyError("The database is busy.")

    component._take_act("editor", "me/4/0", busy)
    assert (state["editor/answered"], state["editor/refused"]) == ("r1", "The database is busy.")


def test_an_act_that_is_asked_again_is_done_once(state: dict[str, Any]):
    state["editor"]["act"] = said(name="skip", request="r1")
    done: list[str] = []
    for _ in range(2):
        component._take_act("editor", "me/4/0", lambda act: done.append(act.request))
    assert done == ["r1"]


@pytest.mark.parametrize(("name", "sequence", "steps"), [
    ("back", 5, ["work 7", "back"]), ("back", 7, ["back"]), ("submit", 5, ["submit"]),
])  # fmt: skip
def test_the_last_edit_is_saved_before_the_photo_is_left(
    state: dict[str, Any], name: str, sequence: int, steps: list[str]
):
    state["editor"]["act"] = said(name=name, request="r1")
    done: list[str] = []
    component._take_act(
        "editor",
        "me/4/0",
        lambda act: done.append(act.name),
        lambda work: done.append(f"work {work.sequence}"),
        sequence,
    )
    assert done == steps


def test_other_errors_are_not_hidden(state: dict[str, Any]):
    state["editor"]["act"] = said(name="submit", request="r1")
    with pytest.raises(ZeroDivisionError):
        component._take_act("editor", "me/4/0", lambda act: 1 / 0)


def test_work_that_came_without_a_callback_is_saved_once(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    reruns: list[bool] = []
    monkeypatch.setattr(st, "rerun", lambda: reruns.append(True))
    work = component.work_from(said())
    got: list[Work] = []
    for _ in range(2):
        component._catch_up("editor", "me/4/0", work, 3, got.append)
    component._catch_up("editor", "me/4/0", work, 7, got.append)
    assert (got, reruns) == ([work], [True])
