"""People: the users with their roles, and the audit log."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import page_title, require_right, workspace_store
from app.people import audit, projects, roster
from app.text import literal
from core.access import Right
from core.errors import LapelError

TABS = {"Roles": roster.show, "Projects": projects.show, "Audit log": audit.show}

require_right(Right.PEOPLE)
page_title("People")
try:
    store = workspace_store()
    tabs = st.tabs(list(TABS), key="people", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                show(store)
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
