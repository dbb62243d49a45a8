"""Revisions on the page Data: make one, list them, export one in any format."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import streamlit as st

from app.components.background import shown_on
from app.text import counted, flash, literal, show_flash
from core.csv_cells import escape_formula
from core.errors import LapelError, StoreFullError
from core.progress import Progress
from core.store import Store
from core.store.exports import export_name, export_revision
from core.store.revisions import Revision
from core.threads import IMPORTS

NOTE_KEY, RESULT_KEY, FILE_KEY, WANTED_KEY = (
    "revision-note",
    "revision-result",
    "revision-file",
    "revision-wanted",
)
FORMATS = {
    "coco": "COCO (JSON)",
    "voc": "Pascal VOC (an XML file a photo)",
    "yolo": "YOLO (a text file a photo)",
    "csv": "CSV (a row a box)",
}
PARTS: dict[str, bool | None] = {
    "all photos": None,
    "without the holdout, to train on": False,
    "only the holdout, to measure on": True,
}


@dataclass(frozen=True)
class ExportRequest:
    """The revision, format and photos of an export, and which comment is the newest: those go out, too."""

    number: int
    format: str
    pictures: bool
    holdout: bool | None
    newest_comment: int = 0

    @property
    def file_name(self) -> str:
        """The file name of the download."""
        return export_name(self.number, self.format, pictures=self.pictures, holdout=self.holdout)


@dataclass(frozen=True)
class ExportFile:
    """An exported file; its folder is removed with the session.

    ``left_out`` says in sentences what of the revision is not in it.
    """

    wanted: ExportRequest
    path: Path
    home: tempfile.TemporaryDirectory[str] = field(repr=False, compare=False)
    left_out: tuple[str, ...] = ()


def prepare(store: Store, wanted: ExportRequest, progress: Progress) -> ExportFile:
    """Write the file; ``progress`` counts photos. Raises StoreError, StoreFullError."""
    home = tempfile.TemporaryDirectory(prefix="lapel-export-", ignore_cleanup_errors=True)
    path = Path(home.name) / wanted.file_name
    try:
        with path.open("wb") as out:
            exported = export_revision(
                store,
                wanted.number,
                wanted.format,
                out,
                pictures=wanted.pictures,
                holdout=wanted.holdout,
                progress=progress,
            )
    except OSError as error:
        raise StoreFullError(f"The file could not be written: {error.strerror}.") from error
    return ExportFile(wanted, path, home, exported.left_out)


def show(store: Store, person: str) -> None:
    """Create, list and export."""
    _create_form(store, person)
    revisions = store.revisions.all()
    if not revisions:
        st.info(
            "No revision yet. A revision is an immutable snapshot of all annotations with a digest, so that "
            "a model trained on it can be traced back.",
            icon=":material/bookmark:",
        )
        return
    list_side, export_side = st.columns([3, 2], gap="large")
    with list_side:
        _table(revisions)
    with export_side:
        _export(store, revisions)


def _create_form(store: Store, person: str) -> None:
    show_flash(RESULT_KEY)
    annotated = store.annotations.annotated_count()
    with st.form("make-revision"), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Note", key=NOTE_KEY, max_chars=300, placeholder="before the spring sale")
        st.form_submit_button(
            "Create revision",
            icon=":material/bookmark_add:",
            type="primary",
            disabled=not annotated,
            on_click=_create,
            args=(store, person),
        )
    if annotated:
        st.caption(f"It will hold the latest boxes of {counted(annotated, 'annotated photo')}.")
    else:
        st.caption("Nothing is annotated yet: annotate some photos, or import a dataset.")


def _create(store: Store, person: str) -> None:
    before = {revision.number for revision in store.revisions.all()}
    try:
        made = store.revisions.create(person, st.session_state[NOTE_KEY])
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    st.session_state[NOTE_KEY] = ""
    what = f"{counted(made.photos, 'photo')} with {counted(made.boxes, 'box', 'boxes')}"
    sentence = (
        f"Nothing has changed since revision {made.number}."
        if made.number in before
        else f"Revision {made.number} holds {what}."
    )
    flash(RESULT_KEY, sentence)


def _table(revisions: Sequence[Revision]) -> None:
    with IMPORTS:
        import pandas as pd

    newest_first = sorted(revisions, key=lambda revision: -revision.number)
    st.dataframe(
        pd.DataFrame(
            {
                "Revision": [revision.number for revision in newest_first],
                "Made": [datetime.fromtimestamp(revision.at).astimezone() for revision in newest_first],
                "By": [escape_formula(revision.by) for revision in newest_first],
                "Photos": [revision.photos for revision in newest_first],
                "Boxes": [revision.boxes for revision in newest_first],
                "Note": [escape_formula(revision.note) for revision in newest_first],
                "Digest": [revision.digest[:12] for revision in newest_first],
            }
        ),
        hide_index=True,
        column_config={"Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")},
        alt=f"{len(newest_first)} revisions, the newest first",
    )


def _export(store: Store, revisions: Sequence[Revision]) -> None:
    st.markdown("**Export**")
    numbers = sorted((revision.number for revision in revisions), reverse=True)
    number = st.selectbox("Revision", numbers, key="export-number")
    format = st.selectbox("Format", list(FORMATS), format_func=FORMATS.__getitem__, key="export-format")
    part = st.selectbox("Photos", list(PARTS), key="export-part")
    pictures = st.toggle("With the pictures", key="export-pictures")
    wanted = ExportRequest(
        int(number), format, bool(pictures), PARTS[part], store.photo_notes.newest_comment()
    )
    ready: ExportFile | None = st.session_state.get(FILE_KEY)
    if ready is not None and ready.wanted == wanted:
        _download(ready)
        return
    st.button(
        "Prepare the file",
        icon=":material/folder_zip:",
        type="primary",
        key="export-prepare",
        on_click=_request,
        args=(wanted,),
    )
    if st.session_state.get(WANTED_KEY) == wanted:
        _prepare(store, wanted)


def _request(wanted: ExportRequest) -> None:
    """Request the export from the next run; an interrupted run, as by a job that ends, starts it again."""
    st.session_state[WANTED_KEY] = wanted


def _prepare(store: Store, wanted: ExportRequest) -> None:
    bar = st.progress(0.0, text="Preparing the file…")
    try:
        st.session_state[FILE_KEY] = prepare(store, wanted, shown_on(bar, "Preparing the file: {share:.0%}"))
    except LapelError as error:
        bar.empty()
        st.error(literal(str(error)), icon=":material/error:")
        del st.session_state[WANTED_KEY]
        return
    del st.session_state[WANTED_KEY]
    st.rerun()


def _download(ready: ExportFile) -> None:
    size = ready.path.stat().st_size
    shown = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    st.download_button(
        f"Download {ready.wanted.file_name} ({shown})",
        ready.path.read_bytes,
        file_name=ready.wanted.file_name,
        mime="application/octet-stream",
        icon=":material/download:",
        type="primary",
        key="export-download",
        on_click="ignore",
    )
    if ready.left_out:
        st.caption("Not in this file, or otherwise than in the store:")
        st.caption("\n".join(f"- {literal(sentence)}" for sentence in ready.left_out))
