"""A Streamlit page in a real browser: wait for what it says, and press until the press has had its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WAIT_MS = 120_000
"""No wait of a sound page takes this long; a broken one fails instead of standing still."""
LOOK_MS = 10_000
"""How long a page may take to begin its answer."""


def settled(page: Page) -> None:
    """Wait until no run of the page's script is under way."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def show_in(page: Page, scheme: str) -> None:
    """Switch to the light or the dark theme, as the system's setting does, and wait until it is seen."""
    app = page.get_by_test_id("stApp")
    before = app.evaluate(GROUND)
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    if is_dark != (scheme == "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(app).not_to_have_css("background-color", before)


GROUND = "app => getComputedStyle(app).backgroundColor"


def is_as_wide_as_the_window(page: Page) -> bool:
    """Whether nothing of the page sticks out to the side."""
    main = page.get_by_test_id("stMain")
    return bool(main.evaluate("main => main.scrollWidth <= main.clientWidth"))


def press(target: Locator, effect: Locator, tries: int = 4) -> None:
    """Click, and return once ``effect`` is visible.

    A run of the page that puts another element in the target's place between the button's down and up takes
    the click with it. A person presses again, and so does this: once the page stands still without the
    effect. The effect may be on another page.
    """
    still = target.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    for _ in range(tries):
        target.click()
        if appears(effect):
            return
        expect(effect.or_(still).first).to_be_visible()
        if appears(effect, 1_000) or not target.is_visible():
            break
    expect(effect.first).to_be_visible()


def appears(effect: Locator, wait_ms: float = LOOK_MS) -> bool:
    """Whether something is visible within this time."""
    try:
        effect.first.wait_for(state="visible", timeout=wait_ms)
    except api.TimeoutError:
        return False
    return True
