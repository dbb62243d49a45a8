"""Copies, number keys, tightening, and how the photo is seen: turned, lighter, with a crosshair."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.app.editor.conftest import CATEGORIES, Harness, proposal
from tests.app.editor.test_browser import SLACK_PX, drag, in_photo, rows, saved
from tests.browsing import expect, is_as_wide_as_the_window

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

Open = Callable[..., "Page"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def category(box: dict) -> str:
    return CATEGORIES[box["category"] - 1]


def test_a_number_draws_its_category_and_right_after_drawing_it_is_a_label(
    open_editor: Open, harness: Harness
):
    weak = proposal(9, [40, 500, 160, 620], "skirt", 0.15, [["Sarong", 0.6], ["Skirt", 0.3]])
    harness.set(predicted_boxes=[weak])
    page = open_editor()
    page.keyboard.press("3")  # no box is chosen: boots
    expect(page.get_by_role("button", name="boots", pressed=True)).to_be_visible()
    drag(page, in_photo(page, 40, 40), in_photo(page, 140, 120))
    expect(page.locator(".finder")).to_be_hidden()
    page.keyboard.press("2")  # it is named already: the next one
    drag(page, in_photo(page, 450, 20), in_photo(page, 550, 60))
    page.keyboard.press("Escape")
    drag(page, in_photo(page, 42, 500), in_photo(page, 158, 620))
    expect(page.locator(".finder").get_by_role("option").first).to_contain_text("skirt")  # what is seen there
    page.keyboard.press("1")
    expect(page.locator(".finder")).to_be_hidden()
    saved(page)
    found = [(category(box), box["label"]) for box in harness.saved()[3:]]
    assert found == [("boots", None), ("belt", None), ("skirt", "Sarong")]


def test_a_click_while_drawing_takes_the_models_box(open_editor: Open, harness: Harness):
    harness.set(predicted_boxes=[proposal(9, [40, 500, 160, 620], "skirt", 0.15, [["Skirt", 0.6]])])
    page = open_editor()
    page.keyboard.press("n")
    page.mouse.click(*in_photo(page, 100, 560))
    saved(page)
    taken = harness.saved()[-1]
    assert (taken["box"], taken["origin"], taken["accepted"]) == ([40, 500, 160, 620], "model", True)
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.mouse.click(*in_photo(page, 100, 560))
    expect(page.get_by_text("The models see nothing more there")).to_have_count(1)
    expect(rows(page)).to_have_count(4)


def test_boxes_are_pasted_from_a_copy_and_from_the_photo_before(open_editor: Open, harness: Harness):
    harness.set(options={"undecided": "accept"})
    page = open_editor()
    page.keyboard.press("Tab")
    page.keyboard.press("Control+c")
    page.keyboard.press("Control+v")
    expect(rows(page)).to_have_count(4)
    saved(page)
    top, copy = harness.saved()[0], harness.saved()[-1]
    assert copy["box"] == [value + 12 for value in top["box"]] and copy["uid"] != top["uid"]
    page.keyboard.press("Control+z")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    page.keyboard.press("Control+Shift+V")
    expect(rows(page)).to_have_count(3)
    page.reload()
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("Control+v")  # copied on the photo before, and held through a reload
    expect(rows(page)).to_have_count(4)
    saved(page)
    assert [category(box) for box in harness.saved(1)] == ["top", "pants", "bag", "top"]
    assert {box["origin"] for box in harness.saved(1)} == {"person"}


def test_any_box_is_resized_by_its_corner_and_its_sides_still_begin_a_new_one(
    open_editor: Open, harness: Harness
):
    page = open_editor()
    drag(page, in_photo(page, 400, 760), in_photo(page, 380, 740))  # the pants, which nobody has chosen
    expect(page.locator(".groups .chosen")).to_have_attribute("data-uid", "model1")
    saved(page)
    assert harness.saved()[1]["box"] == pytest.approx([200, 400, 380, 740], abs=SLACK_PX)
    page.keyboard.press("Escape")
    drag(page, in_photo(page, 180, 300), in_photo(page, 120, 340))  # from the middle of the top's side
    expect(rows(page)).to_have_count(4)


def test_a_loose_box_is_tightened_by_a_key_and_undone(open_editor: Open, harness: Harness):
    page = open_editor()
    page.keyboard.press("3")
    drag(page, in_photo(page, 100, 60), in_photo(page, 500, 700))
    saved(page)
    page.keyboard.press("e")
    expect(page.get_by_text("Tightened", exact=True)).to_have_count(1)
    saved(page)
    x0, y0, x1, y1 = harness.saved()[-1]["box"]
    assert x0 >= 98 and y0 >= 58 and x1 <= 502 and y1 <= 702
    assert (x1 - x0) * (y1 - y0) < 0.98 * 400 * 640
    page.keyboard.press("Control+z")
    saved(page)
    assert harness.saved()[-1]["box"] == pytest.approx([100, 60, 500, 700], abs=SLACK_PX)


def test_own_attributes_are_set_beside_the_usual_flags(open_editor: Open, harness: Harness):
    harness.set(attributes=["needs_ironing"])
    page = open_editor()
    page.keyboard.press("Tab")
    flags = page.get_by_role("group", name="Flags of the chosen box")
    for name in ("needs_ironing", "occluded"):
        flags.get_by_role("button", name=name).click()
    saved(page)
    assert harness.saved()[0]["flags"] == ["needs_ironing", "occluded"]


def test_in_a_turned_view_boxes_are_drawn_moved_and_named_where_they_are_seen(
    open_editor: Open, harness: Harness
):
    harness.reset([])
    page = open_editor()
    page.keyboard.press("r")  # clockwise: the photo's left edge is up
    place = page.locator(".canvas .photo").bounding_box()
    assert place and place["width"] > place["height"]
    scale = place["height"] / 600
    right, top = place["x"] + place["width"], place["y"]
    page.keyboard.press("3")
    # In the photo from (60, 100) to (160, 300): seen 60 to 160 from above, 100 to 300 from the right.
    drag(page, (right - 300 * scale, top + 60 * scale), (right - 100 * scale, top + 160 * scale))
    saved(page)
    assert harness.saved()[-1]["box"] == pytest.approx([60, 100, 160, 300], abs=SLACK_PX)
    edge = page.locator(".groups .edge").bounding_box()
    assert edge
    left, upper = edge["x"], edge["y"]
    name = page.locator(".groups .tag rect").bounding_box()
    assert name and name["x"] == pytest.approx(left, abs=4) and name["y"] < upper
    before = harness.saved()[-1]["box"]
    page.keyboard.press("ArrowRight")
    saved(page)
    assert harness.saved()[-1]["box"] == [before[0], before[1] - 1, before[2], before[3] - 1]
    page.keyboard.press("Escape")
    for _ in range(3):
        page.keyboard.press("r")
    assert in_photo(page, 0, 0)[0] == pytest.approx(page.locator(".canvas .photo").bounding_box()["x"], abs=1)


def test_light_and_crosshair_are_for_the_eye_alone(open_editor: Open, harness: Harness):
    page = open_editor()
    photo = page.locator(".canvas .photo")
    page.keyboard.press("]")
    expect(photo).to_have_css("filter", "brightness(1.1) contrast(1)")
    page.get_by_role("button", name="Brightness and contrast").click()
    page.get_by_label("Contrast", exact=True).fill("150")
    expect(photo).to_have_css("filter", "brightness(1.1) contrast(1.5)")
    page.get_by_role("button", name="Reset").click()
    expect(photo).to_have_css("filter", "none")
    page.mouse.move(*in_photo(page, 300, 300))
    expect(page.locator(".cross.along")).to_be_hidden()
    page.keyboard.press("c")
    page.mouse.move(*in_photo(page, 310, 300))
    expect(page.locator(".cross.along")).to_be_visible()
    expect(page.locator(".mark")).to_have_text("No changes yet")


def test_who_would_rather_draw_by_d_keeps_the_keys_as_they_were(open_editor: Open, harness: Harness):
    page = open_editor()
    page.keyboard.press("?")
    page.locator("[data-option=draw]").select_option("d")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator(".groups .chosen")).to_have_attribute("data-uid", "model1")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    expect(page.locator(".canvas.armed")).to_be_visible()


def test_time_at_a_photo_counts_through_a_reload_also_without_a_change(open_editor: Open, harness: Harness):
    harness.set(options={"undecided": "accept"})
    page = open_editor()
    page.keyboard.press("Tab")
    page.wait_for_timeout(1500)
    page.keyboard.press("Tab")
    page.reload()
    page.locator(".canvas[data-seen]").wait_for()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    assert harness.store["actions"][-1]["seconds"] >= 1.4


def test_nothing_is_clipped_on_a_narrow_screen(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    clipped = """root => [...root.querySelectorAll('button, label, .tag, .notice, p, li')].filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 1 && element.checkVisibility() && (left < -0.5 || right > innerWidth + 0.5 || element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflow !== 'visible');
    }).map((element) => element.dataset.action ?? element.textContent)"""  # noqa: E501
    page.get_by_role("button", name="Brightness and contrast").tap()
    assert page.locator(".lapel-editor").evaluate(clipped) == []
    rows(page).first.locator(".row").tap()
    assert page.locator(".lapel-editor").evaluate(clipped) == []
    page.locator(".editing [data-action=submit]").tap()
    expect(page.get_by_role("dialog", name="Submit")).to_be_visible()
    assert page.locator(".lapel-editor").evaluate(clipped) == []
    assert is_as_wide_as_the_window(page)
