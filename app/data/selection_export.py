"""Chosen photos as a file: at once where they are few, prepared in the background where they are many."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from app.data.background_actions import BackgroundActions, PreparedFile, background_actions
from app.data.selection import Selection
from app.text import counted
from core.errors import StoreFullError
from core.progress import Progress
from core.store import Store
from core.store.exports import export_chosen, export_name
from core.store.search import MOST_IDS, PhotoQuery

FORMATS = {"coco": "COCO", "csv": "CSV"}


def export_form(store: Store, selection: Selection, person: str) -> None:
    """Downloads of the newest boxes of the chosen photos."""
    with st.popover("Export", icon=":material/download:", key="export-open"):
        photo_ids = selection.photo_ids()
        if len(photo_ids) > MOST_IDS:
            _prepare_form(store, selection, len(photo_ids), person)
            return
        ids = tuple(photo_ids.tolist())
        annotated = store.search.count(PhotoQuery(ids=ids, state="annotated"))
        left = len(ids) - annotated
        rest = f"; {counted(left, 'photo')} without annotation left out." if left else "."
        st.caption(f"The newest boxes of {counted(annotated, 'annotated photo')}{rest}")
        for format, name in FORMATS.items():
            st.download_button(
                name,
                partial(_exported, store, ids, format),
                file_name=export_name(0, format),
                mime="application/octet-stream",
                icon=":material/download:",
                key=f"chosen-{format}",
                disabled=not annotated,
                on_click="ignore",
            )


def _exported(store: Store, ids: tuple[int, ...], format: str) -> bytes:
    out = io.BytesIO()
    export_chosen(store, ids, format, out)
    return out.getvalue()


def _prepare_form(store: Store, selection: Selection, count: int, person: str) -> None:
    actions = background_actions(store, person)
    st.caption(f"The newest boxes of those of {counted(count, 'photo')} that are annotated.")
    for format, name in FORMATS.items():
        st.button(
            f"Prepare {name}",
            icon=":material/folder_zip:",
            key=f"prepare-{format}",
            on_click=_prepare,
            args=(store, actions, selection, format),
        )
    ready = actions.file
    if ready is not None:
        st.download_button(
            f"Download {ready.path.name}",
            ready.path.read_bytes,
            file_name=ready.path.name,
            mime="application/octet-stream",
            icon=":material/download:",
            type="primary",
            key="chosen-download",
            on_click="ignore",
            help=f"{counted(ready.photos, 'photo')}, as they were when the file was prepared.",
        )


def _prepare(store: Store, actions: BackgroundActions, selection: Selection, format: str) -> None:
    def job(progress: Progress) -> PreparedFile:
        photo_ids = selection.photo_ids()
        home = tempfile.TemporaryDirectory(prefix="lapel-export-", ignore_cleanup_errors=True)
        path = Path(home.name) / export_name(0, format)
        try:
            with path.open("wb") as out:
                exported = export_chosen(store, photo_ids, format, out, progress=progress)
        except OSError as error:
            raise StoreFullError(f"The file could not be written: {error.strerror}.") from error
        return PreparedFile(path, exported.photos, home)

    def result_text(made: PreparedFile) -> str:
        actions.file = made
        return f"{made.path.name} with {counted(made.photos, 'photo')} is ready: download it under Export."

    actions.begin("Exporting", job, result_text)
