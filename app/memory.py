"""What the process keeps for good, and need not be looked through again and again."""

from __future__ import annotations

import gc

import streamlit as st


def set_aside_what_stays() -> None:
    """Keep the libraries' objects out of garbage collection.

    Streamlit collects all garbage after every run of a page, before what the run drew has left the process.
    With the store's libraries in memory that takes a tenth of a second, with PyTorch and pandas a third,
    during which no photo is labelled and no click is answered; without them, milliseconds.
    """
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False)
def set_aside_once() -> bool:
    """The same, at the first run of a page that answers often."""
    set_aside_what_stays()
    return True
