"""The labeler that all pages share: the champions, loaded once a process and again after a promotion."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import streamlit as st

from app.machine_store import machine_store
from app.memory import set_aside_what_stays
from core.errors import StoreError
from core.labeler import Labeler
from core.learning.serving import Keeper
from core.store import Store

__all__ = ["labeler", "set_aside_what_stays", "warnings_of"]

_WARNINGS: WeakKeyDictionary[Labeler, tuple[str, ...]] = WeakKeyDictionary()


def labeler() -> Labeler:
    """The models that serve now: a promotion is followed at the next call.

    Without a store, those that ship. Raises WeightsError where none can be loaded.
    """
    try:
        store = machine_store()
    except StoreError as error:
        shipped = _shipped()
        _WARNINGS[shipped] = (f"{error} The models that ship label meanwhile.",)
        return shipped
    serving = _keeper(f"{store.database.engine.url} {store.folder}", store).current()
    _WARNINGS[serving.labeler] = serving.warnings
    return serving.labeler


def warnings_of(labeler: Labeler) -> tuple[str, ...]:
    """Sentences on why others than the champions serve; none where all is as it should be."""
    return _WARNINGS.get(labeler, ())


@st.cache_resource(show_spinner="Loading the models…")
def _keeper(place: str, _store: Store) -> Keeper:
    """One keeper for each store."""
    keeper = Keeper(_store)
    keeper.current()
    set_aside_what_stays()
    return keeper


@st.cache_resource(show_spinner="Loading the models…")
def _shipped() -> Labeler:
    loaded = Labeler.load()
    set_aside_what_stays()
    return loaded
