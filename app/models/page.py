"""The page Models: a candidate beside the champion, the gate's verdict, figures and changed photos."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.models import cards, changed, figures, promotion
from app.models.cards import origin
from app.navigation import training_link
from app.text import moment, show_flash
from app.train.history import KINDS
from core.store import Store
from core.store.models import ModelRow

KIND_KEY, CANDIDATE_KEY = "models-kind", "models-candidate"
KIND, CANDIDATE = "kind", "candidate"


def show(store: Store, kind: str) -> None:
    """The comparison, metrics and history of one kind of model."""
    with st.spinner("Loading the model list…"):  # a new store checks the weights that ship first
        champion = store.models.champion(kind)
    models = store.models.all(kind)
    names = {model.id: model.name for model in models}
    before = store.promotions.previous(kind)
    previous = next((model for model in models if model.id == before), None)
    show_flash(promotion.RESULT_KEY)
    candidate = choose_candidate([model for model in models if model.id != champion.id])
    _side_by_side(store, champion, candidate, previous, names)
    if candidate is not None:
        _comparison(store, champion, candidate)
    figures.show_effect(store, kind)
    figures.show_order(store)
    promotion.show_history(store.promotions.history(kind), names)


def _side_by_side(
    store: Store,
    champion: ModelRow,
    candidate: ModelRow | None,
    previous: ModelRow | None,
    names: dict[int, str],
) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        cards.show("Champion, in service", champion, names)
        promotion.show_rollback(store, champion, previous)
    with right:
        if candidate is not None:
            cards.show("Candidate", candidate, names)
            return
        st.info(
            f"No candidate yet. Fine-tuning this {champion.kind} on the corrections since makes one.",
            icon=":material/model_training:",
        )
        training_link("Fine-tune")


def _comparison(store: Store, champion: ModelRow, candidate: ModelRow) -> None:
    comparison = promotion.decisive(store, champion, candidate)
    newest = next(iter(store.revisions.all()), None)
    st.subheader("On the frozen holdout")
    promotion.show_comparison(store, champion, candidate, comparison, newest)
    promotion.show(store, champion, candidate, comparison)
    if comparison is not None:
        figures.show(comparison.comparison, comparison.revision)
    figures.show_corrections(store, champion, candidate)
    if comparison is not None:
        changed.show(store, champion, candidate, comparison)


def choose_kind() -> str:
    """Detector or classifier: from the URL until the user chooses."""
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
    """One of the candidates, by default the newest; None where there are none."""
    if not candidates:
        _remember(CANDIDATE, None)
        return None
    by_id = {model.id: model for model in candidates}
    if st.session_state.get(CANDIDATE_KEY) not in by_id:
        asked = st.query_params.get(CANDIDATE, "")
        is_there = asked.isdecimal() and int(asked) in by_id
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
    """Keep the URL in step; setting an unchanged value would send a needless message."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
