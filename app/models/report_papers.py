"""The papers' experiments as tables, from the runs whose entries lie in the checkout."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "papers" / "tables.md"


def has_tables() -> bool:
    """Whether any experiment has been run."""
    return TABLES.is_file()


def show() -> None:
    """All tables."""
    st.caption(
        "The two papers' comparisons on other data than theirs, as `python -m benchmarks.papers` ran them. "
        "Published figures are from DeepFashion and DeepFashion2."
    )
    st.markdown(TABLES.read_text(encoding="utf-8"))
