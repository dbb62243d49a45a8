"""Choices of models, kinds and parts of a page, kept in the address, so that links open the same view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.text import moment
from core.store.models import ModelRow

KIND_KEY, VIEW_KEY, CANDIDATE_KEY = "models-kind", "models-view", "models-candidate"
KIND, VIEW, CANDIDATE = "kind", "view", "candidate"
COMPARISON, REPORT = "comparison", "report"
KIND_TITLES = {"detector": "Detector", "classifier": "Classifier"}
VIEWS = {COMPARISON: "Compare and promote", REPORT: "Report"}


def described(model: ModelRow) -> str:
    """A model in one line."""
    return f"{model.name} · {origin(model)} · {moment(model.at)}"


def choose_kind() -> str:
    """Detector or classifier: from the URL until the user chooses."""
    return choose_segment("Model", KIND_TITLES, KIND_KEY, KIND)


def choose_view() -> str:
    """The comparison with the champion, or the report."""
    return choose_segment("View", VIEWS, VIEW_KEY, VIEW)


def choose_segment(label: str, options: Mapping[str, str], key: str, name: str) -> str:
    """One of a few options, by default the first: from the URL until the user chooses."""
    first = next(iter(options))
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(name, "")
        st.session_state[key] = asked if asked in options else first
    chosen = st.segmented_control(
        label,
        list(options),
        required=True,
        format_func=options.__getitem__,
        key=key,
        label_visibility="collapsed",
    )
    found = chosen or first
    remember(name, found)
    return found


def choose_candidate(candidates: Sequence[ModelRow]) -> ModelRow | None:
    """One of the candidates, by default the newest; None where there are none."""
    if not candidates:
        remember(CANDIDATE, None)
        return None
    return choose_model("Candidate", candidates, CANDIDATE_KEY, CANDIDATE)


def choose_model(
    label: str,
    models: Sequence[ModelRow],
    key: str,
    name: str,
    described: Callable[[ModelRow], str] = described,
) -> ModelRow:
    """One of some models, by default the first: from the URL until the user chooses."""
    by_id = {model.id: model for model in models}
    if st.session_state.get(key) not in by_id:
        asked = st.query_params.get(name, "")
        is_there = asked.isdecimal() and int(asked) in by_id
        st.session_state[key] = int(asked) if is_there else next(iter(by_id))
    chosen: int = st.selectbox(
        label, list(by_id), format_func=lambda id: described(by_id[id]), key=key, width=600
    )
    remember(name, str(chosen))
    return by_id[chosen]


def remember(name: str, value: str | None) -> None:
    """Keep the URL in step; setting an unchanged value would send a needless message."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def origin(model: ModelRow) -> str:
    """The revision that a model was trained on, or that it ships."""
    return f"revision {model.revision}" if model.revision is not None else "ships with Lapel"
