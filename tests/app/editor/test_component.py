"""The editor as a page calls it: what goes to the browser, and what comes of what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st

from app.editor import component
from app.editor.component import EditorPhoto, editor_data
from app.editor.messages import Edited, EditorDraft
from core.boxes import BOX_FLAGS
from core.errors import StoreBusyError
from core.store.boxes import AnnotatedBox

BOX = AnnotatedBox((1, 2, 30, 40), 3, "<b>Tee</b>", "abc", "model", False, False, 0.51234, (("Tee", 0.7),))
PHOTO = EditorPhoto(4, "/media/4", 100, 80, "a photo.jpg")


def test_the_editor_knows_the_stores_flags():
    source = (Path(component.__file__).parent / "boxes.js").read_text("utf-8")
    assert f"export const FLAGS = {json.dumps(BOX_FLAGS)};" in source


class Category:
    def __init__(self, id: int, name: str, color: str) -> None:
        self.id, self.name, self.color = id, name, color


def said(key: str = "me/4/0", sequence: int = 7, **fields: Any) -> dict[str, Any]:
    return {"key": key, "sequence": sequence, "boxes": [BOX.as_dict()], "seconds": 1.0, "attempt": 1} | fields


class Browser:
    """Stands in the mounted component's place: what it was shown, and what it says."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {"work": None, "action": None}
        self.shown: dict[str, Any] = {}
        self.callbacks: dict[str, Callable[[], None]] = {}

    def __call__(self, *, data: dict[str, Any], on_work_change: Any, on_action_change: Any, **_: Any) -> Any:
        self.shown, self.callbacks = data, {"work": on_work_change, "action": on_action_change}
        return SimpleNamespace(**self.said)

    def says(self, what: str, entry: Any) -> None:
        """Say it; the callback runs before the page's script."""
        self.said = {"work": None, "action": None, what: entry}
        st.session_state["editor"] = self.said
        self.callbacks[what]()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The browser of one session, whose state is a plain dictionary."""
    opened = Browser()
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(component, "script_url", lambda code, place: f"/media/{place}")
    return opened


def run(browser: Browser, **given: Any) -> Edited:
    """A run of the page with the editor on it."""
    categories = [Category(3, "top", "#ffe000")]
    return component.box_editor("me/4/0", PHOTO, [BOX], categories=categories, mount=browser, **given)


def busy(_: Any) -> None:
    raise StoreBusyError("The database is busy.")


def test_the_browser_gets_boxes_in_pixels_and_a_readable_ink_for_each_color():
    data = editor_data(
        PHOTO, [BOX], [Category(3, "top", "#ffe000"), Category(4, "bag", "#102030")], ["Tee"], {"Tee": 3}
    )
    assert data["photo"]["url"] == "/media/4"
    assert data["boxes"][0]["box"] == [1, 2, 30, 40]
    assert data["boxes"][0]["label"] == "<b>Tee</b>"
    assert [category["ink"] for category in data["categories"]] == ["#111111", "#ffffff"]
    assert data["parents"] == {"Tee": 3}


def test_work_of_the_open_task_is_saved(browser: Browser):
    got: list[EditorDraft] = []
    run(browser, on_work=got.append)
    browser.says("work", said())
    assert [work.sequence for work in got] == [7]
    assert got[0].boxes == (AnnotatedBox.from_dict(BOX.as_dict()),)
    assert run(browser, sequence=7, on_work=got.append).work == got[0] and len(got) == 1


@pytest.mark.parametrize("entry", [said(key="me/3/0"), {"key": "me/4/0"}, None, "nonsense"])
def test_work_of_another_task_and_nonsense_are_left_alone(browser: Browser, entry: Any):
    got: list[EditorDraft] = []
    run(browser, on_work=got.append)
    browser.says("work", entry)
    assert run(browser, on_work=got.append).work is None and got == []


def test_a_refusal_is_kept_for_the_editor_until_something_goes_well(browser: Browser):
    run(browser, on_work=busy)
    browser.says("work", said())
    run(browser, on_work=lambda work: None)
    assert browser.shown["notice"] == "The database is busy."
    browser.says("work", said(attempt=2))
    run(browser, sequence=7)
    assert browser.shown["notice"] == ""


def test_an_action_is_answered_also_when_it_was_refused(browser: Browser):
    run(browser, on_action=busy)
    browser.says("action", said(name="submit", request="r1"))
    run(browser)
    assert (browser.shown["answered"], browser.shown["notice"]) == ("r1", "The database is busy.")


def test_an_action_that_is_asked_again_is_done_once(browser: Browser):
    done: list[str] = []
    for _ in range(2):
        run(browser, on_action=lambda action: done.append(action.request))
        browser.says("action", said(name="skip", request="r1"))
    assert done == ["r1"]


@pytest.mark.parametrize(("name", "sequence", "steps"), [
    ("back", 5, ["work 7", "back"]), ("back", 7, ["back"]), ("submit", 5, ["submit"]),
])  # fmt: skip
def test_the_last_edit_is_saved_before_the_photo_is_left(
    browser: Browser, name: str, sequence: int, steps: list[str]
):
    done: list[str] = []
    run(
        browser,
        sequence=sequence,
        on_action=lambda action: done.append(action.name),
        on_work=lambda work: done.append(f"work {work.sequence}"),
    )
    browser.says("action", said(name=name, request="r1"))
    assert done == steps


def test_other_errors_are_not_hidden(browser: Browser):
    run(browser, on_action=lambda action: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        browser.says("action", said(name="submit", request="r1"))


def test_work_that_came_without_a_callback_is_saved_once(browser: Browser, monkeypatch: pytest.MonkeyPatch):
    """A server that was started again has the browser's state before Streamlit knows whom to call."""
    reruns: list[bool] = []
    monkeypatch.setattr(st, "rerun", lambda: reruns.append(True))
    browser.said["work"] = said()
    got: list[EditorDraft] = []
    for sequence in (3, 3, 7):
        run(browser, sequence=sequence, on_work=got.append)
    assert ([work.sequence for work in got], reruns) == ([7], [True])
