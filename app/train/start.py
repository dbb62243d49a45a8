"""Starting a fine-tuning: which model, quick or full, on which revision."""

from __future__ import annotations

import streamlit as st

from app.components.choices import KIND_TITLES
from app.data import holdout
from app.navigation import annotate_page_link, data_link
from app.text import counted, flash, moment, show_flash
from app.train import history
from app.train.history import show_training
from core.errors import LapelError
from core.jobs import client
from core.store import Store
from core.store.revisions import Revision
from core.store.trainings import ANCHOR_COUNT, KINDS, MODES, MOST_SHARE, OWN_ANCHORS, Anchors, TrainingRow

KIND_KEY, MODE_KEY, REVISION_KEY, RESULT_KEY = "train-kind", "train-mode", "train-revision", "train-result"
ANCHORS_KEY, LINKED_KEY = "train-anchors", "train-anchors-linked"
PARAMETER = "anchors"
"""Of the address: nine widths and heights as shares of the input's long side, as the page Anchors links."""

CHAMPIONS, GIVEN = "champion", "given"
ANCHOR_NAMES = {
    CHAMPIONS: "The champion's",
    OWN_ANCHORS: "Fitted to the revision",
    GIVEN: "From the page Anchors",
}
LISTED = 200


def show(store: Store, earlier: tuple[TrainingRow, ...]) -> None:
    """The three choices and the button; without annotations, what to do first."""
    show_flash(RESULT_KEY)
    if not store.annotations.annotated_count():
        st.info(
            "Nothing is annotated yet, so there is nothing to train on: annotate some photos, or import a "
            "dataset with boxes.",
            icon=":material/edit_square:",
        )
        with st.container(horizontal=True):
            annotate_page_link()
            data_link("Import a dataset")
        return
    with st.container(border=True):
        _choices(store, earlier)


def _choices(store: Store, earlier: tuple[TrainingRow, ...]) -> None:
    revisions = store.revisions.all()[:LISTED]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            "Model",
            KINDS,
            default=KINDS[0],
            required=True,
            format_func=KIND_TITLES.__getitem__,
            key=KIND_KEY,
        )
        mode = st.segmented_control(
            "Fine-tuning",
            MODES,
            default=MODES[0],
            required=True,
            format_func=history.MODES.__getitem__,
            key=MODE_KEY,
        )
        number = _revision(store, revisions)
    kind, mode = kind or KINDS[0], mode or MODES[0]
    refusal = client.champions_refusal(store, kind)
    st.caption(history.description(kind, mode, earlier))
    anchors = _anchors() if kind == "detector" else None
    going = next((row for row in earlier if row.kind == kind and row.is_going), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Show the running training" if going else f"Fine-tune the {kind}",
            icon=":material/visibility:" if going else ":material/model_training:",
            type="primary",
            key="train-start",
            disabled=number is None or (refusal is not None and going is None),
            on_click=_start,
            args=(store, kind, mode, number, anchors),
        )
        if going:
            st.caption(f"A {kind} is being trained: one at a time.")
        elif refusal:
            st.caption(refusal)
        elif number is None:
            st.caption("Training needs a revision: create one first.")
    holdout.show_need(store)


def _revision(store: Store, revisions: list[Revision]) -> int | None:
    """The chosen revision, and a button that creates one; None where there is none yet."""
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
        "Create revision",
        icon=":material/bookmark_add:",
        key="train-freeze",
        on_click=_freeze,
        args=(store,),
        help="An immutable snapshot of all annotations.",
    )
    return number


def described(revision: Revision) -> str:
    """A revision as one line of text."""
    note = f" · {revision.note}" if revision.note else ""
    return f"{revision.number} · {counted(revision.photos, 'photo')} · {moment(revision.at)}{note}"


def _freeze(store: Store) -> None:
    before = {revision.number for revision in store.revisions.all()}
    try:
        made = store.revisions.create(store.actor.name)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    st.session_state[REVISION_KEY] = made.number
    what = f"{counted(made.photos, 'photo')} with {counted(made.boxes, 'box', 'boxes')}"
    known = f"Nothing has changed since revision {made.number}."
    said = known if made.number in before else f"Revision {made.number} holds {what}."
    flash(RESULT_KEY, said)


def _anchors() -> Anchors:
    """The anchors that a detector goes on with, as :meth:`Trainings.begin` takes them."""
    asked = st.query_params.get(PARAMETER, "")
    given = asked_anchors(asked)
    if given and st.session_state.get(LINKED_KEY) != asked:  # a link that was just followed
        st.session_state[LINKED_KEY], st.session_state[ANCHORS_KEY] = asked, GIVEN
    options = [name for name in ANCHOR_NAMES if name != GIVEN or given]
    if st.session_state.get(ANCHORS_KEY) not in options:
        st.session_state[ANCHORS_KEY] = CHAMPIONS
    chosen = st.segmented_control(
        "Anchors",
        options,
        required=True,
        format_func=ANCHOR_NAMES.__getitem__,
        key=ANCHORS_KEY,
        help="Other anchors change no answer at first: the heads' biases move by log(old / new). They change "
        "which anchor learns which garment from then on.",
    )
    if chosen == GIVEN and given:
        shares = ", ".join(f"{100 * width:.1f} × {100 * height:.1f}" for width, height in given)
        st.caption(f"In % of the input's long side: {shares}.")
    return {OWN_ANCHORS: OWN_ANCHORS, GIVEN: given}.get(chosen or CHAMPIONS)


def asked_anchors(text: str) -> list[list[float]] | None:
    """Nine pairs of width and height from the address; None where it names no such."""
    try:
        sides = [float(side) for side in text.split(",")]
    except ValueError:
        return None
    if len(sides) != 2 * ANCHOR_COUNT or not all(0 < side <= MOST_SHARE for side in sides):
        return None
    return [sides[place : place + 2] for place in range(0, len(sides), 2)]


def _start(store: Store, kind: str, mode: str, number: int, anchors: Anchors) -> None:
    try:
        show_training(client.start_training(store, kind, mode, number, anchors=anchors))
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
