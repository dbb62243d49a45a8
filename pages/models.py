"""Models: champion and candidate side by side on the frozen holdout; the gate, promotion, the way back."""

from __future__ import annotations

import streamlit as st

from app.account import title_row
from app.identity import admit
from app.models_page import chosen, sides
from app.store import workspace_store
from app.wording import literal
from core.access import Right
from core.errors import LapelError

admit(Right.EXPLAIN)
title_row("Models")
try:
    store = workspace_store()
    sides.show(store, chosen.choose_kind())
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
