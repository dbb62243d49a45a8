"""Anchors: fitted to a revision's or a dataset's boxes, studied, and taken into a training."""

from __future__ import annotations

import streamlit as st

from app.anchors import page
from app.auth.identity import page_title, require_right, workspace_store
from app.text import literal
from core.access import Right
from core.errors import LapelError

require_right(Right.EXPLAIN)
page_title("Anchors")
try:
    page.show(workspace_store())
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
