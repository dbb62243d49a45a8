"""The labeler that all pages share: loaded once a process."""

from __future__ import annotations

import streamlit as st

from core.labeler import Labeler


@st.cache_resource(show_spinner="Loading the models…")
def labeler() -> Labeler:
    """The labeler with the weights that ship; raises WeightsError where they are missing or damaged."""
    return Labeler.load()
