"""The beginning of a training: what is to learn, from which revision, how thoroughly."""

from __future__ import annotations

import streamlit as st

from app.navigation import annotate_page_link, data_link
from app.text import counted, literal, moment
from app.train import history
from app.train.history import show_training
from core.errors import LapelError
from core.jobs import client
from core.store import Store
from core.store.revisions import Revision
from core.store.trainings import KINDS, MODES, TrainingRow

KIND_KEY, MODE_KEY, REVISION_KEY, TOLD_KEY = "train-kind", "train-mode", "train-revision", "train-told"
LISTED = 200


def show(store: Store, past: tuple[TrainingRow, ...]) -> None:
    """The three choices and the button; where there is nothing to learn from, what to do first."""
    _told()
    if not store.annotations.annotated_count():
        st.info(
            "Nothing is annotated yet, so there is nothing to learn from: correct some photos in Annotate, "
            "or bring a data set with boxes in.",
            icon=":material/edit_square:",
        )
        with st.container(horizontal=True):
            annotate_page_link()
            data_link("Bring a data set in")
        return
    with st.container(border=True):
        _choices(store, past)


def _choices(store: Store, past: tuple[TrainingRow, ...]) -> None:
    revisions = store.revisions.all()[:LISTED]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            "Model",
            KINDS,
            default=KINDS[0],
            required=True,
            format_func=history.KINDS.__getitem__,
            key=KIND_KEY,
        )
        mode = st.segmented_control(
            "How", MODES, default=MODES[0], required=True, format_func=history.MODES.__getitem__, key=MODE_KEY
        )
        number = _revision(store, revisions)
    kind, mode = kind or KINDS[0], mode or MODES[0]
    st.caption(history.explained(kind, mode, past))
    going = next((row for row in past if row.kind == kind and row.is_going), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Show the one that runs" if going else f"Train the {kind}",
            icon=":material/visibility:" if going else ":material/model_training:",
            type="primary",
            key="train-start",
            disabled=number is None,
            on_click=_start,
            args=(store, kind, mode, number),
        )
        if going:
            st.caption(f"A {kind} is being trained: one at a time.")
        elif number is None:
            st.caption("A training learns from a revision: freeze one first.")


def _revision(store: Store, revisions: list[Revision]) -> int | None:
    """The revision that is chosen, and a way to a new one; None where there is none yet."""
    names = {revision.number: described(revision) for revision in revisions}
    if names and st.session_state.get(REVISION_KEY) not in names:
        st.session_state[REVISION_KEY] = next(iter(names))
    number = st.selectbox(
        "Revision",
        list(names),
        format_func=lambda number: names[number],
        key=REVISION_KEY,
        placeholder="No revision yet",
        disabled=not names,
        width=430,
    )
    st.button(
        "Freeze what holds now",
        icon=":material/bookmark_add:",
        key="train-freeze",
        on_click=_freeze,
        args=(store,),
        help="Makes a revision of all annotations as they are now. It never changes.",
    )
    return number


def described(revision: Revision) -> str:
    """A revision in one line."""
    note = f" · {revision.note}" if revision.note else ""
    return f"{revision.number} · {counted(revision.photos, 'photo')} · {moment(revision.at)}{note}"


def _freeze(store: Store) -> None:
    before = {revision.number for revision in store.revisions.all()}
    try:
        made = store.revisions.create(store.actor.name)
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))
        return
    st.session_state[REVISION_KEY] = made.number
    what = f"{counted(made.photos, 'photo')} with {counted(made.boxes, 'box', 'boxes')}"
    known = f"Nothing has changed since: that is revision {made.number}."
    said = known if made.number in before else f"Revision {made.number} holds {what}."
    st.session_state[TOLD_KEY] = ("success", said)


def _start(store: Store, kind: str, mode: str, number: int) -> None:
    try:
        show_training(client.start_training(store, kind, mode, number))
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))


def _told() -> None:
    told = st.session_state.pop(TOLD_KEY, None)
    if told:
        kind, sentence = told
        (st.error if kind == "error" else st.success)(literal(sentence))
