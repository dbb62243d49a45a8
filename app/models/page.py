"""The page Models, part by part: the two models, the verdict, figures, photos, and what was before."""

from __future__ import annotations

import streamlit as st

from app.models import cards, changed, choose, figures, promotion
from app.navigation import training_link
from core.store import Store
from core.store.models import ModelRow


def show(store: Store, kind: str) -> None:
    """All about one kind of model."""
    with st.spinner("Looking the models up…"):  # a new store checks the weights that ship first
        champion = store.models.champion(kind)
    models = store.models.all(kind)
    names = {model.id: model.name for model in models}
    before = store.promotions.previous(kind)
    previous = next((model for model in models if model.id == before), None)
    promotion.told()
    candidate = choose_candidate([model for model in models if model.id != champion.id])
    _side_by_side(store, champion, candidate, previous, names)
    if candidate is not None:
        _compared(store, champion, candidate)
    figures.show_effect(store, kind)
    figures.show_order(store)
    cards.show_history(store.promotions.history(kind), names)


def _side_by_side(
    store: Store,
    champion: ModelRow,
    candidate: ModelRow | None,
    previous: ModelRow | None,
    names: dict[int, str],
) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        cards.show("Champion: it serves", champion, names)
        promotion.show_way_back(store, champion, previous)
    with right:
        if candidate is not None:
            cards.show("Candidate", candidate, names)
            return
        st.info(
            f"No candidate yet. A training makes one: it goes on from this {champion.kind} with what was "
            "corrected since.",
            icon=":material/model_training:",
        )
        training_link("Train one")


def _compared(store: Store, champion: ModelRow, candidate: ModelRow) -> None:
    comparison = choose.decisive(store, champion, candidate)
    newest = next(iter(store.revisions.all()), None)
    st.subheader("On the frozen holdout")
    choose.show(store, champion, candidate, comparison, newest)
    promotion.show(store, champion, candidate, comparison)
    if comparison is not None:
        figures.show(comparison.comparison, comparison.revision)
    figures.show_corrections(store, champion, candidate)
    if comparison is not None:
        changed.show(store, champion, candidate, comparison)
