"""Which training the page shows: the address names it, so that a link and a reload lead back to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.training.words import STATES, title
from core.store.trainings import TrainingRow

KEY = "training"


def show_training(id: int) -> None:
    """Let this training be the one that the page shows, for use in a callback."""
    st.session_state[KEY] = id


def choose(rows: Sequence[TrainingRow]) -> TrainingRow | None:
    """A menu of the trainings; by itself the one that runs is shown, else the latest."""
    if not rows:
        return None
    by_id = {row.id: row for row in rows}
    first = next((row.id for row in rows if row.is_going), rows[0].id)
    if KEY not in st.session_state or st.session_state[KEY] not in by_id:
        asked = st.query_params.get(KEY, "")
        st.session_state[KEY] = int(asked) if asked.isdigit() and int(asked) in by_id else first
    chosen = st.selectbox(
        "Training",
        list(by_id),
        format_func=lambda id: f"{title(by_id[id])}, {STATES[by_id[id].state]}",
        key=KEY,
        label_visibility="collapsed",
        width=360,
    )
    if st.query_params.get(KEY) != str(chosen):
        st.query_params[KEY] = str(chosen)
    return by_id[chosen]
