"""Lapel's category names in the words of one's own shop: a table to edit, keep and bring back.

The result as one zip: made when asked for, and offered until something changes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st
from PIL import Image

from app.preview.selection import Seen
from app.preview.session import Workspace
from core.datasets.export import neutral, write_zip
from core.errors import DatasetError

OURS, THEIRS = "Lapel", "Your shop"
MOST_ROWS = 10_000
LONGEST_NAME = 120


def show_names(workspace: Workspace, known: Sequence[str]) -> None:
    """The table of names, with a file to take it away and to bring one in."""
    st.caption(
        "What you write here replaces Lapel's names in the gallery, on the photos and in what you take away."
    )
    key = f"names-{workspace.names_edition}"
    rows = pd.DataFrame({OURS: known, THEIRS: [workspace.names.get(name, "") for name in known]})
    st.data_editor(
        rows,
        key=key,
        hide_index=True,
        disabled=[OURS],
        column_config={THEIRS: st.column_config.TextColumn(max_chars=LONGEST_NAME)},
        on_change=_keep_edits,
        args=(workspace, key, tuple(known)),
        alt="Lapel's category names beside your shop's",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "Save these names",
            write_names(workspace.names, known),
            "names.csv",
            "text/csv",
            icon=":material/download:",
        )
        upload_key = f"names-file-{workspace.names_edition}"
        st.file_uploader(
            "Bring names in (CSV)",
            key=upload_key,
            on_change=_bring_in,
            args=(workspace, upload_key, tuple(known)),
        )


def write_names(names: Mapping[str, str], known: Sequence[str]) -> str:
    """The names as CSV, a row for each of Lapel's."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([OURS, THEIRS])
    writer.writerows([neutral(name), neutral(names.get(name, ""))] for name in known)
    return out.getvalue()


def read_names(data: bytes, known: Sequence[str]) -> dict[str, str]:
    """Names out of such a CSV; rows about names that Lapel does not have are left out.

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
    """A cell's text as it was before it was made safe for spreadsheets: one line, not too long."""
    text = cell or ""
    if text.startswith("'") and neutral(text[1:]) == text:
        text = text[1:]
    return " ".join(text.split())[:LONGEST_NAME]


def _keep_edits(workspace: Workspace, key: str, known: Sequence[str]) -> None:
    for row, cells in st.session_state[key]["edited_rows"].items():
        theirs = _written(cells.get(THEIRS))
        if theirs:
            workspace.names[known[row]] = theirs
        else:
            workspace.names.pop(known[row], None)


def _bring_in(workspace: Workspace, key: str, known: Sequence[str]) -> None:
    upload = st.session_state[key]
    if upload is None:
        return
    try:
        workspace.names = read_names(upload.getvalue(), known)
        workspace.names_edition += 1
    except DatasetError as error:
        workspace.notice = str(error)


FILE_NAME = "lapel.zip"


def show_takeaway(workspace: Workspace, photos: Sequence[Seen], categories: Sequence[str]) -> None:
    """The button that makes the zip, then the one that hands it over; ``categories`` give the class ids."""
    garments = sum(len(seen.garments) for seen in photos)
    st.caption(
        f"{_counted(len(photos), 'photo')} with {_counted(garments, 'garment')} above the threshold: "
        "CSV (a row a garment), JSON lines, Pascal VOC, COCO and YOLO files, and the garments' crops."
    )
    state = fingerprint(photos, workspace.names)
    if workspace.wants_zip:
        workspace.wants_zip = False
        workspace.archive = (state, _made(workspace, photos, categories))
    if workspace.archive is None or workspace.archive[0] != state:
        st.button(
            "Prepare the zip",
            icon=":material/folder_zip:",
            type="primary",
            key="prepare",
            on_click=workspace.ask_for_zip,
        )
        return
    path = workspace.archive[1]
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


def _made(workspace: Workspace, photos: Sequence[Seen], categories: Sequence[str]) -> Path:
    assert workspace.batch is not None
    path = workspace.batch.spool.folder / FILE_NAME
    bar = st.progress(0.0, text="Preparing the zip…")
    make_zip(
        photos, workspace.names, categories, path, lambda part: bar.progress(part, text="Preparing the zip…")
    )
    bar.empty()
    return path


def make_zip(
    photos: Sequence[Seen],
    names: Mapping[str, str],
    categories: Sequence[str],
    path: Path,
    report: Callable[[float], object],
) -> None:
    """Write the zip of these photos; ``report`` is told the part that is done, 0..1."""
    kept = {seen.labeled.photo: seen.item.kept for seen in photos}
    asked: set[str] = set()

    def image_of(name: str) -> Image.Image:
        asked.add(name)
        report(len(asked) / len(kept))
        return kept[name].photo().image

    with path.open("wb") as out:
        write_zip([seen.labeled for seen in photos], image_of, out, names, categories)


def fingerprint(photos: Sequence[Seen], names: Mapping[str, str]) -> str:
    """A digest of all that goes into the zip."""
    content = [[seen.labeled.as_dict() for seen in photos], sorted(names.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
