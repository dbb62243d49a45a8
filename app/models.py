"""The labeler that all pages share: loaded once a process."""

from __future__ import annotations

import streamlit as st

from app.memory import set_aside_what_stays
from core.labeler import Labeler

__all__ = ["labeler", "set_aside_what_stays"]


@st.cache_resource(show_spinner="Loading the models…")
def labeler() -> Labeler:
    """The labeler with the weights that ship; raises WeightsError where they are missing or damaged."""
    loaded = Labeler.load()
    set_aside_what_stays()
    return loaded
