"""The workspace's entry: the current user, and the pages that they may open."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.auth import sign_in
from app.auth.claims import sign_in_configured
from app.auth.config import require_loopback
from app.auth.middleware import SignedInOnly
from core.errors import LapelError
from core.threads import IMPORTS

with IMPORTS:  # the launcher holds it while it imports the same
    from app.auth.identity import current_actor, is_visitor
    from app.auth.projects import address_of, current_project
    from app.navigation import import_modules, pages_for
    from app.resources import machine_store
    from core.store.projects import FIRST

LOGO = str(Path(__file__).resolve().parent.parent / "assets" / "logo.svg")

# Our own icon, as Streamlit would load one of its symbols from the network.
st.set_page_config(page_title="Lapel", page_icon=LOGO, layout="wide")

try:
    # The launcher has checked this and guards media and uploads; the bare `streamlit run` does neither.
    if not (sign_in_configured() and SignedInOnly.in_place):
        require_loopback(st.get_option("server.address"))
    if is_visitor():
        sign_in.show()
        st.stop()
    if current_project() != FIRST:
        machine_store()  # raises where there is no such project
    pages = pages_for(
        current_actor(refresh=True)
    )  # reads the name now, as the next page's URL may not have it
except LapelError as refused:
    st.error(str(refused), icon=":material/error:")
    if current_project() != FIRST:  # a mistyped or an old address
        st.link_button("Open the first project", address_of(FIRST), icon=":material/folder_open:")
    st.stop()

page = st.navigation(pages, position="top")
import_modules(page.title)
page.run()
