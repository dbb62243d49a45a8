"""The workspace's entry: its pages and what they have in common."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.access import require_loopback
from app.links import ANNOTATE, DATA
from app.people import current_person
from core.errors import AccessError

LOGO = str(Path(__file__).resolve().parent.parent / "assets" / "logo.svg")

# An icon of our own: Streamlit would fetch one of its symbols from the network.
st.set_page_config(page_title="Lapel", page_icon=LOGO, layout="wide")

try:
    # The launcher has asked already; the bare `streamlit run` has not.
    require_loopback(st.get_option("server.address"))
except AccessError as refused:
    st.error(str(refused))
    st.stop()

current_person()  # read now: the address of the next page may not name them any more

page = st.navigation(
    [
        st.Page(
            "../pages/preview.py",
            title="Label photos",
            icon=":material/checkroom:",
            default=True,
            help="Drop clothing photos, look at boxes, labels and maps, correct, take away.",
        ),
        st.Page(
            ANNOTATE,
            title="Annotate",
            icon=":material/edit_square:",
            help="The next photo of the queue with its boxes: correct, submit, go on.",
        ),
        st.Page(
            DATA,
            title="Data",
            icon=":material/photo_library:",
            help="Bring photos in, look through them, name categories, follow the work, take revisions away.",
        ),
        st.Page(
            "../pages/attention.py",
            title="Attention",
            icon=":material/visibility:",
            help="All maps of one photo: the detector's stages and the classifier's heads.",
        ),
        st.Page(
            "../pages/anchors.py",
            title="Anchors",
            icon=":material/aspect_ratio:",
            help="Fit anchors to the boxes of a COCO file, and compare them with Darknet's.",
        ),
    ],
    position="top",
)
page.run()
