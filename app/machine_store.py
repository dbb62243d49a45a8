"""The store that all pages of a workspace share, opened once a process: as the machine itself uses it."""

from __future__ import annotations

import os

import streamlit as st

from core.store import DATABASE_VARIABLE, Store, data_folder


def machine_store() -> Store:
    """The store for the workspace's own needs, such as loading models: it may do all, in nobody's name.

    It is that of the data folder, or of ``LAPEL_DATABASE_URL`` where that is set. Raises StoreError with one
    sentence where it cannot be opened.
    """
    return _opened(os.environ.get(DATABASE_VARIABLE), str(data_folder()))


@st.cache_resource(show_spinner="Opening the store…")
def _opened(url: str | None, folder: str) -> Store:
    """One store for each place that the environment names; Store.open reads the same places."""
    return Store.open()
