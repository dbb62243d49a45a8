"""Revisions on the page Data: make one, look at those there are, take one away in any format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.data.export import FORMATS, PARTS, Prepared, Wanted, prepare
from app.text import counted, literal
from core.datasets.export import neutral
from core.errors import LapelError
from core.store import Store
from core.store.revisions import Revision

NOTE_KEY, TOLD_KEY, FILE_KEY, WANTED_KEY = (
    "revision-note",
    "revision-told",
    "revision-file",
    "revision-wanted",
)


def show(store: Store, person: str) -> None:
    """Make, list, export."""
    _making(store, person)
    revisions = store.revisions.all()
    if not revisions:
        st.info(
            "No revision yet. A revision is the data set as it stands, all annotations of today with a "
            "digest of their own. It never changes, so a model trained on it can always be traced back.",
            icon=":material/bookmark:",
        )
        return
    list_side, export_side = st.columns([3, 2], gap="large")
    with list_side:
        _listed(revisions)
    with export_side:
        _exporting(store, revisions)


def _making(store: Store, person: str) -> None:
    told = st.session_state.pop(TOLD_KEY, None)
    if told:
        kind, sentence = told
        (st.error if kind == "error" else st.success)(literal(sentence))
    annotated = store.annotations.annotated_count()
    with st.form("make-revision"), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "What is special about it", key=NOTE_KEY, max_chars=300, placeholder="before the spring sale"
        )
        st.form_submit_button(
            "Make a revision",
            icon=":material/bookmark_add:",
            type="primary",
            disabled=not annotated,
            on_click=_make,
            args=(store, person),
        )
    if annotated:
        st.caption(f"It holds the latest boxes of {counted(annotated, 'annotated photo')}.")
    else:
        st.caption("Nothing is annotated yet: correct some photos in Annotate, or bring a data set in.")


def _make(store: Store, person: str) -> None:
    before = {revision.number for revision in store.revisions.all()}
    try:
        made = store.revisions.create(person, st.session_state[NOTE_KEY])
    except LapelError as error:
        st.session_state[TOLD_KEY] = ("error", str(error))
        return
    st.session_state[NOTE_KEY] = ""
    what = f"{counted(made.photos, 'photo')} with {counted(made.boxes, 'box', 'boxes')}"
    sentence = (
        f"The same is there already, as revision {made.number}."
        if made.number in before
        else f"Revision {made.number} holds {what}."
    )
    st.session_state[TOLD_KEY] = ("success", sentence)


def _listed(revisions: Sequence[Revision]) -> None:
    newest_first = sorted(revisions, key=lambda revision: -revision.number)
    st.dataframe(
        pd.DataFrame(
            {
                "Revision": [revision.number for revision in newest_first],
                "Made": [datetime.fromtimestamp(revision.at).astimezone() for revision in newest_first],
                "By": [neutral(revision.by) for revision in newest_first],
                "Photos": [revision.photos for revision in newest_first],
                "Boxes": [revision.boxes for revision in newest_first],
                "Note": [neutral(revision.note) for revision in newest_first],
                "Digest": [revision.digest[:12] for revision in newest_first],
            }
        ),
        hide_index=True,
        column_config={"Made": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")},
        alt=f"{len(newest_first)} revisions, the newest first",
    )


def _exporting(store: Store, revisions: Sequence[Revision]) -> None:
    st.markdown("**Take one away**")
    numbers = sorted((revision.number for revision in revisions), reverse=True)
    number = st.selectbox("Revision", numbers, key="export-number")
    format = st.selectbox("Format", list(FORMATS), format_func=FORMATS.__getitem__, key="export-format")
    part = st.selectbox("Photos", list(PARTS), key="export-part")
    pictures = st.toggle("With the pictures", key="export-pictures")
    wanted = Wanted(int(number), format, bool(pictures), PARTS[part])
    ready: Prepared | None = st.session_state.get(FILE_KEY)
    if ready is not None and ready.wanted == wanted:
        _download(ready)
        return
    st.button(
        "Prepare the file",
        icon=":material/folder_zip:",
        type="primary",
        key="export-prepare",
        on_click=_ask_for,
        args=(wanted,),
    )
    if st.session_state.get(WANTED_KEY) == wanted:
        _prepare(store, wanted)


def _ask_for(wanted: Wanted) -> None:
    """Have the next run prepare it; a run that is cut off, as by a job that ends, begins again."""
    st.session_state[WANTED_KEY] = wanted


def _prepare(store: Store, wanted: Wanted) -> None:
    bar = st.progress(0.0, text="Preparing the file…")
    try:
        st.session_state[FILE_KEY] = prepare(
            store, wanted, lambda part: bar.progress(part, text=f"Preparing the file: {part:.0%}")
        )
    except LapelError as error:
        bar.empty()
        st.error(literal(str(error)), icon=":material/error:")
        del st.session_state[WANTED_KEY]
        return
    del st.session_state[WANTED_KEY]
    st.rerun()


def _download(ready: Prepared) -> None:
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
