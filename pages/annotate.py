"""Annotate: the next photo of the queue in the box editor, its history, consensus review and label issues."""

from __future__ import annotations

import streamlit as st

from app.annotate import page
from app.annotate.save import show_lease
from app.annotate.session import session_of
from app.auth.identity import require_right, workspace_store
from core.access import Right
from core.errors import LapelError

actor = require_right(Right.ANNOTATE)
try:
    store = workspace_store()
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

session = session_of(actor.name)
page.show(store, session)
show_lease(store, session)
