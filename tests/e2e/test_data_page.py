"""The page Data in a real browser: photos in, one out, a category renamed, a revision taken away."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from core.store.imports import FOLDERS_VARIABLE
from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, press, settled, show_in
from tests.e2e.serving import ROOT, workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SAMPLES = ROOT / "assets" / "samples"


@pytest.fixture(scope="module", autouse=True)
def patience() -> None:
    expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a COCO file of two drawn samples, with a box each."""
    home = tmp_path_factory.mktemp("server") / "spring"
    (home / "photos").mkdir(parents=True)
    images, boxes = [], []
    for number, sample in enumerate(sorted(SAMPLES.glob("*.jpg"))[:2], start=1):
        shutil.copy(sample, home / "photos")
        with Image.open(sample) as picture:
            width, height = picture.size
        images.append({"id": number, "file_name": sample.name, "width": width, "height": height})
        box = [0.25 * width, 0.25 * height, 0.5 * width, 0.5 * height]
        boxes.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
        )
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "raincoat"}]}
    (home / "set.json").write_text(json.dumps(document))
    return home


@pytest.fixture(scope="module")
def address(tmp_path_factory, tiny_weights, folder) -> Iterator[str]:
    with workspace(
        tmp_path_factory.mktemp("data"), tiny_weights, **{FOLDERS_VARIABLE: str(folder.parent)}
    ) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page Data as a person gets to it; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))

    def note(message: ConsoleMessage) -> None:
        # A picture that a rerun of the page has replaced is gone when a slow browser asks for it.
        replaced = "404" in message.text and "/media/" in message.location.get("url", "")
        if message.type == "error" and not replaced:
            complaints.append(f"{message.text} {message.location.get('url', '')}")

    opened.on("console", note)
    opened.goto(f"{address}?as=Anna")
    press(opened.get_by_role("link", name="Data"), opened.get_by_role("heading", name="Data", exact=True))
    yield opened
    context.close()
    assert complaints == []


def open_tab(page: Page, name: str) -> None:
    press(page.get_by_role("tab", name=name), page.get_by_role("tab", name=name, selected=True))
    settled(page)


def tiles(page: Page):
    return page.locator(".lapel-tiles .tile")


def test_from_the_first_photo_to_an_exported_revision(page: Page, folder: Path, tmp_path: Path):
    # The name in the address is the person's, also on the next page.
    expect(page.get_by_role("button", name="Anna")).to_be_visible()
    expect(page.get_by_text("No photos yet.")).to_be_visible()

    # Upload: one comes in, the broken one is reported with its sentence.
    open_tab(page, "Import")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    third = sorted(SAMPLES.glob("*.jpg"))[2]
    page.locator("input[type=file]").set_input_files([third, broken])
    expect(page.get_by_text("1 photo imported.")).to_be_visible()
    expect(page.get_by_text("1 file was refused, as listed.")).to_be_visible()
    with page.expect_download() as report:
        page.get_by_role("button", name="Download as CSV", exact=True).click()
    lines = Path(report.value.path()).read_text().splitlines()
    assert lines[0] == "file,reason" and lines[1].startswith("broken.jpg,")

    # A folder of the server, with its boxes and its category; another place is refused.
    path = page.get_by_role("textbox", name=re.compile("Path on the machine"))
    path.fill("/etc")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert").filter(has_text="Imports may come from")).to_be_visible()
    settled(page)
    path.fill(str(folder))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("2 photos imported with annotations")).to_be_visible()

    # All three on the gallery; one is opened, deleted, kept, and deleted for good.
    open_tab(page, "Photos")
    expect(tiles(page)).to_have_count(3)
    shown = page.locator(".lapel-viewer .photo")
    press(tiles(page).filter(has_text=third.name).get_by_role("button"), shown)
    expect(shown).to_have_js_property("complete", True)
    expect(page.get_by_text("imported by Anna")).to_be_visible()
    link = page.get_by_role("link", name="Open in Annotate")
    assert re.search(r"annotate\?.*photo=\d+$", link.get_attribute("href") or "")
    delete, undo, now = (
        page.get_by_role("button", name=name, exact=True) for name in ("Delete", "Undo", "Delete now")
    )
    settled(page)
    press(delete, undo)
    expect(tiles(page)).to_have_count(2)
    press(undo, delete)
    expect(tiles(page)).to_have_count(3)
    settled(page)
    press(delete, now)
    press(now, page.get_by_text("2 photos · 2 annotated"))

    # The category that came along gets another name.
    open_tab(page, "Categories")
    page.get_by_role("combobox", name="Category to rename").fill("raincoat")
    page.get_by_role("option", name="raincoat").click()
    page.get_by_role("textbox", name="New name").fill("trench coat")
    press(page.get_by_role("button", name="Rename"), page.get_by_text("Renamed to trench coat."))

    # The charts draw what was counted.
    open_tab(page, "Progress")
    expect(page.locator(".js-plotly-plot .bars .point").first).to_be_visible()

    # A revision, and its boxes with the pictures.
    open_tab(page, "Revisions")
    page.get_by_role("textbox", name="Note").fill("spring")
    created = page.get_by_text("Revision 1 holds 2 photos with 2 boxes.")
    press(page.get_by_role("button", name="Create revision"), created)
    page.get_by_text("With the pictures").click()
    settled(page)
    ready = page.get_by_role("button", name=re.compile("Download lapel-r1"))
    press(page.get_by_role("button", name="Prepare the file"), ready)
    settled(page)
    with page.expect_download() as download:
        ready.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert sum(name.endswith(".jpg") for name in archive.namelist()) == 2
        files = [name for name in archive.namelist() if name.endswith(".json")]  # one a split
        documents = [json.loads(archive.read(name)) for name in files]
    annotations = [annotation for document in documents for annotation in document["annotations"]]
    assert len(annotations) == 2
    used = {annotation["category_id"] for annotation in annotations}
    assert {c["name"] for c in documents[0]["categories"] if c["id"] in used} == {"trench coat"}


def test_a_batch_is_saved_and_a_reported_photo_is_next_in_the_queue(page: Page):
    press(
        page.get_by_role("link", name="Label photos"),
        page.get_by_role("heading", name="Label clothing photos"),
    )
    page.locator("input[type=file]").first.set_input_files(sorted(SAMPLES.glob("*.jpg"))[4:6])
    expect(page.locator(".lapel-gallery .tile")).to_have_count(2)
    settled(page)
    queued = page.get_by_text("It is next in the queue.")
    press(page.get_by_role("button", name="Report wrong labels"), queued)
    expect(page.get_by_role("link", name="Correct in Annotate")).to_be_visible()
    page.get_by_role("button", name="Save to store", exact=True).click()
    expect(page.get_by_text("1 photo imported.")).to_be_visible()
    page.get_by_role("link", name="Open Data").click()
    expect(page.get_by_role("button", name="Anna")).to_be_visible()
    expect(tiles(page).filter(has_text=sorted(SAMPLES.glob("*.jpg"))[5].name)).to_have_count(1)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_nothing_sticks_out_of_the_window(browser, address, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(f"{address}/data")
    for tab in ("Photos", "Import", "Categories", "Progress", "Revisions"):
        open_tab(page, tab)
        for scheme in ("light", "dark"):
            show_in(page, scheme)
            assert is_as_wide_as_the_window(page), (tab, scheme)
    context.close()
