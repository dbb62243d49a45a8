"""A merchant's work is there after a killed server, and many garments are mended at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browsing import WAIT_MS, expect, settled
from tests.core.picture_files import HEIC
from tests.e2e.test_preview_journey import SAMPLES, boxes, drop, started
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MARK = ".lapel-viewer .tag"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    return free_port(), tmp_path_factory.mktemp("data")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def test_photos_and_corrections_are_there_after_a_reload_and_a_killed_server(
    page: Page, place: tuple[int, Path], tmp_path: Path
) -> None:
    port, data = place
    phone = tmp_path / "phone.heic"
    phone.write_bytes(HEIC)
    tiles, mark = page.locator(".lapel-gallery .tile"), page.locator(MARK, has_text="✓")
    with started(port, data, "stand-in") as server:
        page.goto(f"http://127.0.0.1:{port}")
        drop(page, SAMPLES / "01-walk-with-a-bag.jpg", SAMPLES / "05-striped-shirt.jpg", phone)
        expect(tiles).to_have_count(3)
        expect(boxes(page).first).to_be_visible()
        settled(page)
        label = page.get_by_role("combobox", name="Label")
        right = "Shoes" if label.input_value() == "Dress" else "Dress"
        label.fill(right)
        page.get_by_role("option", name=right, exact=True).click()
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
        page.get_by_role("button", name="Add photos").click()
        page.get_by_role("button", name="Start over").click()
        expect(page.get_by_text("What you get")).to_be_visible()
        page.reload()
        expect(page.get_by_text("What you get")).to_be_visible()
