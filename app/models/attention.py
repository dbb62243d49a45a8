"""Attention maps of champion and candidate for one photo side by side, computed on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from app.attention.map_grid import garment_pictures, stage_pictures
from app.attention.maps import explain
from app.text import literal
from core.access import Right
from core.garments import LabeledPhoto
from core.images.decode import Photo
from core.store import Store
from core.store.models import ModelRow
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.explain import GarmentMaps
    from core.inference.labeler import Labeler

REQUEST_KEY = "models-maps"
OPACITY = 0.6
GARMENTS = 4
"""Garments whose maps are shown at most, by score."""

SHOWN_MAPS = ("class_activation", "attention")


@dataclass(frozen=True, eq=False)
class ModelMaps:
    """One model's maps drawn over the photo, by caption."""

    title: str
    pictures: Mapping[str, Image.Image]


def show(store: Store, champion: ModelRow, candidate: ModelRow, photo_id: int) -> None:
    """The button, and once pressed both models' maps; nothing for users without the right to explain."""
    if not store.actor.may(Right.EXPLAIN):
        return
    wanted = (photo_id, champion.id, candidate.id)
    if st.session_state.get(REQUEST_KEY) != wanted:
        st.button(
            "Compare attention maps",
            icon=":material/visibility:",
            key="models-maps-show",
            on_click=st.session_state.__setitem__,
            args=(REQUEST_KEY, wanted),
            help="Attention maps of champion and candidate side by side. Takes a few seconds.",
        )
        return
    with st.spinner("Computing the maps…"):
        before, after = maps_of_both(store, champion, candidate, photo_id)
    for caption, picture in before.pictures.items():
        _pair(caption, picture, after.pictures.get(caption), (before.title, after.title))


def _pair(caption: str, before: Image.Image, after: Image.Image | None, titles: tuple[str, str]) -> None:
    st.caption(caption)
    for column, picture, title in zip(st.columns(2), (before, after), titles, strict=True):
        if picture is not None:
            alt = f"{title}: {caption}"
            column.image(picture, caption=literal(title), alt=alt, output_format="JPEG", width="stretch")


def maps_of_both(
    store: Store, champion: ModelRow, candidate: ModelRow, photo_id: int
) -> tuple[ModelMaps, ModelMaps]:
    """The maps of both models for a stored photo.

    Detectors are compared by their stages over all the photo, classifiers by their maps of the same garments.
    Raises WeightsError for weights that cannot be loaded, NotFoundError for a photo that is gone.
    """
    photo = store.photos.open(photo_id)
    other = store.models.champion("classifier" if champion.kind == "detector" else "detector")
    labelers = [_labeler(store, model, other) for model in (champion, candidate)]
    labeled = LabeledPhoto(photo.name, photo.width, photo.height, 0.0)
    if champion.kind == "classifier":
        labeled = labelers[0].label(photo)
        labeled = replace(labeled, garments=labeled.garments[:GARMENTS])
    pictures = [_pictures(labeler, photo, labeled) for labeler in labelers]
    titles = (f"Champion: {champion.name}", f"Candidate: {candidate.name}")
    return ModelMaps(titles[0], pictures[0]), ModelMaps(titles[1], pictures[1])


def _pictures(labeler: Labeler, photo: Photo, labeled: LabeledPhoto) -> dict[str, Image.Image]:
    """The detector's stages where no garment is asked about, else the classifier's maps of each."""
    explanation = explain(labeler, photo, labeled)
    if not labeled.garments:
        return dict(stage_pictures(photo, explanation, OPACITY))
    return {
        f"{number}. {maps.garment.category}: {caption}": picture
        for number, maps in enumerate(explanation.garments, start=1)
        for caption, picture in garment_pictures(
            photo,
            _shown_of(maps),
            OPACITY,
        )
    }


def _shown_of(maps: GarmentMaps) -> GarmentMaps:
    """A garment with the maps that are shown, as far as its classifier has them."""
    return replace(maps, maps={name: maps.maps[name] for name in SHOWN_MAPS if name in maps.maps})


def _labeler(store: Store, model: ModelRow, other: ModelRow) -> Labeler:
    """A labeler of two models of the store; its files are checked before they are loaded."""
    files = {entry.kind: store.models.file_of(entry) for entry in (model, other)}
    return _loaded(str(files["detector"]), str(files["classifier"]))


@st.cache_resource(max_entries=2, show_spinner="Loading the models…")
def _loaded(detector: str, classifier: str) -> Labeler:
    with IMPORTS:
        from core.inference.labeler import Labeler  # brings torch

    return Labeler.load(Path(detector), Path(classifier))
