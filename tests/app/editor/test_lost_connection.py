"""Nothing is lost: the server dies, refuses, or is slow; the page is left or opened again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.app.editor.conftest import READY, Harness
from tests.browsing import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Open = Callable[..., "Page"]
PANTS = "model1"


def mark(page: Page, text: str) -> None:
    expect(page.locator(".mark")).to_have_text(text)


def reopened(page: Page) -> None:
    page.reload()
    page.locator(".canvas").wait_for()
    page.wait_for_function(READY)


def pants(harness: Harness) -> list[float]:
    return next(box["box"] for box in harness.saved() if box["uid"] == PANTS)


def test_edits_while_the_server_is_away_arrive_when_it_is_back(open_editor: Open, harness: Harness):
    page = open_editor(quiet=False)
    page.keyboard.press("u")
    page.keyboard.press("ArrowRight")
    mark(page, "Saved")
    harness.stop()
    page.keyboard.press("ArrowRight")
    mark(page, "Not saved: offline. Your work is kept in this browser")
    # Streamlit says it too, in a dialog of its own; once that is closed, the work goes on.
    expect(page.get_by_text("Connection error")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Connection error")).to_have_count(0)
    page.keyboard.press("Shift+ArrowRight")
    assert pants(harness) == [201, 400, 401, 760]
    harness.start()
    mark(page, "Saved")
    assert pants(harness) == [212, 400, 412, 760]


def test_unsent_work_comes_back_after_a_reload(open_editor: Open, harness: Harness):
    harness.set(busy=True)
    page = open_editor()
    page.keyboard.press("u")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("alert")).to_have_text("The database is busy; nothing was changed.")
    mark(page, "Not saved yet, trying again")
    reopened(page)
    assert pants(harness) == [200, 400, 400, 760]
    harness.set(busy=False)
    mark(page, "Saved")
    assert pants(harness) == [201, 400, 401, 760]
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_refused_save_is_tried_again_by_itself(open_editor: Open, harness: Harness):
    harness.set(busy=True)
    page = open_editor()
    page.keyboard.press("u")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("alert")).to_be_visible()
    harness.set(busy=False)
    mark(page, "Saved")
    assert pants(harness) == [201, 400, 401, 760]


def test_a_refused_submit_keeps_the_task_open(open_editor: Open, harness: Harness):
    harness.set(busy=True)
    harness.set(options={"undecided": "accept"})
    page = open_editor()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The database is busy; nothing was changed.")
    expect(page.get_by_role("button", name="Submit").last).to_be_enabled()
    harness.set(busy=False)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)


def test_a_submit_into_a_lost_connection_is_one_request(open_editor: Open, harness: Harness):
    harness.set(options={"undecided": "accept"})
    page = open_editor(quiet=False)
    page.keyboard.press("u")
    page.keyboard.press("a")
    mark(page, "Saved")
    harness.stop()
    page.keyboard.press("Enter")
    mark(page, "Not saved: offline. Your work is kept in this browser")
    harness.start()
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    actions = harness.store["actions"]
    assert {action["name"] for action in actions} == {"submit"}
    assert len({action["request"] for action in actions}) == 1
    assert [box["accepted"] for box in actions[0]["boxes"]] == [True, True, True]


def test_newer_work_from_elsewhere_is_shown_and_can_be_undone(open_editor: Open, harness: Harness):
    page = open_editor()
    page.keyboard.press("u")
    page.keyboard.press("ArrowRight")
    mark(page, "Saved")
    store = harness.store
    key = store["tasks"][0]["key"]
    later = int(time.time() * 1000) + 60_000
    store["drafts"][key] |= {"sequence": later, "boxes": harness.saved()[:1]}
    harness.put(store)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".rows li")).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(page.locator(".rows li")).to_have_count(3)
    mark(page, "Saved")
    assert pants(harness) == [202, 400, 402, 760]
