"""The editor under mouse and keys in headless Chromium, and what the server has in the end."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.editor.conftest import CATEGORIES, SIZE_WH, Harness, proposal
from tests.browsing import expect
from tests.waiting import until
from tools.synthetic import draw_scene

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.e2e

Open = Callable[..., "Page"]
PANTS, TOP, BAG = "model1", "model0", "model2"
SLACK_PX = 2.0


def saved(page: Page) -> None:
    """Wait until the editor says that the server has everything."""
    expect(page.locator(".mark")).to_have_text("Saved")


def by_uid(harness: Harness) -> dict[str, dict[str, Any]]:
    return {box["uid"]: box for box in harness.saved()}


def on_screen(page: Page, uid: str) -> tuple[float, float, float, float]:
    """A box's corners on the screen."""
    rect = page.locator(f".groups [data-uid={uid}] .edge").bounding_box()
    assert rect
    return rect["x"], rect["y"], rect["x"] + rect["width"], rect["y"] + rect["height"]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def scale(page: Page) -> float:
    """Pixels of the screen for one of the photo."""
    rect = page.locator(".canvas .photo").bounding_box()
    assert rect
    return rect["width"] / 600


def in_photo(page: Page, x: float, y: float) -> tuple[float, float]:
    rect = page.locator(".canvas .photo").bounding_box()
    assert rect
    return rect["x"] + x * scale(page), rect["y"] + y * scale(page)


def rows(page: Page) -> Locator:
    return page.locator(".rows li")


def test_draw_move_resize_undo_and_redo_by_mouse(open_editor: Open, harness: Harness):
    page = open_editor()
    drag(page, in_photo(page, 40, 40), in_photo(page, 140, 120))
    expect(rows(page)).to_have_count(4)
    # A drawn box asks what it is.
    page.get_by_role("combobox").fill("hea")
    page.keyboard.press("Enter")
    saved(page)
    drawn = harness.saved()[-1]
    assert drawn["box"] == pytest.approx([40, 40, 140, 120], abs=SLACK_PX)
    assert (drawn["category"], drawn["origin"]) == (CATEGORIES.index("headwear") + 1, "person")

    page.mouse.click(*in_photo(page, 90, 80))  # clicked, it is moved by a drag; only just drawn, it is not
    drag(page, in_photo(page, 90, 80), in_photo(page, 120, 180))
    drag(page, in_photo(page, 170, 220), in_photo(page, 200, 260))
    saved(page)
    assert harness.saved()[-1]["box"] == pytest.approx([70, 140, 200, 260], abs=SLACK_PX)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    saved(page)
    assert harness.saved()[-1]["box"] == drawn["box"]
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+y")
    saved(page)
    assert harness.saved()[-1]["box"] == pytest.approx([70, 140, 200, 260], abs=SLACK_PX)
    for _ in range(4):
        page.keyboard.press("Control+z")
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_drag_from_another_boxs_border_draws_and_moves_nothing(open_editor: Open, harness: Harness):
    page = open_editor()
    before = harness.saved()
    _, top, right, _ = before[0]["box"]
    drag(page, in_photo(page, right, top + 60), in_photo(page, right + 80, top + 160))
    expect(rows(page)).to_have_count(4)
    page.keyboard.press("Enter")
    saved(page)
    assert harness.saved()[:3] == before
    drag(
        page, in_photo(page, right + 80, top + 110), in_photo(page, right + 60, top + 110)
    )  # the chosen one's
    saved(page)
    assert len(harness.saved()) == 4 and harness.saved()[:3] == before


