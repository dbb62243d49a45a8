"""Importing photos and datasets on the page Data: uploads or a server folder, and a report of each import."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from app.data import holdout
from app.preview.upload import received
from app.text import counted, literal, moment
from core.csv_cells import escape_formula
from core.errors import LapelError, StoreError
from core.images.containers import KINDS_IN_WORDS
from core.jobs import client
from core.store import Store
from core.store.importing import all_came
from core.store.imports import ImportRow, RefusedFile, UploadFolder, import_folders, permitted
from core.store.jobs import GOING

FORMATS = (
    "COCO, Pascal VOC and LabelImg, YOLO, CVAT's XML, VIA's and labelme's JSON, Lapel's CSV, DeepFashion and "
    "DeepFashion2, in the folders that Ultralytics, Roboflow, FiftyOne, CVAT and Label Studio write"
)
ROUND_KEY, PATH_KEY, PROBLEM_KEY = "import-round", "import-path", "import-problem"
LISTED = 10
FOLLOW_SECONDS = 2.0
STATES = {
    "waiting": "waiting",
    "running": "running",
    "done": "done",
    "failed": "stopped by an error",
    "cancelled": "cancelled",
}


def show(store: Store, person: str) -> None:
    """Upload, server folder, and the reports of earlier imports."""
    files_side, folder_side = st.columns(2, gap="large")
    with files_side:
        st.subheader("Files")
        _uploader(store, person)
    with folder_side:
        st.subheader("Server folder")
        _folder(store, person)
    st.caption(
        f"Annotations beside the photos are imported: {FORMATS}. Annotations alone annotate photos "
        "that are stored already, by name. The report names every file and box that did not come. New "
        "categories are added. 15 % of the photos, by content, become the holdout."
    )
    problem = st.session_state.pop(PROBLEM_KEY, "")
    if problem:
        st.error(literal(problem), icon=":material/error:")
    _reports(store)


def _uploader(store: Store, person: str) -> None:
    key = f"import-files-{st.session_state.setdefault(ROUND_KEY, 0)}"  # a fresh one after every drop
    st.file_uploader(
        "Drop photos, annotation files, or zips of them",
        accept_multiple_files=True,
        key=key,
        on_change=_import_uploads,
        args=(store, person, key),
        help=f"Photos: {KINDS_IN_WORDS}. A dataset in folders goes in as a zip. Photos "
        "are stored without the location and date in them.",
    )


def _folder(store: Store, person: str) -> None:
    with st.form("import-folder", border=False):
        st.text_input(
            "Path on the machine that Lapel runs on",
            key=PATH_KEY,
            placeholder="/photos/spring",
            help="The folder is read, never changed. An annotation file or a zip may be named too. "
            f"What is named has to lie in {literal(', '.join(map(str, import_folders())))}; the variable "
            "`LAPEL_IMPORT_FOLDERS` allows other places.",
        )
        st.form_submit_button(
            "Import", icon=":material/drive_folder_upload:", on_click=_import_folder, args=(store, person)
        )


def _import_uploads(store: Store, person: str, key: str) -> None:
    files = received(key)
    if not files:
        return
    st.session_state[ROUND_KEY] += 1
    named = files[0][0] if len(files) == 1 else counted(len(files), "uploaded file")
    try:
        folder = UploadFolder.of(store.folder).stage(files)
        client.start_import(store, store.imports.begin(named, person, str(folder)))
    except LapelError as error:
        st.session_state[PROBLEM_KEY] = str(error)


def _import_folder(store: Store, person: str) -> None:
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
    """The latest imports, the newest expanded; those that run are followed."""
    going = any(row.state in GOING for row in store.imports.recent(LISTED))
    st.fragment(_listed, run_every=FOLLOW_SECONDS if going else None)(store, going)


def _listed(store: Store, followed: bool) -> None:
    recent = store.imports.recent(LISTED)
    if followed and not any(row.state in GOING for row in recent):
        st.rerun()
    if not recent:
        st.info("Imports are listed here, with the files that were refused and why.", icon=":material/list:")
        return
    st.subheader("Imports")
    for place, row in enumerate(recent):
        state = "" if row.state == "done" else f" · {STATES.get(row.state, row.state)}"
        with st.expander(
            f"{literal(row.source)} · {summary(row.counts)}{state}",
            expanded=place == 0,
            key=f"import-{row.id}",
        ):
            _report(store, row)


def contents(row: ImportRow) -> str:
    """What an import's photos came to, so far where it still runs (Markdown)."""
    listed = "\n".join(f"- {sentence}" for sentence in outcomes(row.counts))
    if row.state == "waiting":
        return listed or "It waits for the worker."
    if row.state == "running":
        total = f" of {row.total:,}" if row.total else ""
        return f"{row.done:,}{total} files so far.\n\n{listed}".strip()
    if row.state in ("cancelled", "failed") and row.total:
        return f"{row.done:,} of {row.total:,} files were done before it ended.\n\n{listed}".strip()
    return listed or "Nothing was imported."


