"""The demo in a real browser: a drawn photo in; boxes, labels and maps out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browsing import WAIT_MS, expect
from tests.e2e.serving import demo
from tests.weights import save_both

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("gradio")
pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PASSWORD = "corduroy"
LABELER = "tests.fakes:FakeLabeler"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from demo(LABELER)


@pytest.fixture(scope="module")
def closed_address() -> Iterator[str]:
    yield from demo(LABELER, LAPEL_DEMO_PASSWORD=PASSWORD)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A drawn shirt, trousers and shoes on a plain ground: something in each third."""
    picture = Image.new("RGB", (400, 600), (235, 232, 226))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(120, 40), (280, 40), (340, 120), (280, 190), (120, 190), (60, 120)], "#3b6ea5")
    draw.rectangle((130, 210, 270, 390), "#444444")
    draw.rectangle((120, 480, 280, 520), "#7a4b2a")
    picture.save(tmp_path / "outfit.png")
    return tmp_path / "outfit.png"


def open_demo(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("#photo input[type=file]").wait_for(state="attached")


def choose(page: Page, path: Path) -> None:
    page.set_input_files("#photo input[type=file]", path)


def says(page: Page, selector: str, pattern: str) -> None:
    expect(page.locator(selector)).to_contain_text(re.compile(pattern), timeout=WAIT_MS)


def source(page: Page, elem_id: str) -> str:
    """The address of a picture on the page, once there is one."""
    image = page.locator(f"#{elem_id} img")
    image.wait_for(state="attached")
    return image.get_attribute("src") or ""


def changed(page: Page, elem_id: str, before: str) -> str:
    """The address of a picture once it is no longer ``before``."""
    expect(page.locator(f"#{elem_id} img")).not_to_have_attribute("src", before, timeout=WAIT_MS)
    return source(page, elem_id)


def pixels(page: Page, address: str) -> np.ndarray:
    """The picture at an address as the server gives it: (H, W, 3)."""
    answer = page.request.get(address)
    assert answer.ok, answer.status
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB")).astype(int)


def test_a_photo_that_no_browser_shows_comes_by_a_button_of_its_own(
    page: Page, address: str, photo: Path
) -> None:
    Image.open(photo).save(photo.with_suffix(".tiff"))
    open_demo(page, address)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="HEIC, AVIF or TIFF").click()
    chooser.value.set_files(photo.with_suffix(".tiff"))
    says(page, "#summary", "2 garments found.*1 more below")
    shown = pixels(page, source(page, "photo"))
    assert np.array_equal(shown, np.asarray(Image.open(photo)))


def test_a_stakeholder_tries_a_photo(page: Page, address: str, photo: Path) -> None:
    foreign: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else foreign.append(r.url)
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    open_demo(page, address)
    says(page, "#summary", "appear here")
    assert not page.locator("#top5").is_visible(), "no empty panels before there is a photo"
    choose(page, photo)

    says(page, "#summary", "2 garments found.*1 more below")
    drawn = pixels(page, source(page, "annotated"))
    assert drawn.shape == (600, 400, 3)
    original = np.asarray(Image.open(photo)).astype(int)
    differs = np.abs(drawn - original).max(axis=2) > 60
    assert differs[10:190, 79:83].any(axis=1).mean() > 0.9, "the first box's left side is at 0.2 * 400"
    assert not differs[250:350, 100:120].any(), "inside a box the photo stays clear"
    assert len(re.findall(r"\d+%", page.locator("#top5").inner_text())) == 5
    says(page, "#table", "pants")

    attention, activation = source(page, "detector-map"), source(page, "classifier-map")
    assert np.abs(pixels(page, attention) - original).max() > 60, "heat lies over the photo"

    page.locator("#garment input").click()
    page.get_by_role("option", name=re.compile("pants")).click()
    other = changed(page, "classifier-map", activation)
    page.locator("#opacity input[type=number]").fill("0")
    page.keyboard.press("Enter")
    clear = changed(page, "detector-map", attention)
    assert np.abs(pixels(page, clear) - original).mean() < 2, "without opacity the photo is itself"
    changed(page, "classifier-map", other)

    page.locator("#threshold input[type=number]").fill("0.95")
    page.keyboard.press("Enter")
    says(page, "#summary", "No garment reaches a score of 95%")
    page.locator("#threshold input[type=number]").fill("0.2")
    page.keyboard.press("Enter")
    says(page, "#summary", "3 garments found")

    assert not foreign, "nothing is fetched from elsewhere"
    assert not errors


