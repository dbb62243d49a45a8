"""Resources that all pages share, loaded once per process: the store, and the labeler with the champions."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import streamlit as st

from app.auth.projects import current_project
from app.worker_process import WORKERS
from core.access import LOCAL
from core.errors import NotFoundError, StoreError
from core.files import data_folder
from core.store import DATABASE_VARIABLE, Store
from core.store.projects import open_chosen
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.labeler import Labeler
    from core.inference.model_cache import ModelCache


def machine_store(project: str | None = None) -> Store:
    """The store with every right, for the workspace's own needs such as loading models.

    It is that of a project, by default of the page's (see :func:`current_project`), in the data folder or at
    ``LAPEL_DATABASE_URL`` where that is set. Raises StoreError with one sentence where it cannot be opened,
    NotFoundError for no such project.
    """
    slug = current_project() if project is None else project
    return _opened(os.environ.get(DATABASE_VARIABLE), str(data_folder()), slug)


@st.cache_resource(show_spinner="Opening the store…")
def _opened(url: str | None, folder: str, project: str) -> Store:
    """One store for each project of the places that the environment names."""
    store = open_chosen(slug=project)
    WORKERS.start(project)
    return store


_WARNINGS: WeakKeyDictionary[Labeler, tuple[str, ...]] = WeakKeyDictionary()


def labeler() -> Labeler:
    """The labeler with the current champions; a promotion takes effect at the next call.

    Without a store, those that ship. Raises WeightsError where none can be loaded.
    """
    try:
        store = machine_store()
    except NotFoundError:
        raise
    except StoreError as error:
        shipped = _shipped_labeler()
        _WARNINGS[shipped] = (f"{error} The models that ship label meanwhile.",)
        return shipped
    return labeler_of(store)


def labeler_of(store: Store) -> Labeler:
    """The labeler with a store's current champions, for work outside a page's run. Raises WeightsError."""
    store = store.acting(LOCAL)
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
