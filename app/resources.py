"""The store that all pages of a workspace share, opened once a process: as the machine itself uses it.

The labeler that all pages share: the champions, loaded once a process and again after a promotion.

What the process keeps for good, and need not be looked through again and again.
"""

from __future__ import annotations

import gc
import os
from weakref import WeakKeyDictionary

import streamlit as st

from core.errors import StoreError
from core.inference.labeler import Labeler
from core.inference.model_cache import ModelCache
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
    serving = _model_cache(f"{store.database.engine.url} {store.folder}", store).current()
    _WARNINGS[serving.labeler] = serving.warnings
    return serving.labeler


def warnings_of(labeler: Labeler) -> tuple[str, ...]:
    """Sentences on why others than the champions serve; none where all is as it should be."""
    return _WARNINGS.get(labeler, ())


@st.cache_resource(show_spinner="Loading the models…")
def _model_cache(place: str, _store: Store) -> ModelCache:
    """One model cache for each store."""
    cache = ModelCache(_store)
    cache.current()
    set_aside_what_stays()
    return cache


@st.cache_resource(show_spinner="Loading the models…")
def _shipped() -> Labeler:
    loaded = Labeler.load()
    set_aside_what_stays()
    return loaded


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
