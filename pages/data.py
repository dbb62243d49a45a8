"""Data: the stored photos, imports, categories, annotation progress, and revisions to export."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import require_right, show_account, workspace_store
from app.data import categories, embedding_map, imports, jobs, photos, progress, revisions
from app.text import literal
from core.access import Right
from core.errors import LapelError

TABS = {
    "Photos": photos.show,
    "Map": embedding_map.show,
    "Import": imports.show,
    "Categories": categories.show,
    "Progress": progress.show,
    "Revisions": revisions.show,
}

require_right(Right.READ)
if st.query_params.get("data") == "Bring in":  # how links called the tab before
    st.query_params["data"] = "Import"
    st.rerun()
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Data", width="stretch")
    person = show_account()

try:
    store = workspace_store()
    jobs.show(store)
    tabs = st.tabs(list(TABS), key="data", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                show(store, person)
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
