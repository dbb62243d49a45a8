"""Which models are looked into: one, and a second to compare with; champion, candidates, a weights file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.attention.link import begin, key_of, remember
from app.text import literal
from core.errors import LapelError, WeightsError
from core.images.decode import Photo
from core.models.cards import read_card, shipped_weights
from core.store import Store
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.attribution import ClassifierInspector, DetectorInspector, GarmentInspection

NONE = "none"
FILE = "file"
"""How the keys of weights files begin."""

FILES_KEY = "attention-files"
WEIGHTS_ENDINGS = ["safetensors", "json"]


@dataclass(frozen=True)
class Choice:
    """A model that can be looked into: its name on the page, and its weights on this machine."""

    title: str
    path: Path
    is_file: bool = False
    """Whether it is a weights file that this session was given."""


def choose(store: Store | None, kind: str) -> list[Choice]:
    """One or two models of a kind. Raises a LapelError where their weights cannot be had."""
    titles = _titles(store, kind)
    if st.query_params.get("model", "").startswith(FILE) and st.query_params["model"] not in _files():
        st.toast(
            "The address names a weights file of another session: the champion is shown instead.",
            icon=":material/upload_file:",
            duration="long",
        )
    first, second, files = st.columns([3, 3, 1], vertical_alignment="bottom")
    begin("model", titles, next(iter(titles)))
    with first:
        one = st.selectbox(
            kind.capitalize(), list(titles), format_func=titles.__getitem__, key=key_of("model")
        )
    others = {NONE: "No other model"} | {key: title for key, title in titles.items() if key != one}
    begin("versus", others, NONE)
    with second:
        two = st.selectbox("Compare with", list(others), format_func=others.__getitem__, key=key_of("versus"))
    with files, st.popover("Weights file", icon=":material/upload_file:", width="stretch"):
        _take_file()
    remember(model=one, versus=None if two == NONE else two)
    return [_choice(store, kind, key, titles[key]) for key in (one, two) if key != NONE]


def _titles(store: Store | None, kind: str) -> dict[str, str]:
    """The models of a kind by key, champion first; what the page was given as a file comes last."""
    titles: dict[str, str] = {}
    if store is not None:
        champion = store.models.champion(kind)
        titles[str(champion.id)] = f"{champion.name} (champion)"
        titles |= {
            str(row.id): f"{row.name} (candidate)" for row in store.models.all(kind) if row.id != champion.id
        }
    else:
        titles["shipped"] = "The weights that ship"
    return titles | {key: path.stem for key, (own, path) in _files().items() if own == kind}


def _choice(store: Store | None, kind: str, key: str, title: str) -> Choice:
    if key in _files():
        return Choice(title, _files()[key][1], is_file=True)
    if store is None or key == "shipped":
        return Choice(title, shipped_weights(kind))
    row = store.models.get(int(key))
    return Choice(row.name, store.models.file_of(row))


@dataclass
class _Folder:
    """The weights files of one session; the folder is removed with it."""

    folder: tempfile.TemporaryDirectory[str]
    files: dict[str, tuple[str, Path]]


def _files() -> Mapping[str, tuple[str, Path]]:
    """Kind and path of the weights files that this session was given, by key."""
    kept: _Folder | None = st.session_state.get(FILES_KEY)
    return kept.files if kept is not None else {}


def _take_file() -> None:
    """The uploader of a weights file with its card."""
    st.file_uploader(
        "Weights (.safetensors) with their card (.json)",
        type=WEIGHTS_ENDINGS,
        accept_multiple_files=True,
        key="attention-weights",
        on_change=_keep_file,
        help="As a training or a promotion writes them. They stay in this session.",
    )
    if missing := _missing_ending():
        st.info(f"The other file of the two is still to come: {missing}.", icon=":material/upload_file:")
    if refusal := st.session_state.pop("attention-refusal", ""):
        st.error(literal(refusal), icon=":material/error:")


def _given() -> dict[str, UploadedFile]:
    """The uploaded files by ending, the last of each."""
    uploads = st.session_state.get("attention-weights") or ()
    return {Path(file.name).suffix.lower(): file for file in uploads if isinstance(file, UploadedFile)}


def _missing_ending() -> str | None:
    """The ending that is missing where one of the two files was given alone."""
    missing = [f".{ending}" for ending in WEIGHTS_ENDINGS if f".{ending}" not in _given()]
    return missing[0] if len(missing) == 1 else None


def _keep_file() -> None:
    by_ending = _given()
    if len(by_ending) < len(WEIGHTS_ENDINGS):
        return  # the other of the two is still to come
    with IMPORTS:
        from core.models.loading import check_weights  # brings torch

    kept: _Folder = st.session_state.setdefault(
        FILES_KEY, _Folder(tempfile.TemporaryDirectory(prefix="lapel-weights-"), {})
    )
    place = Path(kept.folder.name) / str(len(kept.files))
    place.mkdir(exist_ok=True)
    path = place / f"{Path(by_ending['.safetensors'].name).stem[:60] or 'weights'}.safetensors"
    path.write_bytes(by_ending[".safetensors"].getvalue())
    path.with_suffix(".json").write_bytes(by_ending[".json"].getvalue())
    try:
        kind = read_card(path).kind
        check_weights(path, kind)
    except LapelError as refused:
        st.session_state["attention-refusal"] = str(refused)
        return
    key = f"{FILE}{len(kept.files)}"
    kept.files[key] = (kind, path)
    st.session_state[key_of("model")] = key


def classifiers(choices: Sequence[Choice]) -> list[ClassifierInspector]:
    """The chosen classifiers, loaded. Raises WeightsError, also for one without attention."""
    found = [_classifier(str(choice.path), choice.path.stat().st_mtime) for choice in choices]
    if len({(inspector.labels, inspector.size) for inspector in found}) > 1:
        raise WeightsError("expected two models of the same labels and input size to compare, got others")
    return found


def detectors(choices: Sequence[Choice]) -> list[DetectorInspector]:
    """The chosen detectors, loaded. Raises WeightsError."""
    return [_detector(str(choice.path), choice.path.stat().st_mtime) for choice in choices]


@st.cache_resource(max_entries=4, show_spinner="Loading the model…")
def _classifier(path: str, modified: float) -> ClassifierInspector:
    with IMPORTS:
        from core.inference.attribution import ClassifierInspector  # brings torch

    return ClassifierInspector.load(Path(path))


@st.cache_resource(max_entries=4, show_spinner="Loading the model…")
def _detector(path: str, modified: float) -> DetectorInspector:
    with IMPORTS:
        from core.inference.attribution import DetectorInspector  # brings torch

    return DetectorInspector.load(Path(path))


Box = tuple[float, float, float, float]


def inspected(choice: Choice, inspector: ClassifierInspector, photo: Photo, box: Box) -> GarmentInspection:
    """All that one pass of a classifier tells of a garment, computed once."""
    return _inspected(inspector, photo, str(choice.path), photo.digest, box)


@st.cache_resource(max_entries=24, show_spinner=False)
def _inspected(
    _inspector: ClassifierInspector, _photo: Photo, path: str, digest: str, box: Box
) -> GarmentInspection:
    return _inspector.inspect(_inspector.crop(_photo, box))


def cached_map(
    choice: Choice, inspector: ClassifierInspector, photo: Photo, box: Box, method: str, label: str
) -> np.ndarray:
    """A map of a garment, computed once; ``method`` "shares2" or "shares4" gives the rollout's shares."""
    return _cached_map(inspector, photo, str(choice.path), photo.digest, box, method, label)


@st.cache_resource(max_entries=64, show_spinner=False)
def _cached_map(
    _inspector: ClassifierInspector, _photo: Photo, path: str, digest: str, box: Box, method: str, label: str
) -> np.ndarray:
    picture = _inspector.crop(_photo, box)
    if method.startswith("shares"):
        return _inspector.shares(picture, int(method.removeprefix("shares")))
    return _inspector.map_of(method, picture, label)
