"""One person's way through the workspace in a real browser, from the first drop to the zip."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, press, settled, show_in
from tests.ports import free_port, wait_until_open

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "assets" / "samples"
OFFLINE = "net::ERR_INTERNET_DISCONNECTED"  # said only where a test takes the connection away
PROGRAM = """
import sys
from app import __main__ as launcher, resources
from app.attention import maps
if sys.argv[3] == "stand-in":
    from tests.fakes import FakeLabeler, fake_explain
    fake = FakeLabeler()
    resources.labeler = lambda: fake
    maps.explain = fake_explain
    resources.freeze_garbage_collector()
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""
expect.set_options(timeout=WAIT_MS)


@contextmanager
def started(port: int, data: Path, models: str) -> Iterator[subprocess.Popen[bytes]]:
    """A workspace in a process of its own, ended in the end."""
    command = [sys.executable, "-c", PROGRAM, str(port), str(data), models]
    settings = os.environ | {"LAPEL_ENGINE": "onnxruntime"}  # what most people's machines take
    with subprocess.Popen(
        command, cwd=ROOT, env=settings, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as server:
        try:
            wait_until_open(port, server)
            yield server
        finally:
            server.terminate()
        server.communicate(timeout=120)


@pytest.fixture(
    scope="module",
    params=[
        "stand-in",
        pytest.param(
            "weights",
            marks=pytest.mark.skipif(
                not os.environ.get("LAPEL_TEST_WEIGHTS"),
                reason="the weights that ship: set LAPEL_TEST_WEIGHTS=1",
            ),
        ),
    ],
)
def address(request, tmp_path_factory) -> Iterator[str]:
    """A workspace in a process of its own."""
    port = free_port()
    with started(port, tmp_path_factory.mktemp("data"), request.param):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The workspace as a person opens it; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(address)
    expect(opened.get_by_text("What you get")).to_be_visible()
    yield opened
    context.close()
    assert [text for text in complaints if OFFLINE not in text] == []


def boxes(page: Page) -> Locator:
    """The boxes of the open photo; the example on the empty page is a still."""
    return page.locator(".lapel-viewer:not(.still) .box")


def drop(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(files)


def keep_label(page: Page) -> None:
    """Keep a label that was just chosen, where the page asks as it is another category's."""
    only = page.get_by_role("button", name="Only the label")
    expect(only.or_(page.locator(".lapel-viewer .tag", has_text="✓")).first).to_be_visible()
    if only.is_visible():
        only.click()
        expect(only).to_have_count(0)


def threshold(page: Page, key: str) -> None:
    """Move the threshold by the keyboard: Home is its least, with boxes, End its most, without."""
    page.get_by_role("slider", name="Score threshold").press(key)
    if key == "End":
        expect(boxes(page)).to_have_count(0)
    else:
        expect(page.get_by_role("slider", name="Score threshold")).to_have_value("0.1")
        expect(boxes(page)).not_to_have_count(0)
    settled(page)


def test_boxes_follow_the_threshold_before_the_server_answers(page: Page):
    drop(page, SAMPLES / "01-walk-with-a-bag.jpg")
    expect(boxes(page).first).to_be_visible()
    settled(page)
    shown = boxes(page).count()
    page.context.set_offline(True)  # whatever happens now happens in the browser
    page.get_by_role("slider", name="Score threshold").press("End")
    expect(boxes(page)).to_have_count(0)
    page.get_by_role("slider", name="Score threshold").press("Home")
    expect(boxes(page).first).to_be_visible()
    assert boxes(page).count() >= shown


def test_from_the_first_drop_to_the_zip(page: Page, tmp_path: Path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    first, second = SAMPLES / "01-walk-with-a-bag.jpg", SAMPLES / "05-striped-shirt.jpg"
    drop(page, first, second, broken)

    # Boxes and top-5 of the first photo; both photos in the gallery; the broken one has its sentence.
    expect(page.locator(".lapel-gallery .tile")).to_have_count(2)
    expect(page.get_by_text("broken.jpg: ")).to_be_visible()
    expect(boxes(page).first).to_be_visible()
    expect(page.locator(".lapel-viewer .photo")).to_have_js_property("complete", True)
    expect(page.locator(".js-plotly-plot .bars .point")).to_have_count(5)
    settled(page)
    at_start = boxes(page).count()

    # The overlays: one click each, blended in the browser.
    heat = page.locator(".lapel-viewer .heat img")
    press(page.get_by_role("radio", name="Attention", exact=True), heat)
    assert heat.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_label("Opacity of the overlay").fill("25")
    assert page.locator(".lapel-viewer .heat").evaluate("layer => layer.style.opacity") == "0.25"
    page.get_by_role("radio", name="Class activation").click()
    inside = heat.bounding_box()
    whole = page.locator(".lapel-viewer .photo").bounding_box()
    assert inside and whole and inside["height"] < whole["height"]
    page.get_by_role("radio", name="Photo", exact=True).click()
    expect(heat).to_have_count(0)

    # The threshold takes boxes away and back.
    threshold(page, "End")
    threshold(page, "Home")
    assert boxes(page).count() >= at_start > 0

    # A label is put right; the mark shows, and undo and redo take it away and back.
    label = page.get_by_role("combobox", name="Label")
    right = "Shoes" if label.input_value() == "Dress" else "Dress"
    label.fill(right)
    page.get_by_role("option", name=right, exact=True).click()
    mark = page.locator(".lapel-viewer .tag", has_text="✓")
    keep_label(page)
    expect(mark).to_have_count(1)
    expect(label).to_have_attribute("aria-expanded", "false")  # an open list has the keys for itself
    settled(page)
    page.locator("body").press("Control+z")
    expect(mark).to_have_count(0)
    page.locator("body").press("Control+Shift+z")
    expect(mark).to_have_count(1)
    settled(page)

    # The next photo by an arrow key.
    page.locator("body").press("ArrowRight")
    expect(page.get_by_text("2 of 2")).to_be_visible()
    settled(page)

    # The zip: taken away and read.
    ready = page.get_by_role("button", name=re.compile("Download the zip"))
    press(page.get_by_role("button", name="Prepare the zip"), ready)
    settled(page)
    with page.expect_download() as download:
        ready.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), "utf-8")))
        assert {row["photo"] for row in rows} == {first.name, second.name}
        corrected = [(row["photo"], row["label"]) for row in rows if row["corrected"] == "true"]
        assert corrected == [(first.name, right)]
        assert archive.testzip() is None
        garments = [row for row in rows if row["garment"]]
        assert sum(name.startswith("crops/") for name in archive.namelist()) == len(garments)
        photos = [name for name in archive.namelist() if name.startswith("yolo/images/")]
        assert sum(name.endswith(".jpg") for name in photos) == 2


