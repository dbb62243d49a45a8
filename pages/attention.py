"""Attention: what the models look at in one photo, by head, label, module and box; two models compared."""

from __future__ import annotations

import streamlit as st

from app.attention import page
from app.auth.identity import require_right
from app.text import literal
from core.access import Right
from core.errors import LapelError

require_right(Right.EXPLAIN)
try:
    page.show()
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
