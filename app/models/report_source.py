"""What a report of the page Models is about: a revision's photos, or a dataset on the server's machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import streamlit as st

from app.components.choices import remember
from app.data.imports import server_folder
from app.text import literal
from core.access import Right
from core.errors import LapelError, NotFoundError
from core.evaluation.report.photos import ReportPhoto
from core.images.encode import downscaled, jpeg
from core.inference.report_data import (
    ALL,
    HOLDOUT,
    ReportData,
    data_of_file,
    data_of_revision,
    revision_digest,
)
from core.store import Store

DATA_KEY, PATH_KEY = "report-data", "report-path"
DATA, PATH = "data", "path"
DATASET = "dataset"
SAID_PARTS = {HOLDOUT: "Holdout of revision {}", ALL: "All photos of revision {}"}
SAID_DATASET = "A dataset on this machine"
THUMBNAIL_SIDE, PICTURE_SIDE, QUALITY = 240, 1600, 85


class Pictures(Protocol):
    """The photos of a report as pictures, by the ids that it has for them."""

    def photo(self, id: int) -> ReportPhoto:
        """Its name and size. Raises NotFoundError where it is gone."""

    def thumbnail(self, id: int) -> bytes:
        """A small JPEG. Raises LapelError."""

    def picture(self, id: int) -> bytes:
        """A JPEG to look at. Raises LapelError."""


@dataclass(frozen=True, eq=False)
class Source:
    """The data of a report: a digest that changes with it, how many photos, how to read it, its pictures."""

    digest: str
    photos: int
    load: Callable[[], ReportData]
    pictures: Pictures


def choose(store: Store, kind: str) -> Callable[[], Source | None] | None:
    """Draw the choice of data; gives what draws the rest of it, below, and returns the source.

    None where there is nothing to choose. The source is None until the path of a dataset was given that can
    be read.
    """
    revisions = {
        f"{part}-{revision.number}": (revision.number, part)
        for revision in store.revisions.all()
        for part in SAID_PARTS
    }
    said = {name: SAID_PARTS[part].format(number) for name, (number, part) in revisions.items()}
    if store.actor.may(Right.IMPORT):
        said[DATASET] = SAID_DATASET
    if not said:
        return None
    if st.session_state.get(DATA_KEY) not in said:
        asked = st.query_params.get(DATA, "")
        st.session_state[DATA_KEY] = asked if asked in said else next(iter(said))
    chosen: str = st.selectbox(
        "Data",
        list(said),
        format_func=said.__getitem__,
        key=DATA_KEY,
        help="No training of this workspace learns from the holdout; on other photos a report flatters.",
    )
    remember(DATA, chosen)
    if chosen == DATASET:
        return partial(_dataset, kind)
    remember(PATH, None)
    return partial(_revision, store, *revisions[chosen])


def _revision(store: Store, number: int, part: str) -> Source:
    names = store.revisions.names(number, holdout=True if part == HOLDOUT else None)
    return Source(
        revision_digest(store, number, part),
        sum(1 for _ in names),
        partial(data_of_revision, store, number, part),
        StoredPictures(store),
    )


def _dataset(kind: str) -> Source | None:
    """The dataset whose path the user gives; None, with a sentence, where it cannot be read."""
    if PATH_KEY not in st.session_state:
        st.session_state[PATH_KEY] = st.query_params.get(PATH, "")
    labels = ", or a CSV of photos and labels" if kind == "classifier" else ""
    given = st.text_input(
        "Path of a dataset on the machine that Lapel runs on",
        key=PATH_KEY,
        placeholder="/data/val.json",
        help=f"A file or a folder with boxes in any format that imports take{labels}.",
    )
    remember(PATH, given or None)
    if not given.strip():
        return None
    try:
        path = server_folder(given)
        stamp = _stamp(path)
        data = _read(str(path), kind, stamp)
    except (LapelError, OSError) as error:
        st.error(literal(str(error)), icon=":material/error:")
        return None
    digest = hashlib.sha256(json.dumps([str(path), kind, stamp]).encode()).hexdigest()
    return Source(digest, len(data.photos), lambda: data, DatasetPictures(data, digest))


def _stamp(path: Path) -> str:
    """Another one once a file was changed, or one came or went."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    changed = [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file()]
    return hashlib.sha256(json.dumps(changed).encode()).hexdigest()


@st.cache_resource(max_entries=4, show_spinner="Reading the dataset…")
def _read(path: str, kind: str, stamp: str) -> ReportData:
    return data_of_file(Path(path), kind)


class StoredPictures:
    """Photos of the store."""

    def __init__(self, store: Store) -> None:
        self._photos = store.photos

    def photo(self, id: int) -> ReportPhoto:
        row = self._photos.get(id)
        return ReportPhoto(row.id, row.name, row.width, row.height)

    def thumbnail(self, id: int) -> bytes:
        return self._photos.thumbnail_of(self._photos.get(id))

    def picture(self, id: int) -> bytes:
        return self._photos.picture(id)


class DatasetPictures:
    """Photos of a dataset, which are downscaled once."""

    def __init__(self, data: ReportData, digest: str) -> None:
        self._data, self._digest = data, digest

    def photo(self, id: int) -> ReportPhoto:
        if not 0 <= id < len(self._data.photos):
            raise NotFoundError(f"There is no photo {id} in this dataset.")
        return self._data.photos[id].photo

    def thumbnail(self, id: int) -> bytes:
        return _downscaled(self._digest, id, THUMBNAIL_SIDE, self._data)

    def picture(self, id: int) -> bytes:
        return _downscaled(self._digest, id, PICTURE_SIDE, self._data)


@st.cache_data(max_entries=400, show_spinner=False)
def _downscaled(digest: str, id: int, side: int, _data: ReportData) -> bytes:
    return jpeg(downscaled(_data.photos[id].open().image.convert("RGB"), side), QUALITY)
