"""Comparing a candidate with the champion, the gate's verdict, promotion, rollback, and their history."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.components.choices import KIND_TITLES
from app.text import counted, flash, literal
from core.access import Right
from core.errors import LapelError
from core.evaluation.gate import Verdict
from core.inference import promotion
from core.store import Store
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow, Promotion
from core.store.revisions import Revision
from core.threads import IMPORTS

RESULT_KEY, REASON_KEY, REQUEST_KEY = "models-result", "overrule-reason", "models-request"
COMPARE_KEY = "comparison-wanted"
MAY_NOT = "Promotion and rollback need the role admin."
ACTIONS = {
    "first": "first champion",
    "update": "updated with Lapel",
    "promote": "promoted",
    "overrule": "promoted against the gate",
    "rollback": "rolled back",
}


def show_comparison(
    store: Store,
    champion: ModelRow,
    candidate: ModelRow,
    comparison: ComparisonRow | None,
    newest: Revision | None,
) -> None:
    """The button that starts a comparison, where one is missing or outdated, and its progress bar."""
    if newest is None:
        if comparison is None:
            st.info(
                "A comparison needs a revision, as models are evaluated on its holdout photos. Create one "
                "on the page Train.",
                icon=":material/bookmark_add:",
            )
        return
    if comparison is not None and comparison.revision >= newest.number:
        return
    if comparison is None:
        st.info(missing_comparison(store, champion, candidate), icon=":material/balance:")
    with st.container(horizontal=True, vertical_alignment="center"):
        again = comparison is not None
        st.button(
            f"Compare again on revision {newest.number}" if again else "Compare now",
            icon=":material/balance:",
            type="secondary" if again else "primary",
            key="compare",
            disabled=not store.actor.may(Right.TRAIN),
            on_click=_ask,
            args=((champion.id, candidate.id, newest.number),),
        )
        if comparison is not None:
            st.caption(f"The comparison below is on revision {comparison.revision}; there is a newer one.")
    if st.session_state.get(COMPARE_KEY) == (champion.id, candidate.id, newest.number):
        _compare(store, champion, candidate, newest.number)


def decisive(store: Store, champion: ModelRow, candidate: ModelRow) -> ComparisonRow | None:
    """The comparison of these two on the newest revision that has one: the gate decides by it."""
    return next(iter(store.comparisons.of(candidate.id, champion.id)), None)


def missing_comparison(store: Store, champion: ModelRow, candidate: ModelRow) -> str:
    """Why there is no comparison of these two to promote by, as a sentence."""
    others = store.comparisons.of(candidate.id)
    if not others:
        came = " came with an update of Lapel, and" if candidate.is_shipped else ""
        return f"{literal(candidate.name)}{came} has not been compared with the champion yet."
    former = store.models.get(others[0].champion_id)
    return (
        f"{literal(candidate.name)} was compared with {literal(former.name)}, which is no longer "
        f"the champion: compare it with {literal(champion.name)}."
    )


def _ask(wanted: tuple[int, int, int]) -> None:
    """Request the comparison from the next run; a run that is interrupted starts it again."""
    st.session_state[COMPARE_KEY] = wanted


def _compare(store: Store, champion: ModelRow, candidate: ModelRow, revision: int) -> None:
    bar = st.progress(0.0, text="Loading both models…")
    with IMPORTS:
        from core.training.comparison import compare_models  # brings torch

    def tell(done: int, total: int, message: str = "") -> None:
        share = min(1.0, done / total) if total else 0.0
        bar.progress(share, text=f"{done:,} of {counted(total, 'holdout photo')} evaluated")

    try:
        compare_models(store, candidate.id, champion.id, revision, progress=tell)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        flash(RESULT_KEY, f"{KIND_TITLES[champion.kind]}s compared on revision {revision}.")
    del st.session_state[COMPARE_KEY]
    st.rerun()


def show(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow | None) -> None:
    """The gate's verdict with its reasons, and the buttons for those who may promote."""
    verdict = comparison.verdict if comparison is not None else None
    may = store.actor.may(Right.PROMOTE)
    if verdict is not None:
        _verdict(verdict)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Promote",
            icon=":material/workspace_premium:",
            type="primary",
            key="promote",
            disabled=not may or verdict is None or not verdict.passes,
            on_click=_promote,
            args=(store, champion, candidate, comparison),
        )
        st.caption(_why_not(may, verdict, champion, candidate))
    if may and comparison is not None and verdict is not None and not verdict.passes:
        _overrule_form(store, champion, candidate, comparison)


