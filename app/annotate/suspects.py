"""Annotations that look wrong to the models: a list of photos to open and look at again."""

from __future__ import annotations

import streamlit as st

from app.annotate.empty import open_by_button
from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from app.wording import literal
from core.store import Store

MOST_SHOWN = 30


def show(store: Store, desk: Desk, pictures: Pictures) -> None:
    """The photos whose boxes are most probably wrong, the most suspicious first."""
    from core.active_learning.queue_order import suspects  # torch, which those who only draw boxes never need

    found = suspects(store)[:MOST_SHOWN]
    if not found:
        st.caption("No annotation looks wrong to the models, or none was compared with them yet.")
        return
    st.caption(
        "Where the models and the annotation differ most. Open one, and put it right or submit it as it is."
    )
    for suspect in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                literal(store.photos.get(suspect.photo_id, deleted_ok=True).name),
                key=f"suspect-{suspect.photo_id}",
                icon=":material/open_in_new:",
                on_click=open_by_button,
                args=(store, desk, suspect.photo_id),
            )
            st.caption(literal(suspect.reason))
