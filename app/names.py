"""Lapel's category names in the words of one's own shop: a table to edit, keep and bring back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app.session import Workspace
from core.data.export import neutral
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