def _why_not(may: bool, verdict: Verdict | None, champion: ModelRow, candidate: ModelRow) -> str:
    if not may:
        return f"You may view everything here, but not promote. {MAY_NOT}"
    if verdict is None:
        return "The gate needs a comparison first."
    if not verdict.passes:
        return "The gate refuses the promotion."
    return f"{literal(candidate.name)} then replaces {literal(champion.name)} everywhere at once."


def _verdict(verdict: Verdict) -> None:
    said = "\n".join(f"- {literal(reason)}" for reason in verdict.reasons)
    if verdict.passes:
        st.success(f"**The gate passes.**\n\n{said}", icon=":material/check_circle:")
        return
    if verdict.photos_needed is None:
        st.error(f"**The gate refuses.**\n\n{said}", icon=":material/block:")
        return
    needed = counted(verdict.photos_needed, "annotated holdout photo")
    st.warning(
        f"**The gate refuses: too few photos to tell.** It would take about {needed}.\n\n{said}",
        icon=":material/help:",
    )


def _overrule_form(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    with st.expander("Overrule the gate", icon=":material/gavel:", key="overrule"):
        st.caption("Your name and reason are recorded with the promotion, and in the audit log.")
        with st.form("overrule-form", border=False):
            st.text_input(
                "Reason to promote it anyway",
                key=REASON_KEY,
                max_chars=500,
                placeholder="The lost class is no longer sold",
            )
            st.form_submit_button(
                "Promote against the gate",
                icon=":material/gavel:",
                on_click=_overrule,
                args=(store, champion, candidate, comparison),
            )


def show_rollback(store: Store, champion: ModelRow, previous: ModelRow | None) -> None:
    """Rollback to the previous champion, with a confirmation."""
    if previous is None:
        return
    may = store.actor.may(Right.PROMOTE)
    with st.popover(
        "Roll back", icon=":material/undo:", disabled=not may, help=None if may else MAY_NOT, key="rollback"
    ):
        st.markdown(f"{literal(previous.name)} replaces {literal(champion.name)} again, at once.")
        st.button(
            "Confirm rollback",
            icon=":material/undo:",
            type="primary",
            key="rollback-yes",
            on_click=_roll_back,
            args=(store, champion, previous),
        )


def _promote(
    store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow | None, reason: str = ""
) -> None:
    try:
        promotion.promote(
            store,
            candidate.id,
            expected_champion=champion.id,
            request=_request(f"promote {champion.id} {candidate.id}"),
            comparison_id=comparison.id if comparison else None,
            overrule_reason=reason,
        )
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    st.session_state.pop(REQUEST_KEY, None)
    flash(RESULT_KEY, f"{candidate.name} serves now. Roll back to return to {champion.name}.")


def _overrule(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    reason = st.session_state[REASON_KEY].strip()
    if not reason:
        flash(RESULT_KEY, "Expected a reason for overruling the gate, got none.", error=True)
        return
    _promote(store, champion, candidate, comparison, reason)


def _roll_back(store: Store, champion: ModelRow, previous: ModelRow) -> None:
    try:
        promotion.rollback(
            store, champion.kind, request=_request(f"rollback {champion.id}"), expected_champion=champion.id
        )
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    st.session_state.pop(REQUEST_KEY, None)
    flash(RESULT_KEY, f"{previous.name} serves again.")


def _request(what: str) -> str:
    """An idempotency key: the same for one action, also where its click is sent twice."""
    known: tuple[str, str] | None = st.session_state.get(REQUEST_KEY)
    if known is None or known[0] != what:
        known = st.session_state[REQUEST_KEY] = (what, uuid.uuid4().hex)
    return known[1]


def show_history(changes: Sequence[Promotion], names: Mapping[int, str]) -> None:
    """A history_table, the latest change first."""
    st.subheader("Promotion history")
    st.dataframe(
        history_table(changes, names),
        hide_index=True,
        column_config={"When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")},
        key="promotions",
        alt=f"{len(changes)} changes of the champion, the latest first",
    )


def history_table(changes: Sequence[Promotion], names: Mapping[int, str]) -> pd.DataFrame:
    """A row for each promotion or rollback."""
    return pd.DataFrame(
        {
            "When": [datetime.fromtimestamp(change.at).astimezone() for change in changes],
            "Action": [ACTIONS.get(change.action, change.action) for change in changes],
            "Model": [names.get(change.model_id, "") for change in changes],
            "Replaced": [names.get(change.previous_id or 0, "") for change in changes],
            "By": [change.by for change in changes],
            "Reason": [change.reason for change in changes],
        }
    )