def test_a_reload_keeps_the_way_back_and_forth(open_editor: Open, harness: Harness):
    page = open_editor()
    for left in (40, 140):
        drag(page, in_photo(page, left, 40), in_photo(page, left + 60, 120))
        page.keyboard.press("Enter")
    page.keyboard.press("Control+z")
    saved(page)
    page.reload()
    expect(rows(page)).to_have_count(4)
    page.locator(".canvas").focus()
    page.keyboard.press("Control+y")
    expect(rows(page)).to_have_count(5)
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(rows(page)).to_have_count(3)
    saved(page)
    # Another place has gone on: those steps lead nowhere any more.
    task = harness.store["tasks"][0]["key"]
    draft = harness.store["drafts"][task]
    changed = {"sequence": draft["sequence"] + 10**6, "boxes": draft["boxes"][:1], "seconds": 1}
    harness.set(drafts={task: changed})
    page.reload()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_boxes_that_overlap_are_drawn_and_named_one_after_the_other(open_editor: Open, harness: Harness):
    page = open_editor()
    for start, end, name in ((60, 140, "headwear"), (80, 180, "scarf")):
        drag(page, in_photo(page, start, start), in_photo(page, end, end))
        box, names = page.locator(".groups .chosen").bounding_box(), page.locator(".finder").bounding_box()
        assert box is not None and names is not None
        assert names["x"] >= box["x"] + box["width"] or names["x"] + names["width"] <= box["x"]
        page.keyboard.type(name[:3])
        page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(5)
    drag(page, in_photo(page, 100, 100), in_photo(page, 160, 200))  # this one keeps the name of the last
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(6)
    saved(page)
    first, second, third = harness.saved()[-3:]
    assert first["box"] == pytest.approx([60, 60, 140, 140], abs=SLACK_PX)
    assert second["box"] == pytest.approx([80, 80, 180, 180], abs=SLACK_PX)
    named = [CATEGORIES[box["category"] - 1] for box in (first, second, third)]
    assert named == ["headwear", "scarf_tie", "scarf_tie"]


def test_a_second_click_picks_the_box_beneath(open_editor: Open, harness: Harness):
    page = open_editor()
    spot = in_photo(page, 290, 250)  # the bag, before the top
    chosen = page.locator(".groups .chosen")
    for uid in (BAG, TOP, BAG):
        page.mouse.click(*spot)
        expect(chosen).to_have_attribute("data-uid", uid)
    page.mouse.click(*in_photo(page, 20, 780))
    expect(chosen).to_have_count(0)


def test_everything_by_keyboard_alone(open_editor: Open, harness: Harness):
    page = open_editor()
    chosen = page.locator(".groups .chosen")
    keys = page.keyboard
    keys.press("u")
    expect(chosen).to_have_attribute("data-uid", PANTS)  # 0.34: the least certain
    for _ in range(3):
        keys.press("ArrowRight")
    keys.press("Shift+ArrowDown")
    keys.press("Control+ArrowLeft")
    keys.press("2")
    saved(page)
    assert by_uid(harness)[PANTS] | {} == harness.saved()[1]
    assert by_uid(harness)[PANTS]["box"] == [203, 410, 402, 770]
    assert by_uid(harness)[PANTS]["label"] == "Chinos"
    keys.press("Tab")
    expect(chosen).to_have_attribute("data-uid", BAG)
    keys.press("x")  # rejected, and on to what is left to decide
    expect(chosen).to_have_attribute("data-uid", TOP)
    keys.press("/")
    keys.type("outer")
    keys.press("Enter")
    keys.press("Control+d")
    expect(rows(page)).to_have_count(3)
    keys.press("Delete")
    keys.press("Shift+D")
    keys.press("Shift+D")
    expect(rows(page)).to_have_count(3)
    keys.press("j")  # no key of its own: it begins the search
    expect(page.get_by_role("combobox")).to_have_value("j")
    keys.press("Escape")
    keys.press("Enter")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    action = harness.store["actions"][-1]
    assert action["name"] == "submit"
    assert [box["uid"] for box in action["boxes"]][:2] == [TOP, PANTS]
    assert action["boxes"][0]["category"] == CATEGORIES.index("outerwear") + 1
    assert all(box["accepted"] for box in action["boxes"])


