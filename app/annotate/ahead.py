"""The picture of the photo that comes next, fetched while a person still works on this one."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from core.errors import LapelError
from core.store import Store


def look_ahead(store: Store, desk: Desk, pictures: Pictures) -> None:
    """Have the browser load the picture that this person will probably see next, out of sight."""
    if desk.opened is None:
        return
    if desk.ahead is None or desk.ahead[0] != desk.opened.key:
        desk.ahead = desk.opened.key, store.queue.upcoming(desk.person)
    photo_id = desk.ahead[1]
    if photo_id is None:
        return
    with suppress(LapelError):  # the photo may be gone by now, and nobody has asked for it
        url = pictures.url(photo_id, "annotate/ahead")
        st.html(
            f'<img src="{url}" alt="" aria-hidden="true" width="1" height="1" '
            'style="position: absolute; opacity: 0">'
        )
