"""Resources that all pages share, loaded once per process: the store, and the labeler with the champions."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import streamlit as st

from core.errors import StoreError
from core.files import data_folder
from core.store import DATABASE_VARIABLE, Store
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.labeler import Labeler
    from core.inference.model_cache import ModelCache


def machine_store() -> Store:
    """The store with every right, for the workspace's own needs such as loading models.

    It is that of the data folder, or of ``LAPEL_DATABASE_URL`` where that is set. Raises StoreError with one
    sentence where it cannot be opened.
    """
    return _opened(os.environ.get(DATABASE_VARIABLE), str(data_folder()))


@st.cache_resource(show_spinner="Opening the store…")
def _opened(url: str | None, folder: str) -> Store:
    """One store for each place that the environment names; Store.open reads the same places."""
    return Store.open()


_WARNINGS: WeakKeyDictionary[Labeler, tuple[str, ...]] = WeakKeyDictionary()


def labeler() -> Labeler:
    """The labeler with the current champions; a promotion takes effect at the next call.

    Without a store, those that ship. Raises WeightsError where none can be loaded.
    """
    try:
        store = machine_store()
    except StoreError as error:
        shipped = _shipped_labeler()
        _WARNINGS[shipped] = (f"{error} The models that ship label meanwhile.",)
        return shipped
    serving = _model_cache(f"{store.database.engine.url} {store.folder}", store).current()
    _WARNINGS[serving.labeler] = serving.warnings
    return serving.labeler


def warnings_of(labeler: Labeler) -> tuple[str, ...]:
    """Why other models than the champions serve, a sentence each; empty in the normal case."""
    return _WARNINGS.get(labeler, ())


@st.cache_resource(show_spinner="Loading the models…")
def _model_cache(place: str, _store: Store) -> ModelCache:
    """One model cache for each store."""
    with IMPORTS:
        from core.inference.model_cache import ModelCache

    cache = ModelCache(_store)
    cache.current()
    freeze_garbage_collector()
    return cache


@st.cache_resource(show_spinner="Loading the models…")
def _shipped_labeler() -> Labeler:
    with IMPORTS:
        from core.inference.labeler import Labeler

    loaded = Labeler.load()
    freeze_garbage_collector()
    return loaded


def freeze_garbage_collector() -> None:
    """Exclude all objects loaded so far from garbage collection.

    A full collection holds the GIL: for a tenth of a second with the store's libraries in memory, for a third
    with PyTorch and pandas; with frozen objects, milliseconds. Python runs one when objects have grown by a
    quarter since the last; the second one here makes that a quarter of what is not frozen.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
