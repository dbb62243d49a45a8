"""Lapel's colors in Gradio, light and dark: those of the workspace, from ``streamlit_config.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.colors import Color

SETTINGS = Path(__file__).resolve().parents[2] / "streamlit_config.toml"
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]

TEAL = Color(
    "#eef8f6", "#d3eeea", "#a8ddd6", "#7ccbc1", "#4fb8ab", "#23958a", "#0f6b62", "#0d5c54", "#0b4a44",
    "#0a3b37", "#062725", name="lapel-teal",
)  # fmt: skip
"""The accent from light to dark; its 400 and 600 are the workspace's in the dark and in the light."""

STONE = Color(
    "#fbfaf8", "#f0ede7", "#d9d4ca", "#bdb8ae", "#979690", "#6c7073", "#4f565b", "#39424a", "#20262a",
    "#191e21", "#15191c", name="lapel-stone",
)  # fmt: skip
"""Grounds, lines and quiet text."""

# Gradio drops updates of components that it has not mounted, so the results are mounted and hidden.
HIDDEN = "is-hidden"
CSS = """
.is-hidden { display: none !important; }
.gradio-container { width: 100% !important; max-width: 1240px !important; margin: 0 auto !important; }
.gradio-container main { padding: 16px !important; }
#photo, #annotated, #classifier-map, #detector-map, #point, #heads, #compared, #slider { min-width: 0; }
#point img { cursor: crosshair; }
#heads .grid-wrap, #compared .grid-wrap { max-height: none !important; min-height: 0 !important; }
#heads .grid-container, #compared .grid-container {
  grid-template-columns: repeat(3, minmax(0, 1fr)) !important;
}
.cm-content { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace !important; }
@media (max-width: 520px) {
  #compared .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
}
.color-bar { max-width: 480px; margin: 0 0 8px; font-size: 0.85rem; }
.color-bar i { display: block; height: 12px; border-radius: 3px; }
.color-bar span { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
"""


def workspace_colors() -> dict[str, dict[str, str]]:
    """The workspace's colors by theme, ``light`` and ``dark``, under Streamlit's names for them."""
    theme = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["theme"]
    return {
        name: {key: value for key, value in theme[name].items() if isinstance(value, str)}
        for name in ("light", "dark")
    }


def theme_and_css() -> dict[str, Any]:
    """Theme and style of the pages; system fonts only, so that nothing is fetched from elsewhere."""
    theme = gr.themes.Base(
        primary_hue=TEAL, secondary_hue=TEAL, neutral_hue=STONE, font=FONTS, font_mono=FONTS
    )
    settings: dict[str, Any] = {
        "button_large_radius": "8px", "color_accent": "var(--link-text-color)",
    }  # fmt: skip
    for suffix, colors in zip(("", "_dark"), workspace_colors().values(), strict=True):
        ground, panel, text = (
            colors[name] for name in ("backgroundColor", "secondaryBackgroundColor", "textColor")
        )
        accent, line, link = (colors[name] for name in ("primaryColor", "borderColor", "linkColor"))
        chosen = {
            "body_background_fill": ground, "background_fill_primary": ground,
            "background_fill_secondary": panel, "block_background_fill": panel, "body_text_color": text,
            "block_label_background_fill": panel, "block_label_text_color": text,
            "block_title_text_color": text, "block_border_color": line, "border_color_primary": line,
            "input_background_fill": ground, "input_border_color": line,
            "slider_color": accent, "button_primary_background_fill": accent,
            "button_primary_text_color": "#ffffff", "button_secondary_background_fill": panel,
            "button_secondary_border_color": line, "checkbox_background_color_selected": accent,
            "checkbox_border_color_selected": accent, "link_text_color": link,
            "stat_background_fill": accent,
        }  # fmt: skip
        settings |= {name + suffix: value for name, value in chosen.items()}
    return {"theme": theme.set(**settings), "css": CSS}
