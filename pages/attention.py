"""Attention: every map of one photo side by side, for those who want to know how the models look at it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from PIL import Image

from app import resources
from app.attention import map_grid
from app.auth.identity import admit
from app.preview import batch_view, session, upload
from core.access import Right
from core.errors import LapelError

FIRST_RESULT_SECONDS = 20.0


def grid(pictures: Iterable[tuple[str, Image.Image]], least_pixels: int) -> None:
    """Pictures with their captions, as many in a row as there is room for."""
    with st.grid("auto", min_column_width=least_pixels):
        for caption, picture in pictures:
            st.image(picture, caption=caption, alt=caption, output_format="JPEG", width="stretch")


admit(Right.EXPLAIN)
workspace = session.workspace()
upload.show(workspace, "Attention")
try:
    labeler = resources.labeler()
    batch = workspace.take_in(labeler, FIRST_RESULT_SECONDS)
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

threshold = st.session_state.get(batch_view.THRESHOLD_KEY, labeler.default_threshold)
photos = {seen.item.number: seen for seen in batch_view.seen_photos(workspace, threshold)}
if not photos or workspace.maps is None:
    st.info("The maps appear here once a photo is labelled.", icon=":material/visibility:")
    st.stop()

for_photo, for_opacity = st.columns([2, 1])
numbers = list(photos)
number = for_photo.selectbox(
    "Photo",
    numbers,
    index=numbers.index(workspace.photo) if workspace.photo in photos else 0,
    format_func=lambda number: photos[number].item.kept.name,
)
opacity = for_opacity.slider("Opacity", 0.0, 1.0, 0.6, step=0.05, key="opacity", persist_state="session")
workspace.open(number)
try:
    photo, explanation = workspace.maps.explanation(photos[number])
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

st.subheader("What the detector looks at")
grid(map_grid.stage_pictures(photo, explanation, opacity), 220)

st.subheader("What the classifier looks at")
if not explanation.garments:
    st.info("No garment above the threshold in this photo, so there is nothing to classify.")
    st.stop()
chosen = st.pills(
    "Garment",
    range(len(explanation.garments)),
    format_func=lambda index: "{0.category} · {0.best_label}".format(explanation.garments[index].garment),
    default=0,
    required=True,
)
grid(map_grid.garment_pictures(photo, explanation.garments[chosen or 0], opacity), 150)
