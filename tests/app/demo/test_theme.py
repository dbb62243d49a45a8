"""The demo's colors are the workspace's, and can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from app.demo.theme import theme_and_css, workspace_colors

LIVE = Path(__file__).parents[3] / "app" / "demo" / "live" / "live.css"
NAMES = {
    "ground": "backgroundColor", "panel": "secondaryBackgroundColor", "line": "borderColor",
    "text": "textColor", "accent": "primaryColor",
}  # fmt: skip


def luminance(color: str) -> float:
    shares = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_gradios_pages_and_the_live_camera_wear_the_workspaces_colors(name: str) -> None:
    colors = workspace_colors()[name]
    theme, suffix = theme_and_css()["theme"], "_dark" if name == "dark" else ""
    assert getattr(theme, f"body_background_fill{suffix}") == colors["backgroundColor"]
    assert getattr(theme, f"button_primary_background_fill{suffix}") == colors["primaryColor"]
    blocks = re.findall(r":root \{(.*?)\}", LIVE.read_text(encoding="utf-8"), re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[name == "dark"]))
    assert {key: found[key] for key in NAMES} == {key: colors[value] for key, value in NAMES.items()}
    assert contrast(found["quiet"], found["panel"]) >= 4.5
    assert contrast(found["on-accent"], found["accent"]) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_and_links_stand_out_from_both_grounds(name: str) -> None:
    colors = workspace_colors()[name]
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        for text in ("textColor", "linkColor"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
