"""A researcher's way through the page Attention: point and see heads change, compare labels, download."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from core.store import Store
from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, settled
from tests.ports import free_port, wait_until_open
from tests.weights import drawn_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from app import __main__ as launcher
from core.models import cards
cards.WEIGHTS_FOLDER = Path(sys.argv[3])
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""
MOVE_AND_COMPARE = """canvas => {
  const before = canvas.toDataURL();
  const frame = canvas.closest(".lapel-figure").querySelector(".frame");
  frame.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  return canvas.toDataURL() !== before;
}"""
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def address(tmp_path_factory, tiny_weights: Path) -> Iterator[str]:
    """A workspace of the tiny weights in a process of its own; its store has one photo of two garments."""
    port, data = free_port(), tmp_path_factory.mktemp("data")
    store = Store.open(folder=data)
    store.photos.add(drawn_photo(), by="me")
    store.close()
    command = [sys.executable, "-c", PROGRAM, str(port), str(data), str(tiny_weights)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        wait_until_open(port, server)
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.communicate(timeout=120)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page on the stored photo, as a link opens it; an error in a script fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1500}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"{address}/attention?from=store&photo=1")
    expect(panel(opened, "Head 8")).to_be_visible()
    settled(opened)
    yield opened
    context.close()
    assert complaints == []


def panel(page: Page, name: str) -> Locator:
    return page.locator(".lapel-figure").get_by_role("button", name=name, exact=True)


def drawn(page: Page, name: str) -> str:
    """A panel's map as it is painted."""
    return str(panel(page, name).locator("canvas.heat").evaluate("canvas => canvas.toDataURL()"))


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_point_and_compare_and_take_it_away(page: Page):
    frame, reading = page.locator(".lapel-figure .frame"), page.locator(".lapel-figure .reading")
    expect(reading).to_contain_text("point in row 4, column 4 of 7")

    # In one task of the browser, so that no server can have had a part in it.
    before = {name: drawn(page, name) for name in ("Head 1", "Head 5")}
    changed = panel(page, "Head 1").locator("canvas.heat").evaluate(MOVE_AND_COMPARE)
    assert changed
    frame.focus()
    frame.press("ArrowUp")
    expect(reading).to_contain_text("point in row 3, column 5 of 7")
    assert all(drawn(page, name) != picture for name, picture in before.items())
    frame.hover(position={"x": 3, "y": 3})  # waits until the frame no longer moves
    page.mouse.down()
    # Which row the crop begins with follows from its shape.
    expect(reading).to_contain_text(re.compile("point in row [1-3], column [1-3] of 7"))
    area = frame.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] - 3, area["y"] + area["height"] - 3, steps=4)
    expect(reading).to_contain_text(re.compile("point in row [5-7], column [5-7] of 7"))
    page.mouse.up()
    content = drawn(page, "Head 1")
    page.get_by_role("radio", name="Position alone").click()
    expect(page.locator(".lapel-figure h4").first).to_have_text("Position alone")
    assert drawn(page, "Head 1") != content

    # The address follows the point, and opens the same view.
    frame.press("ArrowLeft")
    expect(page).to_have_url(re.compile("at=[4-6](%2C|,)5"))
    settled(page)
    page.reload()
    expect(reading).to_contain_text(re.compile("point in row [5-7], column 6 of 7"))

    # So does what is chosen in the figure alone.
    page.get_by_role("radio", name="Each map").click()
    panel(page, "Head 5").click()
    expect(page).to_have_url(re.compile("look=heads(%3A|:)position.from.each.5"))
    settled(page)
    page.reload()
    expect(panel(page, "Head 5")).to_have_attribute("aria-pressed", "true")
    for name in ("Position alone", "Each map"):
        expect(page.get_by_role("radio", name=name)).to_be_checked()
    svg = downloaded(page, "SVG").decode()
    assert svg.count('class="mark"') == 18  # the point in nine panels, white within black

    # Two labels and their difference, in one scale.
    page.get_by_role("radio", name="Class activation").click()
    for box, label in (("Label", "Hat"), ("Other label", "Shoes")):
        page.get_by_role("combobox", name=box, exact=True).fill(label)
        page.get_by_role("option", name=label).click()
        settled(page)
    expect(panel(page, "Hat minus Shoes")).to_be_visible()
    expect(page).to_have_url(re.compile("label=Hat&other=Shoes"))

    # Taken away as a picture, as a drawing, as numbers.
    with Image.open(io.BytesIO(downloaded(page, "PNG"))) as picture:
        assert picture.format == "PNG" and min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 100
    svg = downloaded(page, "SVG").decode()
    assert svg.startswith("<svg") and "Hat minus Shoes" in svg and svg.count("<image") > 3
    with np.load(io.BytesIO(downloaded(page, "Numbers (npz)"))) as arrays:
        mean = arrays["class_activation_1"].mean(axis=(1, 2)) + arrays["constants_1"]
        np.testing.assert_allclose(mean, arrays["logits_1"], atol=1e-4)


def test_nothing_sticks_out_of_a_phone(page: Page):
    page.set_viewport_size({"width": 390, "height": 844})
    for view in ("Attention heads", "SimAM", "Why this box"):
        page.get_by_role("radio", name=view).click()
        settled(page)
        expect(page.locator(".lapel-figure .panel").first).to_be_visible()
        assert is_as_wide_as_the_window(page)
