"""A comparison that is not there yet, or that a newer revision has overtaken: measured when asked for."""

from __future__ import annotations

import streamlit as st

from app.models_page.deciding import TOLD_KEY
from app.training.words import KINDS
from app.wording import counted, literal
from core.access import Right
from core.errors import LapelError
from core.store import Store
from core.store.comparisons import ComparisonRow
from core.store.models import ModelRow
from core.store.revisions import Revision

WANTED_KEY = "comparison-wanted"


def decisive(store: Store, champion: ModelRow, candidate: ModelRow) -> ComparisonRow | None:
    """The comparison of these two on the newest revision that has one: it is what the gate looks at."""
    return next(iter(store.comparisons.of(candidate.id, champion.id)), None)


def show(
    store: Store,
    champion: ModelRow,
    candidate: ModelRow,
    comparison: ComparisonRow | None,
    newest: Revision | None,
) -> None:
    """The button that measures, where there is something to measure; while it does, a bar."""
    if newest is None:
        if comparison is None:
            st.info(
                "To compare the two takes a revision: its holdout photos are what they are measured on. "
                "Freeze one on the page Train.",
                icon=":material/bookmark_add:",
            )
        return
    if comparison is not None and comparison.revision >= newest.number:
        return
    if comparison is None:
        st.info(_missing(store, champion, candidate), icon=":material/balance:")
    with st.container(horizontal=True, vertical_alignment="center"):
        again = comparison is not None
        st.button(
            f"Compare anew on revision {newest.number}" if again else "Compare them now",
            icon=":material/balance:",
            type="secondary" if again else "primary",
            key="compare",
            disabled=not store.actor.may(Right.TRAIN),
            on_click=_ask,
            args=((champion.id, candidate.id, newest.number),),
        )
        if comparison is not None:
            st.caption(f"The comparison below is on revision {comparison.revision}; there is a newer one.")
    if st.session_state.get(WANTED_KEY) == (champion.id, candidate.id, newest.number):
        _compare(store, champion, candidate, newest.number)


def _missing(store: Store, champion: ModelRow, candidate: ModelRow) -> str:
    others = store.comparisons.of(candidate.id)
    if not others:
        return f"{literal(candidate.name)} has not been compared with the champion yet."
    former = store.models.get(others[0].champion_id)
    return (
        f"{literal(candidate.name)} was compared with {literal(former.name)}, which does not serve any more: "
        f"compare it with {literal(champion.name)}."
    )


def _ask(wanted: tuple[int, int, int]) -> None:
    """Have the next run measure; a run that is cut off begins again."""
    st.session_state[WANTED_KEY] = wanted


def _compare(store: Store, champion: ModelRow, candidate: ModelRow, revision: int) -> None:
    from core.learning.comparing import compare_models  # brings torch

    bar = st.progress(0.0, text="Loading both models…")

    def tell(done: int, total: int) -> None:
        share = done / total if total else 0.0
        bar.progress(min(1.0, share), text=f"{done:,} of {counted(total, 'holdout photo')} measured")

    try:
        compare_models(store, candidate.id, champion.id, revision, progress=tell)
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))
    else:
        st.session_state[TOLD_KEY] = ("success", f"{KINDS[champion.kind]}s compared on revision {revision}.")
    del st.session_state[WANTED_KEY]
    st.rerun()
