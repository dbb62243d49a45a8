"""What the charts of all pages share: colors, and what st.plotly_chart takes beside the figure."""

from __future__ import annotations

from typing import Any

COLORS = ("#0f8f80", "#c2632f", "#5b73c7", "#a98620", "#a6508a", "#5f9443", "#8a939b")
"""Readable on light and on dark pages; the first is the accent of both."""

CONFIG = {"displayModeBar": False}
"""What st.plotly_chart takes beside the figure: a chart to be read needs no tool bar."""


def downloadable(name: str) -> dict[str, Any]:
    """As ``CONFIG`` for a chart that goes into a paper: one button downloads ``name``.png, three times as
    large.
    """
    picture = {"format": "png", "filename": name, "scale": 3}
    return {"displaylogo": False, "modeBarButtons": [["toImage"]], "toImageButtonOptions": picture}


def plain(text: str) -> str:
    """Text as Plotly shows it: its small HTML is taken out of names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
