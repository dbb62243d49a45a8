"""Two users changed one photo: both versions side by side, a choice for each box, one merged version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app.annotate.prefetch import PictureUrls
from app.annotate.save import back_to_editor, submit_merged
from app.annotate.session import AnnotationSession, Conflict
from app.components.panes import Pane, name_in, picked, show_panes
from app.text import clock, counted, literal
from core.errors import LapelError
from core.store import Store
from core.store.agreement import BoxChoice, compare, merge
from core.store.boxes import AnnotatedBox
from core.store.categories import Category

PANES_KEY = "annotate-versions"
MINE, THEIRS, BOTH, NEITHER = "mine", "theirs", "both", "neither"


def show(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """Let the user merge the two versions, and save the result."""
    conflict, opened = session.conflict, session.opened
    assert conflict is not None and opened is not None
    theirs, choices = conflict.theirs, choices_of(conflict)
    open_choices = [choice for choice in choices if not choice.same]
    st.warning(
        f"{literal(theirs.author)} saved version {theirs.version} ({clock(theirs.at)}) while you worked. "
        + _difference(open_choices),
        icon=":material/call_split:",
    )
    _buttons(store, session, choices)
    numbers = {choice.uid: at for at, choice in enumerate(open_choices, start=1)}
    categories = store.categories.by_id()
    show_panes(
        opened.photo,
        pictures.url(opened.photo.id),
        (_pane("Mine", MINE, choices, numbers), _pane(f"Theirs: {theirs.author}", THEIRS, choices, numbers)),
        categories,
        PANES_KEY,
        on_picked=partial(_pick, choices),
    )
    for choice in open_choices:
        _row(choice, numbers[choice.uid], categories)


def choices_of(conflict: Conflict) -> list[BoxChoice]:
    """The boxes of both versions, matched."""
    return compare(conflict.base, conflict.mine, conflict.theirs.boxes)


def chosen(choice: BoxChoice) -> str:
    """The side chosen for a box; the suggested one until the user has chosen."""
    side: str | None = st.session_state.get(_key(choice))
    return side or choice.suggested


def merged(choices: Sequence[BoxChoice]) -> tuple[AnnotatedBox, ...]:
    """The boxes of the chosen sides."""
    return merge(choices, {choice.uid: chosen(choice) for choice in choices if not choice.same})


def take_all(choices: Sequence[BoxChoice], side: str) -> None:
    """Choose one side for every box."""
    for choice in choices:
        if not choice.same:
            st.session_state[_key(choice)] = side


def _buttons(store: Store, session: AnnotationSession, choices: Sequence[BoxChoice]) -> None:
    with st.container(horizontal=True):
        st.button("Use mine", icon=":material/person:", on_click=take_all, args=(choices, MINE))
        st.button("Use theirs", icon=":material/group:", on_click=take_all, args=(choices, THEIRS))
        st.button(
            "Save the merged version",
            icon=":material/merge:",
            type="primary",
            on_click=_save,
            args=(store, session, choices),
        )
        st.button("Back to the editor", icon=":material/edit:", on_click=back_to_editor, args=(session,))
    if session.message:
        st.error(literal(session.message), icon=":material/error:")


def _save(store: Store, session: AnnotationSession, choices: Sequence[BoxChoice]) -> None:
    session.message = ""
    try:
        submit_merged(store, session, merged(choices))
    except LapelError as error:
        session.message = str(error)


def _pane(title: str, side: str, choices: Sequence[BoxChoice], numbers: Mapping[str, int]) -> Pane:
    boxes, marks, rows = [], {}, {}
    for choice in choices:
        box = choice.mine if side == MINE else choice.theirs
        if box is None:
            continue
        boxes.append(box)
        taken = chosen(choice) in (side, BOTH)
        marks[box.uid] = "same" if choice.same else "chosen" if taken else "dropped"
        if choice.uid in numbers:
            rows[box.uid] = numbers[choice.uid]
    return Pane(title, tuple(boxes), marks, rows)


def _pick(choices: Sequence[BoxChoice]) -> None:
    """Choose the side whose box was clicked."""
    pane, uid = picked(PANES_KEY)
    side = MINE if pane == 0 else THEIRS
    for choice in choices:
        box = choice.mine if side == MINE else choice.theirs
        if box is not None and box.uid == uid and not choice.same:
            st.session_state[_key(choice)] = side


def _row(choice: BoxChoice, number: int, categories: Mapping[int, Category]) -> None:
    sides = {MINE: choice.mine, THEIRS: choice.theirs}
    words = {
        side: f"{side}: {literal(box_text(box, categories)) if box else 'no box'}"
        for side, box in sides.items()
    }
    if choice.mine is not None and choice.theirs is not None:
        words |= {BOTH: "both", NEITHER: "neither"}
    if _key(choice) not in st.session_state:
        st.session_state[_key(choice)] = choice.suggested
    label = f"Box {number}" + (", changed by both" if choice.contested else "")
    st.segmented_control(label, list(words), format_func=words.__getitem__, key=_key(choice), required=True)


def _difference(open_choices: Sequence[BoxChoice]) -> str:
    if not open_choices:
        return "Both versions have the same boxes."
    return f"{counted(len(open_choices), 'box differs', 'boxes differ')}: choose for each, or click it."


def _key(choice: BoxChoice) -> str:
    return f"annotate-choice-{choice.uid}"


def box_text(box: AnnotatedBox, categories: Mapping[int, Category]) -> str:
    """A box as text: category, label, width and height in pixels, flags."""
    x0, y0, x1, y1 = box.box_xyxy
    label = f" · {box.label}" if box.label else ""
    flags = f", {', '.join(sorted(box.flags))}" if box.flags else ""
    return f"{name_in(categories, box.category_id)}{label}, {x1 - x0:.0f} × {y1 - y0:.0f}{flags}"
