"""The labeler that all pages share: loaded once a process."""

from __future__ import annotations

import gc

import streamlit as st

from core.labeler import Labeler


@st.cache_resource(show_spinner="Loading the models…")
def labeler() -> Labeler:
    """The labeler with the weights that ship; raises WeightsError where they are missing or damaged."""
    loaded = Labeler.load()
    set_aside_what_stays()
    return loaded


def set_aside_what_stays() -> None:
    """Keep the libraries' objects out of garbage collection.

    Streamlit collects all garbage after every run of a page. With PyTorch and pandas in memory that takes a
    third of a second, during which no photo is labelled and no click is answered; without them, milliseconds.
    """
    gc.collect()
    gc.freeze()
