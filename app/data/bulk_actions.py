"""Actions on chosen photos and boxes: relabel, put first in the queue, give away, tag, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.data.background_actions import background_actions, show_running
from app.data.find import CROPS, PHOTOS
from app.data.relabeling import relabel_form, undo_button
from app.data.selection import (
    RESULT_KEY,
    QuerySelection,
    Selection,
    SelectionState,
    boxes_of,
    photo_of,
    selection_state,
)
from app.data.selection_export import export_form
from app.navigation import annotate_link, annotate_page_link
from app.text import counted, flash, show_flash
from core.access import Right
from core.boxes import MOST_TAGS
from core.errors import LapelError
from core.progress import Progress
from core.store import Store, bulk
from core.store.categories import Category
from core.store.guidelines import add_examples
from core.store.search import PhotoQuery

PERSON_KEY, TAG_KEY = "chosen-person", "chosen-tag"
ANYBODY = "whoever comes"


def show_result(store: Store, person: str) -> None:
    """What came of the last action, and a button that undoes the last relabeling."""
    show_running(background_actions(store, person))
    show_flash(RESULT_KEY)
    undo_button(store, person)


def show_actions(
    store: Store,
    view: str,
    found: int,
    query: PhotoQuery | None,
    page: Sequence[str],
    categories: Mapping[int, Category],
    person: str,
    suggested: Mapping[str, int],
) -> None:
    """How many are chosen, and what can be done to them.

    ``page`` are the keys that are shown, of ``found`` that ``query`` finds where there is one; ``suggested``
    is the category that the models see in a box, by its key.
    """
    mine = selection_state()
    selection = mine.selection(store, view)
    _show_choice(store, mine, selection, view, found, query, page)
    if not selection:
        st.caption("Tick tiles to act on many at once; with Shift, all between two.")
        return
    if background_actions(store, person).running is not None:
        st.caption("More can be done once the action above is over.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if store.actor.may(Right.ANNOTATE):
            relabel_form(store, mine, view, selection, categories, person, suggested)
            st.button(
                "Put first",
                icon=":material/vertical_align_top:",
                key="chosen-first",
                help="First in everybody's queue, also where they were done.",
                on_click=_put_first,
                args=(store, selection, person),
            )
            _assign_form(store, selection, person)
            _tag_form(store, selection, person)
            if selection.found is None:
                _example_button(store, selection.keys)
        if store.actor.may(Right.EXPORT):
            export_form(store, selection, person)
        if selection.found is None and len(selection.photo_ids()) == 1:
            annotate_link(photo_of(selection.keys[0]))


def _show_choice(
    store: Store,
    mine: SelectionState,
    selection: Selection,
    view: str,
    found: int,
    query: PhotoQuery | None,
    page: Sequence[str],
) -> None:
    """How many are chosen; buttons that choose the page, all that is found, or none."""
    is_photos = all(key.isdecimal() for key in page) and selection.is_of_photos
    noun = ("photo", "photos") if is_photos else ("box", "boxes")
    shown = set(mine.among(store, view, page))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{counted(len(selection), *noun)} chosen**", width="content")
        rest = [key for key in page if key not in shown]
        st.button(
            "Choose page",
            key="choose-page",
            disabled=not rest,
            on_click=mine.choose,
            args=(view, rest, True),
        )
        if query is not None and found > len(page) and view in (PHOTOS, CROPS):
            st.button(
                f"Choose all {found:,}",
                key="choose-all",
                on_click=_choose_all,
                args=(store, mine, view, query),
            )
        if selection:
            st.button("Choose none", key="choose-none", on_click=mine.clear, args=(view,))


def _choose_all(store: Store, mine: SelectionState, view: str, query: PhotoQuery) -> None:
    mine.choose_found(view, QuerySelection.by(store, query, of_boxes=view == CROPS))


def _put_first(store: Store, selection: Selection, person: str) -> None:
    def job(progress: Progress) -> int:
        return bulk.put_first(store, selection.photo_ids(), f"put first by {person}", progress)

    background_actions(store, person).begin(
        "Putting first", job, lambda count: f"{counted(count, 'photo')} first in the queue."
    )


def _assign_form(store: Store, selection: Selection, person: str) -> None:
    with st.popover("Give to", icon=":material/person_add:", key=f"give-open-{selection_state().actions}"):
        people = [person, *(name for name in store.search.users() if name != person)]
        st.selectbox(
            "Person", [*people, ANYBODY], key=PERSON_KEY, accept_new_options=True,
            help="They get these photos first, and nobody else does.",
        )  # fmt: skip
        st.button(
            f"Give {counted(len(selection.photo_ids()), 'photo')}",
            type="primary",
            key="give",
            on_click=_assign,
            args=(store, selection, person),
        )
        annotate_page_link("Open the queue")


def _assign(store: Store, selection: Selection, person: str) -> None:
    named, mine = st.session_state[PERSON_KEY], selection_state()
    to = None if named == ANYBODY else named

    def job(progress: Progress) -> int:
        return bulk.assign(store, selection.photo_ids(), to, by=person, progress=progress)

    def result_text(count: int) -> str:
        mine.actions += 1
        return f"{counted(count, 'photo')} given to {named}."

    background_actions(store, person).begin("Giving away", job, result_text)


def _example_button(store: Store, keys: Sequence[str]) -> None:
    boxes = boxes_of(keys)
    if boxes and store.actor.may(Right.TAXONOMY):
        st.button(
            "Example",
            icon=":material/menu_book:",
            key="chosen-example",
            help="Shown in the guidelines of their categories, under Categories.",
            on_click=_make_examples,
            args=(store, boxes),
        )


def _make_examples(store: Store, boxes: Mapping[int, Sequence[str]]) -> None:
    _flash_result(lambda: f"{counted(add_examples(store, boxes), 'box', 'boxes')} in the guidelines.")


def _tag_form(store: Store, selection: Selection, person: str) -> None:
    with st.popover("Tag", icon=":material/sell:", key=f"tag-open-{selection_state().actions}"):
        known = list(store.photo_notes.known_tags())
        st.selectbox("Tag", known, key=TAG_KEY, accept_new_options=True, index=None, placeholder="winter")
        with st.container(horizontal=True):
            for word, key, add in (("Add to", "add", True), ("Remove from", "remove", False)):
                st.button(
                    f"{word} {counted(len(selection.photo_ids()), 'photo')}",
                    type="primary" if add else "secondary",
                    key=f"tag-{key}",
                    on_click=_tag,
                    args=(store, selection, person, add),
                )


def _tag(store: Store, selection: Selection, person: str, add: bool) -> None:
    text, mine = st.session_state[TAG_KEY] or "", selection_state()
    change = {"add": text} if add else {"remove": text}

    def job(progress: Progress) -> tuple[int, int]:
        photo_ids = selection.photo_ids()
        done = bulk.tag(store, photo_ids, author=person, **change, progress=progress)
        return done, len(photo_ids) - done

    def result_text(result: tuple[int, int]) -> str:
        done, left = result
        mine.actions += 1
        stayed = f" {counted(left, 'photo')} stayed: deleted, or with {MOST_TAGS} tags." if left else ""
        what = f"{' '.join(text.split())} {'added to' if add else 'removed from'} {counted(done, 'photo')}."
        return what + stayed

    background_actions(store, person).begin("Tagging", job, result_text)


def _flash_result(action: Callable[[], str]) -> None:
    """Do it in a button's callback and say what came of it."""
    try:
        flash(RESULT_KEY, action())
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
