"""Download of the results as one zip, and the table of the shop's own category names used in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st
from PIL import Image

from app.components.background import shown_on
from app.preview.selection import PhotoView
from app.preview.session import PreviewSession
from app.text import counted, literal
from core.csv_cells import escape_formula, unescape_formula
from core.datasets.export import write_zip
from core.errors import DatasetError, LapelError, PhotoError
from core.progress import Progress
from core.threads import IMPORTS

OURS, THEIRS = "Lapel", "Your shop"
MOST_ROWS = 10_000
LONGEST_NAME = 120


def show_names(session: PreviewSession, known: Sequence[str]) -> None:
    """The editable table of names, with CSV download and import."""
    st.caption("These names replace Lapel's in the gallery, on the photos and in the download.")
    key = f"names-{session.names_edition}"
    with IMPORTS:
        import pandas as pd

    rows = pd.DataFrame({OURS: known, THEIRS: [session.names.get(name, "") for name in known]})
    st.data_editor(
        rows,
        key=key,
        hide_index=True,
        disabled=[OURS],
        column_config={THEIRS: st.column_config.TextColumn(max_chars=LONGEST_NAME)},
        on_change=save_edits,
        args=(session, key, tuple(known)),
        alt="Lapel's category names beside your shop's",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "Download names (CSV)",
            write_names(session.names, known),
            "names.csv",
            "text/csv",
            icon=":material/download:",
        )
        upload_key = f"names-file-{session.names_edition}"
        st.file_uploader(
            "Import names (CSV)",
            key=upload_key,
            on_change=import_names,
            args=(session, upload_key, tuple(known)),
        )


def write_names(names: Mapping[str, str], known: Sequence[str]) -> str:
    """The names as CSV, a row for each of Lapel's."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([OURS, THEIRS])
    writer.writerows([escape_formula(name), escape_formula(names.get(name, ""))] for name in known)
    return out.getvalue()


