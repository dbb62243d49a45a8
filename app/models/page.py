"""The page Models: a candidate beside the champion with the gate's verdict, or a report on one model."""

from __future__ import annotations

import streamlit as st

from app.components import choices
from app.models import cards, changed, figures, promotion, report
from app.navigation import training_link
from app.text import show_flash
from core.store import Store
from core.store.models import ModelRow


def show(store: Store) -> None:
    """The choice of a kind of model and of a view, and that view."""
    with st.container(horizontal=True):
        kind, view = choices.choose_kind(), choices.choose_view()
    (report.show if view == choices.REPORT else show_comparison)(store, kind)


def show_comparison(store: Store, kind: str) -> None:
    """The comparison, metrics and history of one kind of model."""
    with st.spinner("Loading the model list…"):  # a new store checks the weights that ship first
        champion = store.models.champion(kind)
    models = store.models.all(kind)
    names = {model.id: model.name for model in models}
    before = store.promotions.previous(kind)
    previous = next((model for model in models if model.id == before), None)
    show_flash(promotion.RESULT_KEY)
    candidate = choices.choose_candidate([model for model in models if model.id != champion.id])
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
        figures.show(store, comparison.comparison, comparison.revision)
    figures.show_corrections(store, champion, candidate)
    if comparison is not None:
        changed.show(store, champion, candidate, comparison)
