"""The categories on the page Data: boxes of each, adding one, renaming one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.data import guidelines
from app.data.progress import statistics_of
from app.text import flash, show_flash
from core.access import Right
from core.boxes import BOX_FLAGS
from core.csv_cells import escape_formula
from core.errors import LapelError
from core.store import Store
from core.store.categories import MOST_CHARACTERS, Category
from core.threads import IMPORTS

ATTRIBUTES_KEY = "box-attributes"
NEW_KEY, CHOSEN_KEY, NAME_KEY, RESULT_KEY = (
    "category-new",
    "category-chosen",
    "category-name",
    "category-result",
)


def show(store: Store, person: str) -> None:
    """The table and the two forms."""
    categories = store.categories.all()
    counts = statistics_of(store).boxes
    table_side, form_side = st.columns([3, 2], gap="large")
    with table_side:
        _table(categories, counts)
    with form_side:
        show_flash(RESULT_KEY)
        if store.actor.may(Right.TAXONOMY):
            _add_form(store, person)
            _rename_form(store, categories, person)
            _attributes(store)
        else:
            st.caption("An admin adds and renames categories.")
    guidelines.show(store, {category.id: category for category in categories})


def _table(categories: Sequence[Category], counts: Mapping[int, int]) -> None:
    with IMPORTS:
        import pandas as pd

    # The table's own CSV button writes cells unchanged, so they are neutralized here.
    rows = pd.DataFrame(
        {
            "Category": [escape_formula(category.name) for category in categories],
            "Boxes": [counts.get(category.id, 0) for category in categories],
        }
    )
    colors = {escape_formula(category.name): f"color: {category.color}" for category in categories}
    most = max(1, int(rows["Boxes"].max()) if len(rows) else 1)
    st.dataframe(
        rows.style.map(lambda name: colors.get(name, ""), subset=["Category"]),
        hide_index=True,
        height="content",
        column_config={
            "Boxes": st.column_config.ProgressColumn(
                format="%d", min_value=0, max_value=most, color="primary"
            )
        },
        alt="Categories and how many boxes each has",
    )


def _add_form(store: Store, person: str) -> None:
    with st.form("add-category"):
        st.text_input("New category", key=NEW_KEY, max_chars=MOST_CHARACTERS, placeholder="raincoat")
        st.form_submit_button("Add", icon=":material/add:", on_click=_add, args=(store, person))


def _rename_form(store: Store, categories: Sequence[Category], person: str) -> None:
    names = {category.id: category.name for category in categories}
    with st.form("rename-category"):
        st.selectbox("Category to rename", list(names), format_func=names.__getitem__, key=CHOSEN_KEY)
        st.text_input("New name", key=NAME_KEY, max_chars=MOST_CHARACTERS)
        st.form_submit_button("Rename", icon=":material/edit:", on_click=_rename, args=(store, person))
    st.caption("Boxes keep their category under its new name. Earlier revisions keep the old name.")


def _attributes(store: Store) -> None:
    """The boxes' own attributes, chosen as a list of names."""
    known = store.categories.attributes()
    st.multiselect(
        "Attributes of boxes",
        sorted({*known, *st.session_state.get(ATTRIBUTES_KEY, ())}),
        default=known,
        key=ATTRIBUTES_KEY,
        accept_new_options=True,
        placeholder="needs_ironing",
        on_change=_choose_attributes,
        args=(store,),
        help=f"Beside {', '.join(BOX_FLAGS)}. Boxes keep an attribute that is taken out here.",
    )


def _choose_attributes(store: Store) -> None:
    try:
        chosen = store.categories.set_attributes(st.session_state[ATTRIBUTES_KEY])
        st.session_state[ATTRIBUTES_KEY] = list(chosen)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)


def _add(store: Store, person: str) -> None:
    try:
        added = store.categories.add(st.session_state[NEW_KEY], person)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        st.session_state[NEW_KEY] = ""
        flash(RESULT_KEY, f"Category {added.name} added.")


def _rename(store: Store, person: str) -> None:
    try:
        renamed = store.categories.rename(st.session_state[CHOSEN_KEY], st.session_state[NAME_KEY], person)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        st.session_state[NAME_KEY] = ""
        flash(RESULT_KEY, f"Renamed to {renamed.name}.")
