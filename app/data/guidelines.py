"""The guidelines on the page Data: what belongs to a category, with examples that open in Annotate."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.data import photos, selection
from app.data.selection import boxes_of
from app.data.tiles import show_tiles
from app.navigation import annotate_link
from app.text import counted, flash, show_flash
from core.access import Right
from core.errors import LapelError
from core.store import Store
from core.store.categories import Category
from core.store.guidelines import (
    MOST_TEXT,
    Guideline,
    examples_of,
    guidelines,
    remove_examples,
    write_guideline,
)

VIEW, RESULT_KEY, OPEN_KEY = "Guidelines", "guideline-result", "guideline-open"


def show(store: Store, categories: Mapping[int, Category]) -> None:
    """One category's text and examples; who may change categories writes them."""
    st.subheader("Guidelines")
    names = {category.name: id for id, category in categories.items()}
    name = st.selectbox("Guideline of", list(names), key="guideline", bind="query-params", width=300)
    if name is None:
        return
    id = names[name]
    found = guidelines(store).get(id, Guideline())
    show_flash(RESULT_KEY)
    if store.actor.may(Right.TAXONOMY):
        key = f"guideline-text-{id}"
        st.text_area(
            "What belongs to it, and what does not", found.text, key=key, max_chars=MOST_TEXT, height=160
        )
        st.button(
            "Save the guideline",
            icon=":material/save:",
            key="guideline-save",
            on_click=_write,
            args=(store, id, key),
        )
    else:
        st.text(found.text or "Nothing has been written about this category yet.")
    _examples(store, id, categories)


def _examples(store: Store, id: int, categories: Mapping[int, Category]) -> None:
    boxes = examples_of(store, id)
    if not boxes:
        st.caption("No examples yet: choose boxes under Photos, shown as crops, and press Example.")
        return
    mine = selection.selection_state()
    tiles = [photos.box_tile(box, {}, categories) for box in boxes]
    keys = [key for key in mine.of(VIEW) if key in {tile.key for tile in tiles}]
    st.caption(f"{counted(len(boxes), 'example')}; one that is opened can be looked at in Annotate.")
    show_tiles(
        store,
        tiles,
        keys,
        st.session_state.get(OPEN_KEY),
        on_open=lambda key: st.session_state.update({OPEN_KEY: key}),
        on_choose=lambda keys, on: mine.choose(VIEW, keys, on),
        key="guideline-examples",
    )
    with st.container(horizontal=True):
        opened = st.session_state.get(OPEN_KEY)
        if opened in {tile.key for tile in tiles}:
            annotate_link(selection.photo_of(opened))
        if keys and store.actor.may(Right.TAXONOMY):
            st.button(
                f"Remove {counted(len(keys), 'example')}",
                icon=":material/remove:",
                key="guideline-remove",
                on_click=_remove,
                args=(store, id, keys),
            )


def _write(store: Store, id: int, key: str) -> None:
    try:
        write_guideline(store, id, st.session_state[key])
        flash(RESULT_KEY, "The guideline is saved.")
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)


def _remove(store: Store, id: int, keys: list[str]) -> None:
    try:
        remove_examples(store, id, boxes_of(keys))
        selection.selection_state().clear(VIEW)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
