"""Bringing photos and datasets in on the page Data: where they come from, and what became of them."""

from __future__ import annotations

import streamlit as st

from app.data.incoming import server_folder, stage
from app.data.outcomes import STATES, outcomes, refusals_csv, summary
from app.preview.upload import received
from app.text import counted, literal, moment
from core.datasets.export import neutral
from core.errors import LapelError
from core.jobs import client
from core.store import Store
from core.store.imports import ImportRow, Incoming, import_folders

FORMATS = (
    "COCO (a JSON file beside the folder photos/ or images/), Pascal VOC or LabelImg (XML files), YOLO "
    "(data.yaml or classes.txt with labels/), DeepFashion2 (annos/ and image/) and DeepFashion's lists"
)
ROUND_KEY, PATH_KEY, PROBLEM_KEY = "import-round", "import-path", "import-problem"
LISTED = 10


def show(store: Store, person: str) -> None:
    """The two ways in, and the report of what came before."""
    files_side, folder_side = st.columns(2, gap="large")
    with files_side:
        st.subheader("Files")
        _uploader(store, person)
    with folder_side:
        st.subheader("A folder on the server")
        _folder(store, person)
    st.caption(
        f"Annotations are taken along where they lie beside the photos: {FORMATS}. Categories that are not "
        "here yet are added. 15 % of the photos, by content, become the holdout."
    )
    problem = st.session_state.pop(PROBLEM_KEY, "")
    if problem:
        st.error(literal(problem), icon=":material/error:")
    _reports(store)


def _uploader(store: Store, person: str) -> None:
    key = f"import-files-{st.session_state.setdefault(ROUND_KEY, 0)}"  # a fresh one after every drop
    st.file_uploader(
        "Drop photos, zips of them, or a data set as a zip",
        accept_multiple_files=True,
        key=key,
        on_change=_take_uploads,
        args=(store, person, key),
        help="JPEG, PNG or WebP. Photos are stored without the place and date in them.",
    )


def _folder(store: Store, person: str) -> None:
    with st.form("import-folder", border=False):
        st.text_input(
            "Path on the machine that Lapel runs on",
            key=PATH_KEY,
            placeholder="/photos/spring",
            help="The folder is read, never changed. A COCO file, a data.yaml or a zip may be named too. "
            f"What is named has to lie in {literal(', '.join(map(str, import_folders())))}; the variable "
            "`LAPEL_IMPORT_FOLDERS` allows other places.",
        )
        st.form_submit_button(
            "Bring it in", icon=":material/drive_folder_upload:", on_click=_take_folder, args=(store, person)
        )


def _take_uploads(store: Store, person: str, key: str) -> None:
    files = received(key)
    if not files:
        return
    st.session_state[ROUND_KEY] += 1
    named = files[0][0] if len(files) == 1 else counted(len(files), "uploaded file")
    try:
        folder = stage(files, Incoming.of(store.folder).folder)
        client.start_import(store, store.imports.begin(named, person, str(folder)))
    except LapelError as error:
        st.session_state[PROBLEM_KEY] = str(error)


def _take_folder(store: Store, person: str) -> None:
    try:
        path = server_folder(st.session_state[PATH_KEY])
        client.start_import(store, store.imports.begin(str(path), person, str(path)))
        st.session_state[PATH_KEY] = ""
    except LapelError as error:
        st.session_state[PROBLEM_KEY] = str(error)


def _resume(store: Store, import_id: int) -> None:
    try:
        client.resume(store, client.start_import(store, import_id))
    except LapelError as error:
        st.session_state[PROBLEM_KEY] = str(error)


def _reports(store: Store) -> None:
    """What became of the latest imports, the newest open."""
    recent = store.imports.recent(LISTED)
    if not recent:
        st.info("What was brought in, and what was refused and why, is listed here.", icon=":material/list:")
        return
    st.subheader("What came in")
    for place, row in enumerate(recent):
        state = "" if row.state == "done" else f" · {STATES.get(row.state, row.state)}"
        with st.expander(
            f"{literal(row.source)} · {summary(row.counts)}{state}",
            expanded=place == 0,
            key=f"import-{row.id}",
        ):
            _report(store, row)


def _report(store: Store, row: ImportRow) -> None:
    st.caption(f"Import {row.id}, by {literal(row.by)} on {moment(row.at)}.")
    if row.message:
        st.text(row.message)
    if row.state in ("failed", "cancelled"):
        st.button(
            "Go on with it",
            icon=":material/play_arrow:",
            key=f"resume-{row.id}",
            on_click=_resume,
            args=(store, row.id),
        )
    st.text("\n".join(outcomes(row.counts)) or "Nothing has come in.")
    refusals = store.imports.refusals(row.id)
    if not refusals:
        return
    st.dataframe(
        {
            "File": [neutral(refused.name) for refused in refusals],
            "Why": [refused.reason for refused in refusals],
        },
        hide_index=True,
        key=f"refusals-{row.id}",
        alt=f"{len(refusals)} refused files with the reason for each",
    )
    st.download_button(
        "Download as CSV",
        refusals_csv(refusals),
        f"refused-{row.id}.csv",
        "text/csv",
        icon=":material/download:",
        key=f"refused-csv-{row.id}",
        on_click="ignore",
    )
