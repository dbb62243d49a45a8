"""Links from one page of the workspace to another; addresses are as seen from this folder's main.py."""

from __future__ import annotations

import streamlit as st

ANNOTATE = "../pages/annotate.py"
DATA = "../pages/data.py"


def annotate_link(photo_id: int, label: str = "Open in Annotate") -> None:
    """A link that opens one photo in Annotate. Copied out of the browser, it opens the same for others."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:", query_params={"photo": str(photo_id)})


def data_link(label: str = "Data") -> None:
    """A link to the page Data."""
    st.page_link(DATA, label=label, icon=":material/photo_library:")
