"""Train: fine-tune a candidate on the corrections, follow its progress, and list earlier trainings."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import page_title, require_right, workspace_store
from app.text import literal
from app.train import history, start, watch
from core.access import Right
from core.errors import LapelError

LISTED = 100

require_right(Right.TRAIN)
page_title("Train")
try:
    store = workspace_store()
    rows = store.trainings.recent(LISTED)
    models = {model.training_id: model for model in store.models.all() if model.training_id is not None}
    start.show(store, rows)
    row = history.choose(rows)
    if row is None:
        st.caption("Trainings are shown here while they run, and stay listed afterwards.")
    else:
        watch.show(store, row, models.get(row.id))
        history.show(rows, models)
except LapelError as error:
    st.error(literal(str(error)), icon=":material/error:")