def test_a_hostile_name_is_text_and_stays_where_it_is(page: Page, tmp_path: Path):
    name = "<img src=x onerror=window.pwned=1>.jpg"
    (tmp_path / name).write_bytes((SAMPLES / "01-walk-with-a-bag.jpg").read_bytes())
    drop(page, tmp_path / name)
    expect(page.locator(".lapel-gallery .name")).to_have_text(name)
    expect(boxes(page).first).to_be_visible()
    assert page.evaluate("window.pwned") is None


def test_a_garment_is_chosen_by_its_box_and_a_label_by_its_rank(page: Page):
    drop(page, SAMPLES / "01-walk-with-a-bag.jpg")
    expect(boxes(page).first).to_be_visible()
    settled(page)
    box = boxes(page).last
    box.focus()
    box.press("Enter")
    category = (box.get_attribute("aria-label") or "").split(", ")[0]
    expect(page.get_by_role("combobox", name="Category")).to_have_value(category)
    expect(boxes(page).last).to_have_attribute("aria-pressed", "true")
    settled(page)
    label = page.get_by_role("combobox", name="Label")
    bars = page.get_by_label(re.compile(f"^Top-5 labels: {label.input_value()} "))
    second = (bars.get_attribute("aria-label") or "").split(", ")[1].rpartition(" ")[0]
    page.locator("body").press("2")
    keep_label(page)
    expect(label).to_have_value(second)
    expect(page.locator(".lapel-viewer .tag", has_text="✓")).to_have_count(1)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_nothing_sticks_out_of_the_window(browser, address, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text("What you get")).to_be_visible()
    drop(page, SAMPLES / "05-striped-shirt.jpg")
    expect(boxes(page).first).to_be_visible()
    for scheme in ("light", "dark"):
        show_in(page, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert is_as_wide_as_the_window(page)
    context.close()