def test_a_broken_file_is_a_sentence_and_the_next_photo_works(
    page: Page, address: str, photo: Path, tmp_path: Path
) -> None:
    open_demo(page, address)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"<script>alert(1)</script>" * 9)
    choose(page, broken)
    expect(page.get_by_text("Expected a photo (JPEG, PNG")).to_be_visible()
    assert not page.locator("#top5").is_visible()
    choose(page, photo)
    says(page, "#summary", "2 garments found")


def test_a_drawn_sample_is_tried_with_a_click(page: Page, address: str) -> None:
    if not list((ROOT / "assets" / "samples").glob("*.jpg")):
        pytest.skip("no drawn samples in assets/samples")
    open_demo(page, address)
    page.locator(".gallery-item").first.click()
    says(page, "#summary", r"\d garments? found")
    assert pixels(page, source(page, "annotated")).size


@pytest.fixture(scope="module")
def address_with_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from demo(LABELER, save_both(tmp_path_factory.mktemp("weights")))


def test_a_garment_is_looked_into(page: Page, address_with_networks: str, photo: Path) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 390, "height": 844})
    open_demo(page, address_with_networks)
    choose(page, photo)
    source(page, "detector-map")
    page.locator("#inspect").click()

    heads = page.locator("#heads img")
    expect(heads).to_have_count(9, timeout=WAIT_MS)
    says(page, "#heads-bar", "% of the attention")
    before = heads.nth(1).get_attribute("src") or ""
    box = page.locator("#point img").bounding_box()
    assert box is not None
    page.locator("#point img").click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.4})
    expect(heads.nth(1)).not_to_have_attribute("src", before, timeout=WAIT_MS)

    page.get_by_role("tab", name="Two labels").first.click()
    expect(page.locator("#compared img")).to_have_count(3)
    page.locator("#other-label input").click()
    page.get_by_role("option", name="Hat").click()
    says(page, "#compared", "- Hat")

    page.get_by_role("tab", name="Slider").first.click()
    expect(page.locator("#slider img")).to_have_count(2)
    says(page, "#slider-bar", "logit")
    page.locator("#slider-map input").click()
    page.get_by_role("option", name="SimAM, stage 2, module 1").click()
    says(page, "#slider-bar", "magnitude")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.locator("#garment input").click()
    page.get_by_role("option", name=re.compile("pants")).click()
    says(page, "#inspect-note", "Garment 2 inspected")
    assert not errors


def test_the_api_page_shows_programs_with_the_visitors_address(page: Page, address: str) -> None:
    name = address.replace("127.0.0.1", "localhost")
    page.goto(f"{name}/api")
    for program in ("client", "curl", "http"):
        says(page, f"#{program}", re.escape(name))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(page: Page, address: str, photo: Path, theme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_demo(page, f"{address}/?__theme={theme}")
    choose(page, photo)
    source(page, "detector-map")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_password_stands_before_the_page(page: Page, closed_address: str, photo: Path) -> None:
    page.goto(closed_address)
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill("tweed")
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_text("Incorrect")).to_be_visible()
    assert not page.locator("#photo").count()
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill(PASSWORD)
    page.get_by_role("button", name="Login").click()
    page.locator("#photo input[type=file]").wait_for(state="attached")
    choose(page, photo)
    says(page, "#summary", "2 garments found")
