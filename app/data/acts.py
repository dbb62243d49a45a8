"""Acts on chosen photos and boxes: relabel, put first in the queue, give away, tag, export."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from app.data.chosen import RESULT_KEY, Chosen, boxes_of, chosen, photo_of
from app.data.find import CROPS, PHOTOS
from app.data.relabeling import relabel_form, undo_button
from app.navigation import annotate_link, annotate_page_link
from app.text import counted, flash, show_flash
from core.access import Right
from core.errors import LapelError
from core.store import Store, bulk
from core.store.categories import Category
from core.store.exports import export_chosen, export_name
from core.store.guidelines import add_examples
from core.store.photo_notes import tag_name
from core.store.search import MOST_IDS, PhotoQuery

PERSON_KEY, TAG_KEY = "chosen-person", "chosen-tag"
ANYBODY = "whoever comes"


def show_result(store: Store, person: str) -> None:
    """What came of the last act, and a button that undoes the last relabeling."""
    show_flash(RESULT_KEY)
    undo_button(store, chosen(), person)


def show_acts(
    store: Store,
    view: str,
    found: int,
    query: PhotoQuery | None,
    page: Sequence[str],
    categories: Mapping[int, Category],
    person: str,
    said: Mapping[str, int],
) -> None:
    """How many are chosen, and what can be done to them.

    ``page`` are the keys that are shown, of ``found`` that ``query`` finds where there is one; ``said`` is
    the category that the models see in a box, by its key.
    """
    mine = chosen()
    keys = mine.of(view)
    is_photos = all(key.isdecimal() for key in (*page, *keys))
    noun = ("photo", "photos") if is_photos else ("box", "boxes")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{counted(len(keys), *noun)} chosen**", width="content")
        st.button("Choose page", key="choose-page", on_click=mine.choose, args=(view, list(page), True))
        if query is not None and found > len(page) and view in (PHOTOS, CROPS):
            most = min(found, MOST_IDS)
            st.button(
                f"Choose all {most:,}" if most == found else f"Choose the first {most:,}",
                key="choose-all",
                on_click=_choose_all,
                args=(store, mine, view, query),
            )
        if keys:
            st.button("Choose none", key="choose-none", on_click=mine.clear, args=(view,))
    if not keys:
        st.caption("Tick tiles to act on many at once; with Shift, all between two.")
        return
    ids = list(dict.fromkeys(photo_of(key) for key in keys))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if store.actor.may(Right.ANNOTATE):
            relabel_form(store, mine, view, keys, categories, person, said)
            st.button(
                "Put first",
                icon=":material/vertical_align_top:",
                key="chosen-first",
                help="First in everybody's queue, also where they were done.",
                on_click=_put_first,
                args=(store, ids, person),
            )
            _assign_form(store, ids, person)
            _tag_form(store, ids, person)
            _example_button(store, keys)
        if store.actor.may(Right.EXPORT):
            _export(store, ids)
        if len(ids) == 1:
            annotate_link(ids[0])


def _choose_all(store: Store, mine: Chosen, view: str, query: PhotoQuery) -> None:
    if view == PHOTOS:
        mine.choose(view, [str(id) for id in store.search.ids(query)], True)
        return
    mark = ":" if query.models is None else "#"
    mine.choose(view, [f"{photo}{mark}{name}" for photo, name in store.search.box_keys(query)], True)


def _put_first(store: Store, ids: Sequence[int], person: str) -> None:
    _told(
        lambda: (
            f"{counted(bulk.put_first(store, ids, f'put first by {person}'), 'photo')} first in the queue."
        )
    )


def _assign_form(store: Store, ids: Sequence[int], person: str) -> None:
    with st.popover("Give to", icon=":material/person_add:", key=f"give-open-{chosen().acts}"):
        people = [person, *(name for name in store.search.people() if name != person)]
        st.selectbox(
            "Person", [*people, ANYBODY], key=PERSON_KEY, accept_new_options=True,
            help="They get these photos first, and nobody else does.",
        )  # fmt: skip
        st.button(
            f"Give {counted(len(ids), 'photo')}",
            type="primary",
            key="give",
            on_click=_assign,
            args=(store, ids, person),
        )
        annotate_page_link("Open the queue")


def _assign(store: Store, ids: Sequence[int], person: str) -> None:
    named = st.session_state[PERSON_KEY]
    to = None if named == ANYBODY else named

    def said() -> str:
        count = bulk.assign(store, ids, to, by=person)
        chosen().acts += 1
        return f"{counted(count, 'photo')} given to {named}."

    _told(said)


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
    _told(lambda: f"{counted(add_examples(store, boxes), 'box', 'boxes')} in the guidelines.")


def _tag_form(store: Store, ids: Sequence[int], person: str) -> None:
    with st.popover("Tag", icon=":material/sell:", key=f"tag-open-{chosen().acts}"):
        known = list(store.photo_notes.known_tags())
        st.selectbox("Tag", known, key=TAG_KEY, accept_new_options=True, index=None, placeholder="winter")
        with st.container(horizontal=True):
            for word, add in (("Add", True), ("Remove", False)):
                st.button(
                    f"{word} on {counted(len(ids), 'photo')}",
                    type="primary" if add else "secondary",
                    key=f"tag-{word.lower()}",
                    on_click=_tag,
                    args=(store, ids, person, add),
                )


def _tag(store: Store, ids: Sequence[int], person: str, add: bool) -> None:
    tag = st.session_state[TAG_KEY] or ""

    def said() -> str:
        name = tag_name(tag)
        for start in range(0, len(ids), bulk.BATCH):
            some = ids[start : start + bulk.BATCH]
            store.photo_notes.tag(some, person, add=[name] if add else (), remove=() if add else [name])
        chosen().acts += 1
        return f"{name} {'added to' if add else 'removed from'} {counted(len(ids), 'photo')}."

    _told(said)


def _export(store: Store, ids: Sequence[int]) -> None:
    with st.popover("Export", icon=":material/download:", key="export-open"):
        annotated = store.search.count(PhotoQuery(ids=tuple(ids), state="annotated"))
        st.caption(
            f"The newest boxes of {counted(annotated, 'annotated photo')}"
            + (
                f"; {counted(len(ids) - annotated, 'photo')} without annotation left out."
                if annotated < len(ids)
                else "."
            )
        )
        for format, name in (("coco", "COCO"), ("csv", "CSV")):
            st.download_button(
                name,
                partial(_exported, store, tuple(ids), format),
                file_name=export_name(0, format),
                mime="application/octet-stream",
                icon=":material/download:",
                key=f"chosen-{format}",
                disabled=not annotated,
                on_click="ignore",
            )


def _exported(store: Store, ids: Sequence[int], format: str) -> bytes:
    out = io.BytesIO()
    export_chosen(store, ids, format, out)
    return out.getvalue()


def _told(act: Callable[[], str]) -> None:
    """Do it in a button's callback and say what came of it."""
    try:
        flash(RESULT_KEY, act())
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
