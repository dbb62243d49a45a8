"""The counts of all annotations, counted once for all pages until something changes."""

from __future__ import annotations

import streamlit as st

from core.store import Store
from core.store.statistics import Statistics, count_up, state_of


def statistics_of(store: Store) -> Statistics:
    """The counts as they are now."""
    return _counted(store, str(store.database.engine.url), state_of(store))


@st.cache_resource(max_entries=2, show_spinner="Counting…")
def _counted(_store: Store, url: str, state: tuple[int, int, int]) -> Statistics:
    return count_up(_store)
