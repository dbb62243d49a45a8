"""The workspace's entry: who is there, and the pages that they may open."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.auth import sign_in
from app.auth.claims import sign_in_configured
from app.auth.config import require_loopback
from app.auth.identity import current_actor, is_visitor
from app.auth.middleware import SignedInOnly
from app.navigation import pages_for
from core.errors import LapelError

LOGO = str(Path(__file__).resolve().parent.parent / "assets" / "logo.svg")

# An icon of our own: Streamlit would fetch one of its symbols from the network.
st.set_page_config(page_title="Lapel", page_icon=LOGO, layout="wide")

try:
    # The launcher has asked already, and guards pictures and uploads; the bare `streamlit run` does neither.
    if not (sign_in_configured() and SignedInOnly.in_place):
        require_loopback(st.get_option("server.address"))
    if is_visitor():
        sign_in.show()
        st.stop()
    pages = pages_for(current_actor(anew=True))  # reads the name now: the next page's address may not have it
except LapelError as refused:
    st.error(str(refused), icon=":material/error:")
    st.stop()

st.navigation(pages, position="top").run()
