"""API: tokens, how to call, and webhooks."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from app.api import page
from app.auth.identity import page_title, require_right, workspace_store
from app.text import literal
from core.access import Right
from core.errors import LapelError

actor = require_right(Right.PREVIEW)
page_title("API")
try:
    store = workspace_store()
    address = urlsplit(st.context.url or "http://127.0.0.1:8501")
    shown = {
        "Tokens": lambda: page.show_tokens(store),
        "How to call": lambda: page.show_calls(f"{address.scheme}://{address.netloc}"),
    }
    if actor.may(Right.SETTINGS):
        shown["Webhooks"] = lambda: page.show_webhooks(store)
    tabs = st.tabs(list(shown), key="api", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, shown.values(), strict=True):
        if tab.open:
            with tab:
                show()
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
