"""Links from one page of the workspace to another."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ANNOTATE = "../pages/annotate.py"
HERE = Path(__file__).parent


def can_annotate() -> bool:
    """Whether this installation has the page Annotate."""
    return (HERE / ANNOTATE).exists()


def annotate_link(photo_id: int, label: str = "Open in Annotate") -> None:
    """A link that opens one photo in Annotate. Copied out of the browser, it opens the same for others."""
    if can_annotate():
        st.page_link(
            ANNOTATE, label=label, icon=":material/edit_square:", query_params={"photo": str(photo_id)}
        )


def data_link(label: str = "Data") -> None:
    """A link to the page Data."""
    st.page_link("../pages/data.py", label=label, icon=":material/photo_library:")
