"""Whose boxes the anchors are fitted to: a revision's, or those of files that a visitor brings.

What is kept of files are the sizes of their boxes, by digest in the user's cache folder, so that the address
opens the same view again.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import streamlit as st

from app.components.choices import choose_segment, remember
from app.data.imports import server_folder
from app.navigation import data_link, training_link
from app.preview.upload import received
from app.text import counted, literal
from app.train.start import described
from core.access import Right
from core.anchors import sorted_boxes
from core.datasets.detection import letterboxed_wh
from core.datasets.reading import KINDS, read_detection
from core.datasets.report import ReadReport
from core.errors import DatasetError, LapelError
from core.files import atomic_write, cache_folder
from core.images.archives import is_zip
from core.store import Store
from core.store.imports import UploadFolder
from core.store.sources import unpack_to, unwrapped

REVISION, FILES = "revision", "files"
SOURCES = {REVISION: "A revision", FILES: "Files"}
SOURCE, BOXES = "from", "boxes"
SOURCE_KEY, REVISION_KEY = "anchors-from", "anchors-revision"
ROUND_KEY, PATH_KEY, PROBLEM_KEY = "anchors-round", "anchors-path", "anchors-problem"
BOXES_KEY = "anchors-boxes"
UNIT = 416
"""Long side in pixels of the photos that box sizes are kept for; others are multiples."""

MOST_KEPT = 50
MOST_REMARKS = 20


@dataclass(frozen=True, eq=False)
class BoxSizes:
    """Box sizes (N, 2) of photos with a long side of ``UNIT`` px, in an order of their own; what was left
    out.
    """

    name: str
    boxes_wh: np.ndarray
    remarks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of the sizes alone: the same boxes in another order have the same."""
        return hashlib.sha256(np.ascontiguousarray(self.boxes_wh).tobytes()).hexdigest()


def choose(store: Store) -> BoxSizes | None:
    """The boxes that the visitor chose; None, with a sentence on the page, where there are none yet."""
    if SOURCE_KEY not in st.session_state and SOURCE not in st.query_params and not store.revisions.all():
        st.session_state[SOURCE_KEY] = FILES
    chosen = choose_segment("Boxes of", SOURCES, SOURCE_KEY, SOURCE)
    return _files(store) if chosen == FILES else _revision(store)


def _revision(store: Store) -> BoxSizes | None:
    known = {str(revision.number): revision for revision in store.revisions.all()}
    if not known:
        st.info(
            "There is no revision yet: annotate photos and create one on the page Train, import a data "
            "set on the page Data, or choose Files above.",
            icon=":material/bookmark_add:",
        )
        with st.container(horizontal=True):
            training_link()
            data_link("Import a dataset")
        return None
    if st.session_state.get(REVISION_KEY) not in known:
        asked = st.query_params.get(REVISION, "")
        st.session_state[REVISION_KEY] = asked if asked in known else next(iter(known))
    number: str = st.selectbox(
        "Revision",
        list(known),
        format_func=lambda number: described(known[number]),
        key=REVISION_KEY,
        width=600,
        help="Without its holdout, which no training may see.",
    )
    remember(REVISION, number)
    found = _of_revision(store, known[number].digest, int(number))
    if not len(found.boxes_wh):
        st.info(
            f"Revision {number} has no boxes outside its holdout: annotate photos, or choose another "
            "revision.",
            icon=":material/edit_square:",
        )
        return None
    return found


@st.cache_resource(max_entries=8, show_spinner="Reading the revision's boxes…")
def _of_revision(_store: Store, digest: str, number: int) -> BoxSizes:
    """Cached by the revision's digest, as revisions never change."""
    boxes_wh = _store.revisions.box_sizes(number, UNIT)
    return BoxSizes(f"revision {number}", sorted_boxes(boxes_wh) if len(boxes_wh) else boxes_wh)


