"""Which kind and which candidate the page Models is about: the address says so, as a link to share."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.models_page.words import origin
from app.training.words import KINDS
from app.wording import moment
from core.store.models import ModelRow

KIND_KEY, CANDIDATE_KEY = "models-kind", "models-candidate"
KIND, CANDIDATE = "kind", "candidate"


def choose_kind() -> str:
    """Detector or classifier: as the address says, until somebody chooses."""
    if KIND_KEY not in st.session_state:
        asked = st.query_params.get(KIND, "")
        st.session_state[KIND_KEY] = asked if asked in KINDS else next(iter(KINDS))
    chosen = st.segmented_control(
        "Model",
        list(KINDS),
        required=True,
        format_func=KINDS.__getitem__,
        key=KIND_KEY,
        label_visibility="collapsed",
    )
    kind = chosen or next(iter(KINDS))
    _remember(KIND, kind)
    return kind


def choose_candidate(candidates: Sequence[ModelRow]) -> ModelRow | None:
    """One of the candidates, the newest by itself; None where there are none."""
    if not candidates:
        _remember(CANDIDATE, None)
        return None
    by_id = {model.id: model for model in candidates}
    if st.session_state.get(CANDIDATE_KEY) not in by_id:
        asked = st.query_params.get(CANDIDATE, "")
        is_there = asked.isdigit() and int(asked) in by_id
        st.session_state[CANDIDATE_KEY] = int(asked) if is_there else next(iter(by_id))
    chosen: int = st.selectbox(
        "Candidate",
        list(by_id),
        format_func=lambda id: described(by_id[id]),
        key=CANDIDATE_KEY,
        width=600,
    )
    _remember(CANDIDATE, str(chosen))
    return by_id[chosen]


def described(model: ModelRow) -> str:
    """A model in one line."""
    return f"{model.name} · {origin(model)} · {moment(model.at)}"


def _remember(name: str, value: str | None) -> None:
    """Keep the address in step; setting what is there already would be a needless message."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