def _report(store: Store, row: ImportRow) -> None:
    st.caption(f"Import {row.id}, by {literal(row.by)} on {moment(row.at)}.")
    if row.message:
        st.text(row.message)
    if row.state in ("failed", "cancelled"):
        st.button(
            "Resume",
            icon=":material/play_arrow:",
            key=f"resume-{row.id}",
            on_click=_resume,
            args=(store, row.id),
        )
    st.markdown(contents(row))
    if row.state == "done":
        fell = holdout.of_import(store, row)
        if fell:
            st.caption(f"{fell} {holdout.need(store)}")
    if row.state == "done" and row.total:
        if all_came(row.counts):
            st.success(verdict(row.counts))
        else:
            st.warning("Not everything came; the table says what, and why.", icon=":material/warning:")
    refusals = store.imports.refusals(row.id)
    if not refusals:
        return
    st.dataframe(
        {
            "File or photo": [escape_formula(refused.name) for refused in refusals],
            "What happened": [refused.reason for refused in refusals],
        },
        hide_index=True,
        key=f"refusals-{row.id}",
        alt=f"{counted(len(refusals), 'entry', 'entries')} of the report: what did not come, and remarks",
    )
    st.download_button(
        "Download as CSV",
        refusals_csv(refusals),
        f"import-report-{row.id}.csv",
        "text/csv",
        icon=":material/download:",
        key=f"refused-csv-{row.id}",
        on_click="ignore",
    )


def server_folder(text: str) -> Path:
    """The folder or file that was named, as an absolute path.

    Raises StoreError where there is none, AccessError where imports may not read.
    """
    named = text.strip().strip("\"'")
    if not named:
        raise StoreError("Name the folder to import photos from.")
    return permitted(Path(named))


def outcomes(counts: Mapping[str, int]) -> list[str]:
    """A sentence for each outcome of an import's files."""
    said = [
        _new(counts.get("new", 0)),
        _near(counts.get("near", 0)),
        _annotated(counts),
        _unchanged(counts),
        _exact(counts.get("exact", 0)),
        _holdout(counts.get("holdout", 0)),
        _refused(counts.get("refused", 0)),
        _unread(counts.get("unread", 0)),
        _dropped(counts.get("dropped", 0)),
    ]
    return [sentence for sentence in said if sentence]


def verdict(counts: Mapping[str, int]) -> str:
    """Of an import that lost nothing."""
    is_news = any(counts.get(kind) for kind in ("new", "near", "annotated"))
    return ("Everything came" if is_news else "Everything was there already") + (
        "; see the remarks." if counts.get("remarks") else "."
    )


def summary(counts: Mapping[str, int]) -> str:
    """The same in a few words, for a line of a list."""
    came = counts.get("new", 0) + counts.get("near", 0)
    known = counts.get("exact", 0) + counts.get("holdout", 0)
    parts = [f"{counted(came, 'photo')} imported"]
    parts += [f"{known:,} known already"] if known else []
    parts += [f"{counts['refused']:,} refused"] if counts.get("refused") else []
    parts += [f"{counts['unread']:,} not read"] if counts.get("unread") else []
    parts += [f"{counted(counts['dropped'], 'box', 'boxes')} lost"] if counts.get("dropped") else []
    return " · ".join(parts)


def refusals_csv(refusals: Sequence[RefusedFile]) -> str:
    """The refused files as CSV; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["file", "reason"])
    writer.writerows([escape_formula(refused.name), escape_formula(refused.reason)] for refused in refusals)
    return out.getvalue()


def _new(number: int) -> str:
    return f"{counted(number, 'photo')} imported." if number else ""


def _near(number: int) -> str:
    if not number:
        return ""
    noun = "near duplicate" if number == 1 else "near duplicates"
    return f"{number:,} more {noun} of stored photos imported; each names its original."


def _annotated(counts: Mapping[str, int]) -> str:
    """Photos that came with annotations, and what these hold; older imports counted the photos alone."""
    number, negatives = counts.get("annotated", 0), counts.get("negatives", 0)
    if not number:
        return ""
    boxes = counts.get("boxes")
    if boxes is None:
        return f"{counted(number, 'photo')} imported with boxes."
    held = counted(boxes, "box", "boxes")
    if counts.get("categories"):
        held += f" of {counted(counts['categories'], 'category', 'categories')}"
    empty = f"; {counted(negatives, 'photo')} annotated as showing nothing" if negatives else ""
    return f"{counted(number, 'photo')} imported with annotations: {held}{empty}."


def _unchanged(counts: Mapping[str, int]) -> str:
    """Photos that have the annotation that came already."""
    number = counts.get("unchanged", 0)
    if not number:
        return ""
    held = counted(counts.get("already_there", 0), "box", "boxes")
    return f"{counted(number, 'photo')} had the same annotations already: {held}."


def _exact(number: int) -> str:
    if not number:
        return ""
    verb = "photo is" if number == 1 else "photos are"
    return f"{number:,} {verb} stored already, byte for byte, and not stored twice."


def _holdout(number: int) -> str:
    if not number:
        return ""
    verb = "photo is a copy" if number == 1 else "photos are copies"
    return f"{number:,} {verb} of holdout photos and not stored: models must not be trained on them."


def _refused(number: int) -> str:
    return (
        f"{counted(number, 'file')} {'was' if number == 1 else 'were'} refused, as listed." if number else ""
    )


def _unread(number: int) -> str:
    verb = "was" if number == 1 else "were"
    return f"{counted(number, 'annotation file')} {verb} not read, as listed." if number else ""


def _dropped(number: int) -> str:
    verb = "was" if number == 1 else "were"
    return f"{counted(number, 'box', 'boxes')} {verb} left out, as listed." if number else ""
