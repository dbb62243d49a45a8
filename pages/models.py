"""Models: candidate and champion on the frozen holdout, the gate, promotion, rollback; reports."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import page_title, require_right, workspace_store
from app.models import page
from app.text import literal
from core.access import Right
from core.errors import LapelError

require_right(Right.EXPLAIN)
page_title("Models")
try:
    page.show(workspace_store())
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
