"""Annotating in a real browser: by mouse, by keyboard alone, after a reload, and by two people at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from core.active_learning.queue_order import label_issues, reorder
from core.store.boxes import AnnotatedBox
from tests.browsing import expect, is_as_wide_as_the_window, press, show_in
from tests.e2e.workbench import Workbench, act, gone_on, mark, photo_of, spot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

NOT_HERE = ("404", "WebSocket")  # Streamlit asks for its own addresses below the page's at first


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Workbench]:
    bench = Workbench(tmp_path_factory.mktemp("bench"), photos=12)
    bench.start()
    yield bench
    bench.kill()


@pytest.fixture
def visit(bench: Workbench, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page for a person; whatever the browser complains about fails the test."""
    pages, complaints = [], []

    def open_for(person: str, **parameters: object) -> Page:
        page = bench.visit(browser, person, **parameters)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        pages.append(page)
        return page

    yield open_for
    for page in pages:
        page.context.close()
    bench.send_everybody_home()
    assert [text for text in complaints if not any(word in text for word in NOT_HERE)] == []


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*spot(page, *start))
    page.mouse.down()
    page.mouse.move(*spot(page, *[(a + b) / 2 for a, b in zip(start, end, strict=True)]))
    page.mouse.move(*spot(page, *end))
    page.mouse.up()


def shares(bench: Workbench, photo: int, uid: str) -> list[float]:
    """A saved box in shares of its photo's sides."""
    row, latest = bench.store.photos.get(photo), bench.store.annotations.latest(photo)
    assert latest is not None
    found = next(box for box in latest.boxes if box.uid == uid)
    return [value / side for value, side in zip(found.box_xyxy, (row.width, row.height) * 2, strict=True)]


def test_correcting_by_mouse(visit, bench):
    page = visit("mouse")
    photo = photo_of(page)
    drag(page, (0.65, 0.1), (0.9, 0.3))  # a new box
    mark(page, "Saved")
    page.keyboard.press("Escape")  # the search for its category
    page.mouse.click(*spot(page, 0.4, 0.4))
    drag(page, (0.4, 0.4), (0.45, 0.42))  # the top, chosen, is moved
    mark(page, "Saved")
    draft = bench.store.drafts.load(photo, "mouse")
    assert draft is not None and len(draft.boxes) == 3
    act(page, "submit")
    latest = bench.store.annotations.latest(photo)
    assert latest is not None and latest.author == "mouse" and latest.seconds is not None
    drawn = next(box for box in latest.boxes if box.origin == "person")
    assert shares(bench, photo, drawn.uid) == pytest.approx([0.65, 0.1, 0.9, 0.3], abs=0.02)
    assert [box.changed for box in latest.boxes if box.origin == "model"].count(True) == 1
    assert bench.store.drafts.load(photo, "mouse") is None


