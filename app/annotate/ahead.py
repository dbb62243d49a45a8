"""The photo that comes next: its picture fetched, and boxes found, while a person still works on this one."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from app.annotate.sight import sight
from core.errors import LapelError
from core.store import Store


def look_ahead(store: Store, desk: Desk, pictures: Pictures) -> None:
    """Have the browser load what this person will probably see next, unseen, and the models look at it."""
    if desk.opened is None:
        return
    if desk.ahead is None or desk.ahead[0] != desk.opened.key:
        desk.ahead = desk.opened.key, store.queue.upcoming(desk.person)
    photo_id = desk.ahead[1]
    if photo_id is None:
        return
    with suppress(LapelError):  # the photo may be gone by now, and nobody has asked for it
        sight().ask(store, photo_id)
        url = pictures.url(photo_id, "annotate/ahead")
        st.html(
            f'<img src="{url}" alt="" aria-hidden="true" width="1" height="1" '
            'style="position: absolute; opacity: 0">'
        )