def test_a_second_enter_does_not_submit_a_photo_that_nobody_has_seen(open_editor: Open, harness: Harness):
    store = harness.store
    store["tasks"][1]["file"] = "late.jpg"
    draw_scene(77, SIZE_WH, "person").image.save(harness.folder / "late.jpg")
    harness.put(store | {"options": {"undecided": "accept"}})
    page, held = open_editor(), []
    page.route(re.compile(r"/media/.*\.jpg"), lambda route: held.append(route))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Photo late.jpg: 0 boxes")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_text("The photo is still on its way")).to_have_count(1)
    assert len(harness.store["actions"]) == 1
    held[0].continue_()
    expect(page.locator(".canvas[data-seen]")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Submit")).to_contain_text("as one without garments?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Photo photo.jpg: 3 boxes")).to_have_count(1)
    assert len(harness.store["actions"]) == 2


def test_accepting_walks_through_what_is_uncertain(open_editor: Open, harness: Harness):
    page = open_editor()
    for left in (2, 1):
        page.keyboard.press("u" if left == 2 else "a")
        page.keyboard.press("a") if left == 2 else None
        expect(page.locator(".count")).to_have_text(f"3 boxes, {left} to decide")
    page.keyboard.press("Shift+A")
    expect(page.locator(".count")).to_have_text("3 boxes")
    saved(page)
    assert [(box["accepted"], box["changed"]) for box in harness.saved()] == [(True, False)] * 3
    page.keyboard.press("Control+z")
    expect(page.locator(".count")).to_have_text("3 boxes, 1 to decide")


def test_tab_leaves_the_photo_after_escape(open_editor: Open, harness: Harness):
    page = open_editor()
    page.keyboard.press("Tab")
    expect(page.locator(".canvas")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(".canvas")).not_to_be_focused()


def test_the_list_works_by_arrows_and_buttons(open_editor: Open, harness: Harness):
    page = open_editor()
    page.get_by_role("button", name="top, Tee, score 0.91, proposed").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="pants, Jeans, score 0.34, proposed")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="pants, Jeans, score 0.34, accepted")).to_be_visible()
    page.get_by_role("button", name="Remove bag").click()
    expect(rows(page)).to_have_count(2)
    unnamed = page.locator("button").evaluate_all(
        "all => all.filter(button => !button.ariaLabel && !button.textContent.trim()).length"
    )
    assert unnamed == 0


def test_rapid_edits_on_a_slow_server_are_all_kept(open_editor: Open, harness: Harness):
    harness.set(slow=0.4)
    page = open_editor()
    page.keyboard.press("u")
    for number in range(12):
        page.keyboard.press("ArrowRight")
        if number % 4 == 0:
            page.keyboard.press("Control+ArrowDown")
            expect(page.locator(".mark")).to_have_text("Saving…")
    page.get_by_role("button", name="Remove bag").click()
    expect(page.locator(".mark")).to_have_text("Saving…")
    saved(page)
    assert by_uid(harness)[PANTS]["box"] == [212, 400, 412, 763]
    assert BAG not in by_uid(harness)


def test_zoom_keeps_the_point_and_space_pans(open_editor: Open, harness: Harness):
    page = open_editor()
    before = scale(page)
    spot = in_photo(page, 300, 300)
    page.mouse.move(*spot)
    for _ in range(3):
        zoomed = scale(page)
        page.mouse.wheel(0, -240)
        until(lambda: scale(page) > zoomed)  # noqa: B023
    assert scale(page) > before * 1.3
    assert in_photo(page, 300, 300) == pytest.approx(spot, abs=1.5)
    assert on_screen(page, TOP)[0] == pytest.approx(in_photo(page, 180, 150)[0], abs=SLACK_PX + 2)
    page.keyboard.down(" ")
    drag(page, spot, (spot[0] + 50, spot[1] + 30))
    page.keyboard.up(" ")
    assert in_photo(page, 300, 300) == pytest.approx((spot[0] + 50, spot[1] + 30), abs=2)
    page.keyboard.press("0")
    assert scale(page) == pytest.approx(before, abs=0.01)
    assert len(harness.saved()) == 3


