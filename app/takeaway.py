"""The result as one zip: made when asked for, and offered until something changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st
from PIL import Image

from app.selection import Seen
from app.session import Workspace
from core.data.export import write_zip

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
