"""The page Attention: what is looked at, by which models, and in which view."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import resources
from app.attention import models, subject
from app.attention.detector_views import show_box_attribution, show_simam
from app.attention.faithfulness_view import show_faithfulness
from app.attention.garment_views import show_activation, show_heads
from app.attention.link import begin, key_of, remember
from app.attention.models import Choice
from app.attention.subject import DROPPED, Subject
from app.auth.identity import page_title, workspace_store
from app.preview import upload
from app.preview.session import preview_session
from app.text import literal
from core.errors import LapelError, StoreError
from core.store import Store

View = Callable[[Subject, Sequence[Choice]], object]
VIEWS: dict[str, tuple[str, str, bool, View]] = {
    "heads": ("Attention heads", "classifier", True, show_heads),
    "labels": ("Class activation", "classifier", True, show_activation),
    "simam": ("SimAM", "detector", False, show_simam),
    "why": ("Why this box", "detector", True, show_box_attribution),
    "faithfulness": ("Faithfulness", "classifier", True, show_faithfulness),
}
"""By their name in the address: title, the kind of model, whether a garment is needed, and the view."""


def show() -> None:
    """The whole page. Raises LapelError with a sentence where it cannot be shown."""
    session, store = preview_session(), _store()
    source = st.session_state.get(key_of("from"), st.query_params.get("from"))
    if source == DROPPED or (source is None and (session.batch is not None or session.incoming)):
        upload.show(session, "Attention")
    else:
        page_title("Attention")
    labeler = resources.labeler()
    source = subject.choose_source(session, stored=subject.may_read_store(store))
    chosen = subject.choose(source, session, labeler, store)
    if chosen is None:
        return
    view = _choose_view()
    _, kind, needs_garment, _ = VIEWS[view]
    choices = models.choose(store, kind)
    if needs_garment and chosen.garment is None:
        st.info(
            "No garment above the threshold in this photo, so there is nothing to classify. SimAM is shown "
            "of any photo.",
            icon=":material/visibility_off:",
        )
    else:
        _draw(view, chosen, choices)
    if source == DROPPED:
        st.caption(
            "A dropped photo is yours alone: save it to the store to have a link that others can open."
        )
    elif any(choice.is_file for choice in choices):
        st.caption("A weights file is in this session only: a link to this view opens without it.")
    else:
        st.caption("The address of this page opens the same view.")


@st.fragment
def _draw(view: str, chosen: Subject, choices: Sequence[Choice]) -> None:
    """One view, which runs again by itself; an error in a fragment ends there."""
    try:
        VIEWS[view][3](chosen, choices)
    except LapelError as error:
        st.error(literal(str(error)), icon=":material/error:")


def _store() -> Store | None:
    """The store as the user may use it; None where it cannot be opened: the shipped models serve then."""
    try:
        return workspace_store()
    except StoreError:
        return None


def _choose_view() -> str:
    begin("view", VIEWS, "heads")
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=lambda name: VIEWS[name][0],
        key=key_of("view"),
        required=True,
        label_visibility="collapsed",
    )
    remember(view=view)
    return view or "heads"
