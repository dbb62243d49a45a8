"""Annotate: the next photo of the queue in the editor, its history, second looks, and what looks wrong."""

from __future__ import annotations

import streamlit as st

from app.annotate import watch, work
from app.annotate.session import desk_of
from app.auth.identity import admit, workspace_store
from app.resources import set_aside_once
from core.access import Right
from core.errors import LapelError

actor = admit(Right.ANNOTATE)
try:
    store = workspace_store()
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

set_aside_once()
desk = desk_of(actor.name)
work.show(store, desk)
watch.show(store, desk)