def _files(store: Store) -> BoxSizes | None:
    key = f"anchors-files-{st.session_state.setdefault(ROUND_KEY, 0)}"  # a fresh one after every drop
    upload_side, folder_side = st.columns(2, gap="large")
    with upload_side:
        st.file_uploader(
            "Annotation files, or a zip of a dataset",
            accept_multiple_files=True,
            key=key,
            on_change=_take_uploads,
            args=(key,),
            help=f"{KINDS[0].upper()}{KINDS[1:]}. Photos are needed only where a format has no sizes of "
            "them, as YOLO's. Kept are the boxes' widths and heights alone.",
        )
    if store.actor.may(Right.IMPORT):
        with folder_side, st.form("anchors-folder", border=False):
            st.text_input(
                "Or a path on the machine that Lapel runs on", key=PATH_KEY, placeholder="/data/train.json"
            )
            st.form_submit_button("Read", icon=":material/folder_open:", on_click=_take_path)
    problem = st.session_state.pop(PROBLEM_KEY, "")
    if problem:
        st.error(literal(problem), icon=":material/error:")
    asked = st.query_params.get(BOXES) or st.session_state.get(BOXES_KEY, "")
    found = recall(asked)
    if found is None:
        st.info(
            "This link's boxes are no longer kept here: drop the files again."
            if asked and not problem
            else "The boxes and their anchors appear here once files are dropped or a path is read.",
            icon=":material/aspect_ratio:",
        )
        return None
    st.session_state[BOXES_KEY] = asked  # for who comes back from another page
    remember(BOXES, asked)
    st.caption(f"{counted(len(found.boxes_wh), 'box', 'boxes')} of {literal(found.name)}.")
    if found.remarks:
        with st.expander(f"What was left out or read otherwise ({len(found.remarks)})"):
            st.text("\n".join(found.remarks))
    return found


def _take_uploads(key: str) -> None:
    files = received(key)
    if files:
        st.session_state[ROUND_KEY] += 1
        with _problem_shown(), tempfile.TemporaryDirectory() as folder:
            _show(read_uploads(files, Path(folder)))


def _take_path() -> None:
    with _problem_shown(), tempfile.TemporaryDirectory() as folder:
        _show(read_boxes(server_folder(st.session_state[PATH_KEY]), Path(folder)))


@contextmanager
def _problem_shown() -> Iterator[None]:
    """Keeps the sentence of a LapelError for the page's next run."""
    try:
        yield
    except LapelError as error:
        st.session_state[PROBLEM_KEY] = str(error)


def _show(found: BoxSizes) -> None:
    st.query_params[BOXES] = keep(found)


def read_uploads(files: Sequence[tuple[str, bytes]], folder: Path) -> BoxSizes:
    """The boxes of uploaded files, which are written below ``folder``. Raises LapelError."""
    home = UploadFolder(folder / "files").stage(files)
    written = [path for path in home.rglob("*") if path.is_file()]
    name = files[0][0] if len(files) == 1 else counted(len(files), "file")
    return read_boxes(written[0] if len(written) == 1 else home, folder, name)


def read_boxes(path: Path, folder: Path, name: str | None = None) -> BoxSizes:
    """The boxes of a dataset, file or zip; a zip is unpacked below ``folder``. Raises LapelError."""
    name, report = name or path.name, ReadReport()
    if is_zip(path):
        for refusal in unpack_to(path, folder / "unpacked"):
            report.lose_file(refusal.photo, refusal.error)
        path = folder / "unpacked"
    try:
        dataset = read_detection(unwrapped(path) if path.is_dir() else path, report=report, part="train")
    except DatasetError as error:
        raise DatasetError(str(error).replace(f"{path}", name).replace(f"{folder}/", "")) from error
    remarks = [f"{entry.name}: {entry.reason}" for entry in report.entries()]
    boxes_wh = letterboxed_wh(dataset, UNIT)
    if not len(boxes_wh):
        raise DatasetError(
            f"expected boxes in {name}, got {counted(len(dataset.photos), 'photo')} without any"
        )
    return BoxSizes(name, sorted_boxes(boxes_wh), tuple(remarks[:MOST_REMARKS]))


def keep(found: BoxSizes) -> str:
    """Keep box sizes on this machine, the newest ``MOST_KEPT``; returns their digest."""
    digest = found.digest
    try:
        folder = _kept()
        with atomic_write(folder / f"{digest}.npz", private=True) as file:
            np.savez(file, boxes_wh=found.boxes_wh, name=found.name, remarks=np.array(found.remarks, str))
        files = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for old in files[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise LapelError(f"The boxes could not be kept: {error.strerror or error}.") from error
    return digest


@st.cache_resource(max_entries=8, show_spinner=False)
def _recalled(path: Path, written: float) -> BoxSizes:
    with np.load(path) as file:
        return BoxSizes(str(file["name"]), file["boxes_wh"], tuple(str(text) for text in file["remarks"]))


def recall(digest: str) -> BoxSizes | None:
    """What was kept under this digest; None where there is nothing."""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        return None
    try:
        path = _kept() / f"{digest}.npz"
        return _recalled(path, path.stat().st_mtime)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _kept() -> Path:
    folder = cache_folder() / "anchors"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