def test_boxes_hide_and_the_map_shows(open_editor: Open, harness: Harness):
    (harness.folder / "heat.png").write_bytes((harness.folder / "photo.jpg").read_bytes())
    page = open_editor()
    page.keyboard.press("h")
    expect(page.locator(".groups")).to_be_hidden()
    page.keyboard.press("h")
    page.keyboard.press("m")
    expect(page.locator(".heat")).to_be_visible()
    page.get_by_label("Opacity of the attention map").fill("30")
    assert page.locator(".heat").evaluate("heat => heat.style.opacity") == "0.3"
    (harness.folder / "heat.png").unlink()


def test_a_name_is_found_by_typing_whatever_letter_it_begins_with(open_editor: Open, harness: Harness):
    page = open_editor()
    skip = page.locator(".feet [data-action=skip] kbd")
    expect(skip).to_have_text("S")
    page.keyboard.press("Tab")
    expect(skip).to_have_text("⇧S")
    for name in ("skirt", "dress", "boots", "headwear"):
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(rows(page).filter(has_text=name)).to_have_count(1)
    saved(page)
    assert [action["name"] for action in harness.store["actions"]] == []
    page.keyboard.press("Shift+S")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    assert [action["name"] for action in harness.store["actions"]] == ["skip"]


def test_keys_can_be_changed_and_stay_changed(open_editor: Open, harness: Harness):
    page = open_editor()
    page.keyboard.press("?")
    page.get_by_role("button", name="Skip this photo: S or Shift S. Change").click()
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Skip this photo: K. Change")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    until(lambda: harness.store["keys"] == {"skip": "k"}, lambda: page.wait_for_timeout(50))
    page.reload()
    page.locator(".canvas").wait_for()
    page.keyboard.press("s")
    page.keyboard.press("k")
    expect(page.get_by_text("Photo photo.jpg: 0 boxes")).to_have_count(1)
    assert [action["name"] for action in harness.store["actions"]] == ["keys", "skip"]


def test_among_three_hundred_boxes_a_drag_redraws_one_and_a_zoom_none(open_editor: Open, harness: Harness):
    """What keeps it fluid; ``benchmarks/editor.py`` has the frames a second."""
    dice = random.Random(1)
    boxes = []
    for number in range(300):
        x, y, wide, high = (dice.uniform(*ends) for ends in ((0, 550), (0, 750), (10, 160), (10, 160)))
        corners = [round(value, 1) for value in (x, y, min(600, x + wide), min(800, y + high))]
        boxes.append(proposal(number, corners, dice.choice(CATEGORIES), dice.random(), []))
    harness.reset(boxes)
    page = open_editor()
    page.keyboard.press("u")
    chosen = page.locator(".groups .chosen").get_attribute("data-uid")
    assert page.evaluate(REDRAWN, "drag") == [chosen]
    assert page.evaluate(REDRAWN, "zoom") == []
    saved(page)
    assert len(harness.saved()) == 300


# The boxes whose elements change while one is resized by its side, or while the photo is zoomed.
REDRAWN = """async (kind) => {
  const root = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot;
  const canvas = root.querySelector('.canvas');
  const { x, y, width } = root.querySelector('.chosen .edge').getBoundingClientRect();
  const at = (dx, dy) => ({ clientX: x + width / 4 + dx, clientY: y + dy, bubbles: true, cancelable: true });
  const point = (type, dx, dy) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: 'mouse', button: 0, ...at(dx, dy) }));
  const frame = () => new Promise(requestAnimationFrame);
  canvas.setPointerCapture = () => {};
  if (kind === 'drag') point('pointerdown', 0, 0);
  await frame();
  const redrawn = new Set(), groups = root.querySelector('.groups');
  const observer = new MutationObserver((changes) => changes.forEach(({ target }) => redrawn.add(target.closest('[data-uid]')?.dataset.uid ?? 'all')));
  observer.observe(groups, { attributes: true, childList: true, subtree: true, characterData: true });
  for (let index = 1; index < 20; index += 1) {
    if (kind === 'drag') point('pointermove', 60 * Math.sin(index / 8), index);
    else canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: index < 10 ? -20 : 20, ...at(0, 0) }));
    await frame();
  }
  await frame();
  observer.disconnect();
  if (kind === 'drag') point('pointerup', 20, 20);
  return [...redrawn];
}"""  # noqa: E501
