"""The connection is lost in the middle of a save, and the server dies: nothing that was done is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browsing import expect
from tests.e2e.workbench import Workbench, act, gone_on, mark, photo_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OFFLINE = "Not saved: offline. Your work is kept in this browser"


@pytest.fixture
def bench(tmp_path) -> Iterator[Workbench]:
    bench = Workbench(tmp_path, photos=3)
    bench.start()
    yield bench
    bench.kill()


@pytest.fixture
def page(bench: Workbench, browser: Browser) -> Iterator[Page]:
    opened = bench.visit(browser, "anna")
    yield opened
    opened.context.close()


def left_edge(bench: Workbench, photo: int) -> float:
    """Where the first box of anna's draft begins."""
    draft = bench.store.drafts.load(photo, "anna")
    assert draft is not None
    return draft.boxes[0].box_xyxy[0]


def test_a_server_that_dies_in_the_middle_of_the_work_loses_none_of_it(page, bench):
    photo = photo_of(page)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    mark(page, "Saved")
    before = left_edge(bench, photo)
    bench.kill()
    page.keyboard.press("Shift+ArrowRight")
    mark(page, OFFLINE)
    page.keyboard.press("Escape")  # Streamlit's own dialog
    expect(page.get_by_text("Connection error")).to_have_count(0)
    page.keyboard.press("Shift+ArrowRight")
    bench.start()
    mark(page, "Saved")
    assert left_edge(bench, photo) == pytest.approx(before + 20, abs=0.1)
    act(page, "submit")
    assert len(bench.store.annotations.history(photo)) == 1


def test_a_submit_without_a_connection_arrives_once_it_is_back(page, bench):
    photo = photo_of(page)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    mark(page, "Saved")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    mark(page, OFFLINE)
    page.context.set_offline(False)
    gone_on(page, photo)
    assert len(bench.store.annotations.history(photo)) == 1
    assert bench.store.drafts.load(photo, "anna") is None
