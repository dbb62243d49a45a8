"""The editor by fingers and on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.app.editor.conftest import CATEGORIES, Harness
from tests.app.editor.test_browser import in_photo, on_screen, rows, saved, scale
from tests.browsing import expect
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

pytestmark = pytest.mark.e2e

Open = Callable[..., "Page"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TOP, PANTS = "model0", "model1"


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    at = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})


def swipe(session: CDPSession, start: tuple[float, float], end: tuple[float, float]) -> None:
    """One finger from a place to another."""
    touch(session, "touchStart", start)
    touch(session, "touchMove", ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    touch(session, "touchMove", end)
    touch(session, "touchEnd")


def test_a_finger_draws_moves_and_two_zoom(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    session = page.context.new_cdp_session(page)
    start, end = in_photo(page, 60, 500), in_photo(page, 160, 640)
    swipe(session, start, end)
    expect(rows(page)).to_have_count(4)
    page.get_by_role("combobox").press("Enter")
    saved(page)
    assert harness.saved()[-1]["box"] == pytest.approx([60, 500, 160, 640], abs=3)

    before = scale(page)
    left, right = in_photo(page, 250, 400), in_photo(page, 350, 400)
    touch(session, "touchStart", left)
    touch(session, "touchStart", left, right)
    for step in (10, 20, 30):
        touch(session, "touchMove", (left[0] - step, left[1]), (right[0] + step, right[1]))
    until(lambda: scale(page) > before * 1.4)
    touch(session, "touchEnd")
    assert scale(page) > before * 1.4
    expect(rows(page)).to_have_count(4)


def test_flags_are_set_by_a_tap_shown_in_the_row_and_undone(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    rows(page).first.locator(".row").tap()
    flags = page.get_by_role("group", name="Flags of the chosen box")
    truncated = flags.get_by_role("button", name="truncated")
    expect(truncated).to_have_attribute("aria-pressed", "false")
    assert truncated.bounding_box()["height"] >= 44
    truncated.tap()
    expect(truncated).to_have_attribute("aria-pressed", "true")
    expect(rows(page).first).to_contain_text("truncated")
    saved(page)
    assert [box.get("flags") for box in harness.saved()] == [["truncated"], None, None]
    page.get_by_role("button", name="Undo").tap()
    expect(truncated).to_have_attribute("aria-pressed", "false")
    saved(page)
    assert [box.get("flags") for box in harness.saved()] == [None, None, None]


def test_the_names_lie_over_no_part_of_the_drawn_box(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    session = page.context.new_cdp_session(page)
    before = scale(page)
    names, box = page.locator(".finder"), page.locator(".groups .chosen .edge")
    for corners in ((60, 60, 160, 140), (60, 600, 160, 760), (150, 40, 450, 760)):
        start, end = in_photo(page, *corners[:2]), in_photo(page, *corners[2:])
        swipe(session, start, end)
        expect(names).to_be_visible()
        listed, drawn = names.bounding_box(), box.bounding_box()
        assert listed and drawn
        assert listed["y"] >= drawn["y"] + drawn["height"] or listed["y"] + listed["height"] <= drawn["y"]
        assert listed["y"] >= 0 and listed["y"] + listed["height"] <= 844
        names.get_by_role("option", name="headwear").tap()
        expect(names).to_be_hidden()
        assert scale(page) == pytest.approx(before, abs=0.01)
    expect(rows(page)).to_have_count(6)


def test_a_side_is_dragged_accepting_goes_on_and_a_tap_on_the_name_asks_for_another(
    open_editor: Open, harness: Harness
):
    page = open_editor(**PHONE)
    session = page.context.new_cdp_session(page)
    page.touchscreen.tap(*in_photo(page, 220, 380))
    chosen = page.locator(".groups .chosen")
    expect(chosen).to_have_attribute("data-uid", TOP)
    start, end = in_photo(page, 180, 350), in_photo(page, 210, 380)
    swipe(session, start, end)
    saved(page)
    assert harness.saved()[0]["box"] == pytest.approx([210, 150, 420, 420], abs=2)

    page.locator(".editing [data-action=accept]").tap()  # it is accepted by the drag: on to the next one
    expect(chosen).to_have_attribute("data-uid", PANTS)
    name = chosen.locator(".tag rect").bounding_box()
    assert name
    page.touchscreen.tap(name["x"] + name["width"] / 2, name["y"] + name["height"] / 2)
    page.locator(".finder").get_by_role("option", name="skirt").tap()
    saved(page)
    assert harness.saved()[1]["category"] == CATEGORIES.index("skirt") + 1


def test_a_tap_chooses_and_a_drag_moves(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    session = page.context.new_cdp_session(page)
    page.touchscreen.tap(*in_photo(page, 200, 380))
    expect(page.locator(".groups .chosen")).to_have_attribute("data-uid", TOP)
    start = in_photo(page, 220, 350)
    end = in_photo(page, 180, 300)
    swipe(session, start, end)
    saved(page)
    assert harness.saved()[0]["box"] == pytest.approx([140, 100, 380, 370], abs=4)


def test_a_narrow_screen_has_the_list_below_and_a_bar_that_stays(open_editor: Open, harness: Harness):
    page = open_editor(**PHONE)
    photo = page.locator(".canvas").bounding_box()
    side = page.locator(".side").bounding_box()
    assert photo and side
    assert side["y"] >= photo["y"] + photo["height"]
    for _ in range(2):
        bar = page.locator(".editing").bounding_box()
        assert bar
        assert bar["y"] + bar["height"] <= 845
        assert bar["height"] >= 48
        page.locator(".rows li").last.scroll_into_view_if_needed()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    page.get_by_role("button", name="Next uncertain box").tap()
    page.get_by_role("button", name="Reject").first.tap()
    expect(rows(page)).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_its_ground(open_editor: Open, harness: Harness, scheme: str):
    page = open_editor(color_scheme=scheme, reduced_motion="reduce")  # no color on its way to another
    page.keyboard.press("u")
    weak = page.evaluate(CONTRAST)
    assert weak == []
    assert on_screen(page, TOP)


# WCAG 2 contrast of every text that is seen, against the nearest opaque ground behind it.
CONTRAST = """() => {
  const root = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot;
  const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = color; pixel.fillRect(0, 0, 1, 1); return [...pixel.getImageData(0, 0, 1, 1).data]; };
  const over = (top, below) => [0, 1, 2].map((i) => (top[i] * top[3] + below[i] * (255 - top[3])) / 255);
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const weak = [];
  for (const element of root.querySelectorAll('.side *, .bar *')) {
    const said = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!said || !element.checkVisibility() || element.closest(':disabled')) continue;
    const below = ground(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push([element.className, element.textContent, ratio]);
  }
  return weak;
}"""  # noqa: E501
