"""The gate's verdict and what follows from it: promote, overrule with a reason, go back."""

from __future__ import annotations

import uuid

import streamlit as st

from app.text import counted, literal
from core.access import Right
from core.errors import LapelError
from core.evaluation.gate import Verdict
from core.store import Store
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow

TOLD_KEY, REASON_KEY, REQUEST_KEY = "models-told", "overrule-reason", "models-request"
MAY_NOT = "That takes the role admin."


def told() -> None:
    """What became of the last press, once."""
    found = st.session_state.pop(TOLD_KEY, None)
    if found:
        kind, sentence = found
        icon = ":material/error:" if kind == "error" else ":material/check:"
        (st.error if kind == "error" else st.success)(literal(sentence), icon=icon)


def show(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow | None) -> None:
    """The verdict with its reasons, and the buttons for those who may press them."""
    verdict = comparison.verdict if comparison is not None else None
    may = store.actor.may(Right.PROMOTE)
    if verdict is not None:
        _verdict(verdict)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Promote it",
            icon=":material/workspace_premium:",
            type="primary",
            key="promote",
            disabled=not may or verdict is None or not verdict.passes,
            on_click=_promote,
            args=(store, champion, candidate, comparison),
        )
        st.caption(_why_not(may, verdict, champion, candidate))
    if may and comparison is not None and verdict is not None and not verdict.passes:
        _overruling(store, champion, candidate, comparison)


def _why_not(may: bool, verdict: Verdict | None, champion: ModelRow, candidate: ModelRow) -> str:
    if not may:
        return f"You may look at everything here, not promote. {MAY_NOT}"
    if verdict is None:
        return "The gate has to see the two compared first."
    if not verdict.passes:
        return "The gate does not let it pass."
    return (
        f"{literal(candidate.name)} then serves in place of {literal(champion.name)}, at once and everywhere."
    )


def _verdict(verdict: Verdict) -> None:
    said = "\n".join(f"- {literal(reason)}" for reason in verdict.reasons)
    if verdict.passes:
        st.success(f"**The gate lets it pass.**\n\n{said}", icon=":material/check_circle:")
        return
    if verdict.photos_needed is None:
        st.error(f"**The gate refuses.**\n\n{said}", icon=":material/block:")
        return
    needed = counted(verdict.photos_needed, "annotated holdout photo")
    st.warning(
        f"**The gate refuses: too few photos to tell.** It would take about {needed}.\n\n{said}",
        icon=":material/help:",
    )


def _overruling(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    with st.expander("Overrule the gate", icon=":material/gavel:", key="overrule"):
        st.caption("Your name and reason are recorded with the promotion, and in the audit log.")
        with st.form("overrule-form", border=False):
            st.text_input(
                "Why it should serve all the same",
                key=REASON_KEY,
                max_chars=500,
                placeholder="The lost class is no longer sold",
            )
            st.form_submit_button(
                "Promote it against the gate",
                icon=":material/gavel:",
                on_click=_overrule,
                args=(store, champion, candidate, comparison),
            )


def show_way_back(store: Store, champion: ModelRow, previous: ModelRow | None) -> None:
    """The champion before, one press and a confirmation away."""
    if previous is None:
        return
    may = store.actor.may(Right.PROMOTE)
    with st.popover(
        "Roll back", icon=":material/undo:", disabled=not may, help=None if may else MAY_NOT, key="rollback"
    ):
        st.markdown(f"{literal(previous.name)} serves again in place of {literal(champion.name)}, at once.")
        st.button(
            "Yes, bring it back",
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
        store.promotions.promote(
            candidate.id,
            expected_champion=champion.id,
            request=_request(f"promote {champion.id} {candidate.id}"),
            comparison_id=comparison.id if comparison else None,
            overrule_reason=reason,
        )
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))
        return
    st.session_state.pop(REQUEST_KEY, None)
    st.session_state[TOLD_KEY] = (
        "success",
        f"{candidate.name} serves now. {champion.name} is one press away.",
    )


def _overrule(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    reason = st.session_state[REASON_KEY].strip()
    if not reason:
        st.session_state[TOLD_KEY] = ("error", "Expected a reason for overruling the gate, got none.")
        return
    _promote(store, champion, candidate, comparison, reason)


def _roll_back(store: Store, champion: ModelRow, previous: ModelRow) -> None:
    try:
        store.promotions.rollback(
            champion.kind, request=_request(f"rollback {champion.id}"), expected_champion=champion.id
        )
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))
        return
    st.session_state.pop(REQUEST_KEY, None)
    st.session_state[TOLD_KEY] = ("success", f"{previous.name} serves again.")


def _request(what: str) -> str:
    """One name for one deed, also where a press is sent twice; another deed gets another."""
    known: tuple[str, str] | None = st.session_state.get(REQUEST_KEY)
    if known is None or known[0] != what:
        known = st.session_state[REQUEST_KEY] = (what, uuid.uuid4().hex)
    return known[1]