def read_names(data: bytes, known: Sequence[str]) -> dict[str, str]:
    """Names out of such a CSV; rows with unknown categories are left out.

    Raises DatasetError where it is not a UTF-8 table with both columns.
    """
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        if not {OURS, THEIRS} <= set(table.fieldnames or ()):
            raise DatasetError(
                f"Expected a CSV with the columns {OURS} and {THEIRS}, got {table.fieldnames}."
            )
        rows = [row for row, _ in zip(table, range(MOST_ROWS), strict=False)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError("Expected a CSV in UTF-8, got something else.") from error
    pairs = ((_written(row[OURS]), _written(row[THEIRS])) for row in rows)
    return {ours: theirs for ours, theirs in pairs if theirs and ours in known}


def _written(cell: str | None) -> str:
    """A cell's text as one line, without the quote that makes it safe for spreadsheets."""
    return " ".join(unescape_formula(cell or "").split())[:LONGEST_NAME]


def save_edits(session: PreviewSession, key: str, known: Sequence[str]) -> None:
    """Take over the names that were edited in the table ``key``, a row for each of ``known``."""
    names = dict(session.names)
    for row, cells in st.session_state[key]["edited_rows"].items():
        names[known[row]] = _written(cells.get(THEIRS))
    session.set_names({ours: theirs for ours, theirs in names.items() if theirs})


def import_names(session: PreviewSession, key: str, known: Sequence[str]) -> None:
    """Take over the names of ``known`` in the file that was uploaded under ``key``."""
    upload = st.session_state[key]
    if upload is None:
        return
    try:
        session.set_names(read_names(upload.getvalue(), known))
        session.names_edition += 1
    except DatasetError as error:
        session.notice = str(error)


FILE_NAME = "lapel.zip"
PHOTOS_KEY = "download-photos"
LEAST_SQUARE, SQUARE, MOST_SQUARE = 64, 1000, 4096
"""Pixels a side of square crops: the least, the usual, the most."""


def show_download(session: PreviewSession, photos: Sequence[PhotoView], categories: Sequence[str]) -> None:
    """The button that prepares the zip, then the download button; ``categories`` give the class ids."""
    garments = sum(len(view.garments) for view in photos)
    st.caption(
        f"{counted(len(photos), 'photo')} with {counted(garments, 'garment')} above the threshold: "
        "CSV (a row per garment), JSON lines, Pascal VOC, COCO and YOLO files, and the garments' crops."
    )
    with_photos = st.toggle(
        "With the photos",
        value=True,
        key=PHOTOS_KEY,
        help="Upright JPEG files in yolo/images/, so that the YOLO files train as they are.",
    )
    square = _square(session)
    state = fingerprint(photos, session.names, with_photos, square)
    if session.zip_requested:
        session.zip_requested = False
        path = _prepare(session, photos, categories, with_photos, square)
        session.archive = None if path is None else (state, path)
    if session.archive is None or session.archive[0] != state:
        st.button(
            "Prepare the zip",
            icon=":material/folder_zip:",
            type="primary",
            key="prepare",
            on_click=session.request_zip,
        )
        return
    path = session.archive[1]
    # Read when it is clicked: the server need not hold the zip in memory meanwhile.
    st.download_button(
        f"Download the zip ({path.stat().st_size / 1e6:.1f} MB)",
        path.read_bytes,
        file_name=FILE_NAME,
        mime="application/zip",
        icon=":material/download:",
        type="primary",
        key="download",
        on_click="ignore",
    )


def _square(session: PreviewSession) -> int:
    """Pixels a side of square crops; 0 for crops as they are."""
    kept = session.draft.settings.get("square")
    kept = kept if isinstance(kept, int) and 0 <= kept <= MOST_SQUARE else 0
    on = st.toggle(
        "Square crops on white",
        value=bool(kept),
        key="download-square",
        help="Each garment in the middle of a white square, as shops show them.",
    )
    side = SQUARE
    if on:
        side = int(
            st.number_input(
                "Pixels a side", LEAST_SQUARE, MOST_SQUARE, kept or SQUARE, 50, key="download-square-side"
            )
        )
    chosen = side if on else 0
    if chosen != kept:
        session.set("square", chosen)
    return chosen


def _prepare(
    session: PreviewSession,
    photos: Sequence[PhotoView],
    categories: Sequence[str],
    with_photos: bool,
    square: int,
) -> Path | None:
    path = session.files / FILE_NAME
    bar = st.progress(0.0, text="Preparing the zip…")
    try:
        make_zip(
            photos,
            session.names,
            categories,
            path,
            shown_on(bar, "Preparing the zip…"),
            with_photos=with_photos,
            square=square,
        )
    except LapelError as error:
        st.error(literal(str(error)), icon=":material/error:")
        return None
    finally:
        bar.empty()
    return path


def make_zip(
    photos: Sequence[PhotoView],
    names: Mapping[str, str],
    categories: Sequence[str],
    path: Path,
    progress: Progress,
    *,
    with_photos: bool = False,
    square: int = 0,
) -> None:
    """Write the zip of these photos, by choice with the photos; ``progress`` counts photos."""
    spooled = {view.labeled.photo: view.item.spooled for view in photos}
    asked: set[str] = set()

    def image_of(name: str) -> Image.Image:
        asked.add(name)
        progress(len(asked), len(spooled))
        try:
            return spooled[name].photo().image
        except PhotoError as error:
            raise PhotoError(f"{name}: {error}") from error

    with path.open("wb") as out:
        labeled = [view.labeled for view in photos]
        write_zip(labeled, image_of, out, names, categories, photos=with_photos, square=square)


def fingerprint(
    photos: Sequence[PhotoView], names: Mapping[str, str], with_photos: bool = False, square: int = 0
) -> str:
    """A digest of all that goes into the zip."""
    content = [[view.labeled.as_dict() for view in photos], sorted(names.items()), with_photos, square]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
