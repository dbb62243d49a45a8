"""What the holdout holds so far, and what the promotion gate needs of it, in sentences."""

from __future__ import annotations

import streamlit as st

from app.navigation import holdout_link
from app.text import counted
from core.evaluation.gate import MIN_PHOTOS
from core.store import Store
from core.store.imports import ImportRow
from core.store.search import PhotoQuery


def need(store: Store) -> str:
    """How many annotated holdout photos the gate still needs to say anything; empty where it has enough."""
    held = store.photos.count(holdout=True)
    annotated = store.search.count(PhotoQuery(part="holdout", state="annotated"))
    if annotated >= MIN_PHOTOS:
        return ""
    return (
        f"The promotion gate needs {MIN_PHOTOS} annotated holdout photos or more, and {annotated:,} of "
        f"{counted(held, 'holdout photo')} "
        f"{'is' if held == 1 else 'are'} annotated: until then it lets no candidate pass."
    )


def of_import(store: Store, row: ImportRow) -> str:
    """How many photos of an import fell to the holdout; empty where it brought none."""
    came = store.search.count(PhotoQuery(import_id=row.id))
    if not came:
        return ""
    held = store.search.count(PhotoQuery(import_id=row.id, part="holdout"))
    return f"{held:,} of {counted(came, 'photo')} fell to the holdout, which models are measured on."


def show_need(store: Store) -> None:
    """The sentence of :func:`need` with a link to the holdout photos that wait for an annotation."""
    sentence = need(store)
    if sentence:
        st.caption(sentence)
        holdout_link()