def test_correcting_by_keyboard_alone(visit, bench):
    page = visit("keys")
    photo = photo_of(page)
    for key in ("u", "x"):  # the least certain box, the pants, is rejected
        page.keyboard.press(key)
    for key in ("Tab", "Shift+ArrowRight", "ArrowDown", "Control+ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("/")
    page.keyboard.type("dress")
    page.keyboard.press("Enter")
    mark(page, "Saved")
    page.keyboard.press("Enter")
    gone_on(page, photo)
    latest = bench.store.annotations.latest(photo)
    assert latest is not None
    (top,) = latest.boxes
    names = bench.store.categories.by_id()
    assert names[top.category_id].name == "dress" and top.changed and top.origin == "model"
    second = photo_of(page)
    page.keyboard.press("s")
    gone_on(page, second)
    third = photo_of(page)
    page.keyboard.press("b")  # to what was skipped just now
    gone_on(page, third)
    assert photo_of(page) == second
    page.keyboard.press("b")  # to what was done before it
    expect(page.get_by_text("Annotated already: version 1")).to_be_visible()
    assert photo_of(page) == photo


def test_keys_on_buttons_keep_off_their_edges(visit):
    page = visit("edges")
    page.mouse.click(*spot(page, 0.4, 0.4))
    expect(page.locator(".lapel-editor .chosen .choice").first).to_be_visible()
    room = page.locator(".lapel-editor .feet .do").evaluate_all(
        "buttons => buttons.map(b => b.getBoundingClientRect().right"
        " - b.querySelector('kbd').getBoundingClientRect().right)"
    )
    assert len(room) == 3 and min(room) >= 6


def test_undo_reload_and_submit(visit, bench):
    page = visit("undo")
    photo = photo_of(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    expect(page.get_by_text("0 boxes")).to_be_visible()
    page.keyboard.press("Control+z")
    mark(page, "Saved")
    page.reload()
    expect(page.get_by_text("Your draft of ")).to_be_visible()
    left = page.locator(".lapel-editor .count", has_text="1 box, ")
    expect(left).to_be_visible()
    press(page.get_by_role("link", name="Anchors"), page.get_by_role("heading", name="Anchors"))
    press(page.get_by_role("link", name="Annotate"), left)
    act(page, "submit")
    latest = bench.store.annotations.latest(photo)
    assert latest is not None and len(latest.boxes) == 1


def test_two_people_at_once_get_different_photos(visit, bench):
    one, two = visit("one"), visit("two")
    assert photo_of(one) != photo_of(two)
    third = visit("three", photo=photo_of(one))
    expect(third.get_by_text("one is working on this photo.").first).to_be_visible()
    mark(third, "To look at only")


def test_two_versions_of_one_photo_are_merged_box_by_box(visit, bench):
    anna = visit("anna")
    photo = photo_of(anna)
    anna.keyboard.press("Tab")
    anna.keyboard.press("Shift+ArrowLeft")
    mark(anna, "Saved")
    task = bench.store.queue.take(photo, "anna")
    bench.store.queue.release(task.id, "anna")  # as if anna's time had run out
    ben = visit("ben", photo=photo)
    ben.keyboard.press("u")
    ben.keyboard.press("x")
    mark(ben, "Saved")
    act(ben, "submit")
    anna.locator(".feet [data-action=submit]").click()
    expect(anna.get_by_text("ben saved version 1")).to_be_visible()
    anna.get_by_role("button", name="Use theirs").click()
    anna.locator(".pane").first.locator("button.box[data-mark=dropped]").first.click()
    anna.get_by_role("button", name="Save the merged version").click()
    gone_on(anna, photo)
    history = bench.store.annotations.history(photo)
    assert [(version.kind, version.author) for version in history] == [
        ("submitted", "ben"),
        ("merged", "anna"),
    ]
    assert len(history[1].boxes) >= 1
    assert bench.store.drafts.load(photo, "anna") is None


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_window(visit, width):
    page = visit("narrow", width=width)
    for scheme in ("light", "dark"):
        show_in(page, scheme)
        assert is_as_wide_as_the_window(page), scheme


def test_a_label_issue_says_why_and_is_opened(visit, bench):
    task = bench.store.queue.next("careless")
    right = bench.store.predictions.get(task.photo_id).garments[0]
    boxes = [
        AnnotatedBox(right.box_xyxy, bench.store.categories.ensure(["footwear"], "careless")["footwear"])
    ]
    bench.store.annotations.submit(task.photo_id, boxes, author="careless", base_version=0, request="once")
    reorder(bench.store)
    (suspect,) = [found for found in label_issues(bench.store) if found.photo_id == task.photo_id]
    page = visit("looks")
    press(page.get_by_role("radio", name="Label issues"), page.get_by_text(suspect.reason))
    press(
        page.get_by_role("button", name=bench.store.photos.get(task.photo_id).name),
        page.get_by_text("Annotated already: version 1"),
    )
    assert photo_of(page) == task.photo_id
