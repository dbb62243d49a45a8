"""What is looked at: a photo (a sample, one that was dropped, one of the store) and one of its garments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.attention.link import begin, key_of, remember
from app.preview import batch_view, upload
from app.preview.session import PreviewSession
from app.text import HIDDEN, literal
from core.access import Right
from core.garments import Garment, LabeledPhoto
from core.images.decode import Photo, open_photo
from core.inference.predictions import hidden_among
from core.store import Store

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

SAMPLE, DROPPED, STORED = "sample", "dropped", "store"
SOURCES = {SAMPLE: "Samples", DROPPED: "Dropped photos", STORED: "The store"}
FIRST_RESULT_SECONDS = 20.0
LISTED = 200


@dataclass(frozen=True, eq=False)
class Subject:
    """A photo and the garment to look into; ``number`` is the garment's, None where the photo has none."""

    photo: Photo
    garments: Sequence[Garment]
    number: int | None
    source: str

    @property
    def garment(self) -> Garment | None:
        """The chosen garment."""
        return None if self.number is None else self.garments[self.number]

    @property
    def title(self) -> str:
        """The photo's name, with the garment's label."""
        garment = self.garment
        return self.photo.name if garment is None else f"{self.photo.name}, {garment.best_label}"


def choose_source(session: PreviewSession, *, stored: bool) -> str:
    """Where the photo comes from; without the right to read the store, not from there."""
    options = [source for source in SOURCES if stored or source != STORED]
    begin("from", options, DROPPED if session.batch is not None or session.incoming else SAMPLE)
    chosen = st.segmented_control(
        "Photo from",
        options,
        format_func=SOURCES.__getitem__,
        key=key_of("from"),
        required=True,
        label_visibility="collapsed",
    )
    remember(**{"from": chosen})
    return chosen or SAMPLE


def choose(source: str, session: PreviewSession, labeler: Labeler, store: Store | None) -> Subject | None:
    """The photo and the garment; None, with a sentence on the page, where there is no photo yet."""
    for_photo, for_garment = st.columns(2, vertical_alignment="bottom")
    with for_photo:
        found = _photo(source, session, labeler, store)
    if found is None:
        return None
    photo, garments = found
    with for_garment:
        number = _garment(garments)
    return Subject(photo, garments, number, source)


def _photo(
    source: str, session: PreviewSession, labeler: Labeler, store: Store | None
) -> tuple[Photo, Sequence[Garment]] | None:
    if source == DROPPED:
        return _dropped(session, labeler)
    if source == STORED and store is not None:
        return _stored(store, labeler)
    samples = {name: str(path) for name, path in upload.sample_photos() if isinstance(path, Path)}
    name = _select("Photo", {name: name for name in samples}, "photo")
    if name is None:
        st.info("No drawn samples are installed: drop a photo instead.", icon=":material/visibility:")
        return None
    photo, labeled = _labeled_sample(labeler, " + ".join(labeler.names.values()), samples[name])
    return photo, labeled.garments


def _select(label: str, options: Mapping[str, str], name: str) -> str | None:
    """One of the options, by the address or the first; the address follows."""
    if not options:
        remember(**{name: None})
        return None
    begin(name, options, next(iter(options)))
    chosen: str = st.selectbox(label, list(options), format_func=options.__getitem__, key=key_of(name))
    remember(**{name: chosen})
    return chosen


def _dropped(session: PreviewSession, labeler: Labeler) -> tuple[Photo, Sequence[Garment]] | None:
    session.start_labeling(labeler, FIRST_RESULT_SECONDS)
    threshold = st.session_state.get(batch_view.THRESHOLD_KEY, labeler.default_threshold)
    views = {str(view.item.number): view for view in batch_view.photo_views(session, threshold)}
    if not views:
        st.info("The maps appear here once a photo is labeled.", icon=":material/visibility:")
        return None
    if session.photo is not None and key_of("photo") not in st.session_state:
        st.session_state[key_of("photo")] = str(session.photo)
    number = _select("Photo", {key: view.item.spooled.name for key, view in views.items()}, "photo")
    view = views[number or next(iter(views))]
    session.open(view.item.number)
    return view.item.spooled.photo(), list(view.garments.values())


def _stored(store: Store, labeler: Labeler) -> tuple[Photo, Sequence[Garment]] | None:
    by_name, chosen = st.columns(2)
    text = by_name.text_input("Find by name", key="attention-text", placeholder="Any part of the name")
    rows = store.photos.page(0, LISTED, text=text)
    asked = st.query_params.get("photo", "")
    if not text and asked.isdecimal() and len(asked) < 10 and all(str(row.id) != asked for row in rows):
        rows = [store.photos.get(int(asked)), *rows]
    if not rows:
        st.info("The store has no such photo.", icon=":material/visibility:")
        return None
    with chosen:
        id = _select("Photo", {str(row.id): f"{row.name} · {row.id}" for row in rows}, "photo")
    row = store.photos.get(int(id or rows[0].id))
    if hidden_among(store, [row.id]):
        st.info(HIDDEN, icon=":material/visibility_off:")
        return None
    photo, labeled = _labeled_stored(
        labeler, store, " + ".join(labeler.names.values()), str(store.folder), row.id, row.digest
    )
    return photo, labeled.garments


@st.cache_resource(max_entries=8, show_spinner="Labeling the photo…")
def _labeled_sample(_labeler: Labeler, models: str, path: str) -> tuple[Photo, LabeledPhoto]:
    photo = open_photo(Path(path))
    return photo, _labeler.label(photo)


@st.cache_resource(max_entries=8, show_spinner="Labeling the photo…")
def _labeled_stored(
    _labeler: Labeler, _store: Store, models: str, folder: str, id: int, digest: str
) -> tuple[Photo, LabeledPhoto]:
    photo = _store.photos.open(id)
    return photo, _labeler.label(photo)


def _garment(garments: Sequence[Garment]) -> int | None:
    if not garments:
        remember(garment=None)
        return None
    options = [str(number) for number in range(len(garments))]
    begin("garment", options, options[0])
    chosen = st.pills(
        "Garment",
        options,
        format_func=lambda number: literal("{0.category} · {0.best_label}".format(garments[int(number)])),
        key=key_of("garment"),
        required=True,
        wrap=True,
    )
    remember(garment=chosen)
    return int(chosen or 0)


def may_read_store(store: Store | None) -> bool:
    """Whether photos of the store can be chosen."""
    return store is not None and store.actor.may(Right.READ)
