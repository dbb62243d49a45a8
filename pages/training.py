"""Train: a candidate learns from what was corrected, watched while it does; the trainings that were."""

from __future__ import annotations

import streamlit as st

from app.account import title_row
from app.identity import admit
from app.store import workspace_store
from app.training import chosen, history, starting, watching
from app.wording import literal
from core.access import Right
from core.errors import LapelError

LISTED = 100

admit(Right.TRAIN)
title_row("Train")
try:
    store = workspace_store()
    rows = store.trainings.recent(LISTED)
    models = {model.training_id: model for model in store.models.all() if model.training_id is not None}
    starting.show(store, rows)
    row = chosen.choose(rows)
    if row is None:
        st.caption("What is trained is shown here while it learns, and stays here afterwards.")
    else:
        watching.show(store, row, models.get(row.id))
        history.show(rows, models)
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
