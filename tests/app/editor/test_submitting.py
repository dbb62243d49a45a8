"""What a submit does with proposals that nobody has decided on, and which control a key is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.app.editor.conftest import Harness, proposal
from tests.app.editor.test_browser import in_photo, rows
from tests.browsing import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

Open = Callable[..., "Page"]


def gone_on(page: Page) -> None:
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)


def test_undecided_proposals_are_asked_about_and_accepted_or_rejected_by_a_key(
    open_editor: Open, harness: Harness
):
    page = open_editor()
    dialog = page.get_by_role("dialog", name="Submit")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("listitem")).to_have_text(["top · Tee 0.91", "pants · Jeans 0.34", "bag 0.55"])
    assert harness.store["actions"] == []
    page.keyboard.press("Escape")  # decide: the least certain one is chosen
    expect(dialog).to_be_hidden()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("2 proposals are undecided")
    page.keyboard.press("x")
    gone_on(page)
    (action,) = harness.store["actions"]
    assert [(box["uid"], box["accepted"]) for box in action["boxes"]] == [("model1", True)]


@pytest.mark.parametrize(("choice", "left"), [("accept", 3), ("reject", 0)])
def test_a_setting_spares_the_question(open_editor: Open, harness: Harness, choice: str, left: int):
    page = open_editor()
    page.keyboard.press("?")
    page.get_by_label("Proposals that nobody decided on, at a submit").select_option(choice)
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("Enter")
    gone_on(page)
    options, action = harness.store["actions"]
    assert options["name"] == "options" and harness.store["options"]["undecided"] == choice
    assert len(action["boxes"]) == left and all(box["accepted"] for box in action["boxes"])


def test_an_enter_before_the_boxes_is_kept_and_asks_once_they_are_there(open_editor: Open, harness: Harness):
    harness.reset([], coming=True)
    page = open_editor()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your Enter is kept")).to_be_visible()
    assert harness.store["actions"] == []
    store = harness.store
    store["tasks"][0]["boxes"] = [proposal(0, [180, 150, 420, 420], "top", 0.91, [])]
    harness.put(store | {"coming": False})
    page.get_by_role("button", name="Beside the editor").click()  # the page runs again
    dialog = page.get_by_role("dialog", name="Submit")
    expect(dialog).to_contain_text("The boxes have come")
    page.keyboard.press("Enter")
    gone_on(page)
    assert [len(action["boxes"]) for action in harness.store["actions"]] == [1]


def test_a_photo_that_nobody_has_touched_is_not_submitted_as_empty_by_one_key(
    open_editor: Open, harness: Harness
):
    harness.reset([])
    page = open_editor()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Submit")
    expect(dialog).to_contain_text("as one without garments?")
    page.keyboard.press("Escape")
    assert harness.store["actions"] == []
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    gone_on(page)
    assert [action["boxes"] for action in harness.store["actions"]] == [[]]


def test_keys_are_the_photos_after_a_click_on_any_control(open_editor: Open, harness: Harness):
    page = open_editor()
    page.get_by_role("button", name="Zoom in").click()
    expect(page.locator(".canvas")).to_be_focused()
    page.get_by_role("button", name="Beside the editor").click()
    page.keyboard.press("Tab")  # the next box, not the next control
    expect(page.locator(".groups .chosen")).to_have_count(1)
    page.get_by_role("button", name="Beside the editor").click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Submit")).to_be_visible()
    page.keyboard.press("Escape")
    # Gone to by the Tab key, a control has its keys.
    page.mouse.click(*in_photo(page, 20, 780))
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Submit")).to_be_hidden()
    expect(rows(page)).to_have_count(3)
    assert harness.store["actions"] == []


def test_what_a_page_has_no_use_for_has_neither_button_nor_key(open_editor: Open, harness: Harness):
    harness.put(harness.store | {"without": ["submit", "skip", "flags"]})
    page = open_editor()
    page.keyboard.press("Enter")
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_visible()
    for name in ("Submit", "Skip"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.locator(".lapel-editor .flags")).not_to_be_visible()
    expect(page.get_by_role("dialog", name="Submit")).not_to_be_visible()
    assert harness.store["actions"] == []
