"""What the page says when there is nothing to annotate, and where else there is something to do."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.annotate.opening import open_next, open_photo
from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from app.annotate.wording import clock
from app.wording import counted, literal
from core.errors import LapelError
from core.store import Store

DATA = "../pages/data.py"
APP = Path(__file__).parents[1]


def show(store: Store, desk: Desk) -> None:
    """Say why there is no photo on the desk: there are none, none is left, or none for this person."""
    if desk.said:
        st.info(literal(desk.said), icon=":material/info:")
    if not store.photos.count():
        st.info("There are no photos yet: bring some in.", icon=":material/add_photo_alternate:")
        if (APP / DATA).exists():
            st.page_link(DATA, label="Bring photos in", icon=":material/database:")
        return
    counts = store.queue.counts(desk.person)
    if not counts.open:
        st.success("All done: every photo has been annotated.", icon=":material/task_alt:")
        return
    st.info(
        f"Nothing is left for you just now: {counted(counts.open, 'photo is', 'photos are')} with others, "
        "skipped by you, or waiting for somebody else's second look.",
        icon=":material/hourglass_empty:",
    )
    with st.container(horizontal=True):
        st.button("Look again", icon=":material/refresh:", on_click=_look_again, args=(store, desk))
        st.button("Bring back what I skipped", icon=":material/undo:", on_click=_recall, args=(store, desk))


def show_unfinished(store: Store, desk: Desk, pictures: Pictures) -> None:
    """The person's drafts, each to be opened again."""
    drafts = store.drafts.of(desk.person)
    if not drafts:
        st.caption("You have no unfinished work.")
    for draft in drafts[:50]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Photo {draft.photo_id}",
                key=f"draft-{draft.photo_id}",
                on_click=open_by_button,
                args=(store, desk, draft.photo_id),
            )
            st.caption(f"{counted(len(draft.boxes), 'box', 'boxes')}, saved {clock(draft.at)}")


def open_by_button(store: Store, desk: Desk, photo_id: int) -> None:
    """Open a photo from a button's callback; what goes wrong is said on the page."""
    desk.said = ""
    try:
        open_photo(store, desk, photo_id)
        desk.started = True
    except LapelError as error:
        desk.said = str(error)


def _look_again(store: Store, desk: Desk) -> None:
    desk.said = ""
    desk.started = False


def _recall(store: Store, desk: Desk) -> None:
    try:
        store.queue.recall_skipped(desk.person)
        open_next(store, desk)
    except LapelError as error:
        desk.said = str(error)
