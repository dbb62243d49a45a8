"""A merchant's work is there after a killed server, and many garments are mended at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, settled, show_in
from tests.core.picture_files import HEIC
from tests.e2e.test_preview_journey import SAMPLES, boxes, drop, keep_label, started
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MARK = ".lapel-viewer .tag"
REAL = Path(os.environ.get("LAPEL_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
STREET, CATALOG = "01-street.jpg", "05-catalog.jpg"
LONG_SIDE = 640
"""Pixels: large enough to be looked at, small enough for a test."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    return free_port(), tmp_path_factory.mktemp("data")


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, Path]:
    """A photo of the street and one of a catalog: real ones where there are some, else drawn samples."""
    drawn = {STREET: SAMPLES / "01-walk-with-a-bag.jpg", CATALOG: SAMPLES / "05-striped-shirt.jpg"}
    real = {STREET: REAL / "street" / "photos", CATALOG: REAL / "catalog" / "images"}
    for name, folder in real.items():
        source = min(folder.glob("*.jpg"), default=drawn[name])
        with Image.open(source) as picture:
            jpeg = picture.convert("RGB")
            jpeg.thumbnail((LONG_SIDE, LONG_SIDE))
            jpeg.save(tmp_path / name)
    return tmp_path / STREET, tmp_path / CATALOG


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def many_at_once(page: Page) -> None:
    """All garments as crops: chosen by click and Shift, set as one step, undone as one step, opened."""
    page.get_by_role("radio", name="Garments").click()
    garments, notes = page.locator(".lapel-garments .garment"), page.locator(".lapel-garments .note")
    expect(garments.nth(4)).to_be_visible()
    settled(page)
    before = notes.all_inner_texts()
    garments.nth(1).click()  # the first one's label is a person's, which would be asked about
    garments.nth(3).click(modifiers=["Shift"])
    expect(page.locator(".lapel-garments .count")).to_have_text("3 chosen")
    page.get_by_role("combobox", name="Set category").select_option("footwear")
    changed = page.locator(".lapel-garments .note", has_text="footwear ✓")
    expect(changed).to_have_count(3)
    settled(page)
    garments.nth(0).press("Control+z")
    expect(notes).to_have_text(before)
    settled(page)
    page.get_by_role("button", name="Take out").click()
    expect(garments).to_have_count(len(before) - 3)
    settled(page)
    page.keyboard.press("Control+z")  # the button is off by now, and has lost the focus
    expect(garments).to_have_count(len(before))
    settled(page)
    page.keyboard.press("Control+Shift+z")
    expect(garments).to_have_count(len(before) - 3)
    settled(page)
    garments.nth(0).dblclick()
    expect(boxes(page).first).to_be_visible()
    settled(page)


def table_for_a_shop(page: Page) -> None:
    """SKUs out of the names by a pattern, with a preview, in a CSV that Excel reads."""
    page.get_by_text("Tables for a shop").click()
    sku = page.get_by_role("textbox", name="SKU in the file name")
    sku.fill("{sku}-*")
    sku.press("Enter")
    expect(page.get_by_role("cell", name="05", exact=True)).to_be_visible()
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download garments.csv").click()
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\xef\xbb\xbfsku,folder,photo,garment,")
    assert f"05,,{CATALOG},".encode() in data
    page.get_by_text("Tables for a shop").click()


def in_both_themes_and_widths(page: Page) -> None:
    """Nothing sticks out on a phone or a screen, light or dark."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            show_in(page, scheme)
            assert is_as_wide_as_the_window(page), (width, scheme)
    show_in(page, "light")


def a_box_is_drawn(page: Page) -> None:
    """In the annotators' editor, without what that has for a queue; the garment is in the photo then."""
    before = boxes(page).count()
    switch = page.get_by_text("Edit boxes", exact=True)
    switch.click()
    stage = page.locator(".lapel-editor [role=application]")
    expect(stage.locator("svg").first).to_be_visible()
    settled(page)
    expect(page.get_by_role("button", name="Submit", exact=True)).to_have_count(0)
    stage.scroll_into_view_if_needed()
    place = stage.bounding_box()
    assert place is not None
    at = lambda x, y: (place["x"] + x * place["width"], place["y"] + y * place["height"])  # noqa: E731
    page.mouse.move(*at(0.45, 0.06))
    page.keyboard.down("Shift")  # draws, also inside another box
    page.mouse.down()
    page.mouse.move(*at(0.55, 0.16), steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".lapel-editor .mark")).to_have_text("Saved")
    page.keyboard.press("Escape")
    settled(page)
    switch.click()
    expect(boxes(page)).to_have_count(before + 1)
    settled(page)


def test_photos_and_corrections_are_there_after_a_reload_and_a_killed_server(
    page: Page, place: tuple[int, Path], photos: tuple[Path, Path], tmp_path: Path
) -> None:
    port, data = place
    phone = tmp_path / "phone.heic"
    phone.write_bytes(HEIC)
    tiles, mark = page.locator(".lapel-gallery .tile"), page.locator(MARK, has_text="✓")
    with started(port, data, "stand-in") as server:
        page.goto(f"http://127.0.0.1:{port}")
        drop(page, *photos, phone)
        expect(tiles).to_have_count(3)
        expect(boxes(page).first).to_be_visible()
        settled(page)
        label = page.get_by_role("combobox", name="Label")
        right = "Shoes" if label.input_value() == "Dress" else "Dress"
        label.fill(right)
        page.get_by_role("option", name=right, exact=True).click()
        keep_label(page)
        expect(mark).to_have_count(1)
        settled(page)
        page.reload()
        expect(mark).to_have_count(1)
        expect(tiles).to_have_count(3)
        server.send_signal(signal.SIGKILL)
        server.wait()
    with started(port, data, "stand-in"):
        page.goto(f"http://127.0.0.1:{port}")
        expect(mark).to_have_count(1)
        expect(tiles).to_have_count(3)
        expect(label).to_have_value(right)
        settled(page)
        a_box_is_drawn(page)
        many_at_once(page)
        table_for_a_shop(page)
        in_both_themes_and_widths(page)
        page.get_by_role("button", name="Add photos").click()
        page.get_by_role("button", name="Start over").click()
        expect(page.get_by_text("What you get")).to_be_visible()
        page.reload()
        expect(page.get_by_text("What you get")).to_be_visible()
