"""Train: a candidate learns from what was corrected, watched while it does; the trainings that were."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import admit, title_row, workspace_store
from app.text import literal
from app.train import history, start, watch
from core.access import Right
from core.errors import LapelError

LISTED = 100

admit(Right.TRAIN)
title_row("Train")
try:
    store = workspace_store()
    rows = store.trainings.recent(LISTED)
    models = {model.training_id: model for model in store.models.all() if model.training_id is not None}
    start.show(store, rows)
    row = history.choose(rows)
    if row is None:
        st.caption("What is trained is shown here while it learns, and stays here afterwards.")
    else:
        watch.show(store, row, models.get(row.id))
        history.show(rows, models)
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
