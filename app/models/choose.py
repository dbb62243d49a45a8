"""Which kind and which candidate the page Models is about: the address says so, as a link to share.

A comparison that is not there yet, or that a newer revision has overtaken: measured when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.models.cards import origin
from app.models.promotion import TOLD_KEY
from app.text import counted, literal, moment
from app.train.history import KINDS
from core.access import Right
from core.errors import LapelError
from core.store import Store
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow
from core.store.revisions import Revision

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
    from core.training.comparison import compare_models  # brings torch

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
