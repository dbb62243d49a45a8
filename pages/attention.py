"""Attention: every attention map of one photo side by side, detector stages and classifier heads."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from PIL import Image

from app import resources
from app.attention import map_grid
from app.auth.identity import require_right
from app.preview import batch_view, upload
from app.preview.session import preview_session
from core.access import Right
from core.errors import LapelError

FIRST_RESULT_SECONDS = 20.0


def grid(pictures: Iterable[tuple[str, Image.Image]], least_pixels: int) -> None:
    """Pictures with their captions, as many in a row as there is room for."""
    with st.grid("auto", min_column_width=least_pixels):
        for caption, picture in pictures:
            st.image(picture, caption=caption, alt=caption, output_format="JPEG", width="stretch")


require_right(Right.EXPLAIN)
session = preview_session()
upload.show(session, "Attention")
try:
    labeler = resources.labeler()
    batch = session.start_labeling(labeler, FIRST_RESULT_SECONDS)
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

threshold = st.session_state.get(batch_view.THRESHOLD_KEY, labeler.default_threshold)
photos = {view.item.number: view for view in batch_view.photo_views(session, threshold)}
if not photos or session.maps is None:
    st.info("The maps appear here once a photo is labeled.", icon=":material/visibility:")
    st.stop()

for_photo, for_opacity = st.columns([2, 1])
numbers = list(photos)
number = for_photo.selectbox(
    "Photo",
    numbers,
    index=numbers.index(session.photo) if session.photo in photos else 0,
    format_func=lambda number: photos[number].item.spooled.name,
)
opacity = for_opacity.slider("Opacity", 0.0, 1.0, 0.6, step=0.05, key="opacity", persist_state="session")
session.open(number)
try:
    photo, explanation = session.maps.explanation(photos[number])
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

st.subheader("Detector attention")
if not explanation.detector_maps:
    st.info("The detector that serves has no attention maps; YOLOv4 and YOLOv4-GS have.")
grid(map_grid.stage_pictures(photo, explanation, opacity), 220)

st.subheader("Classifier attention")
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
