"""Label photos: drop them, look, correct, and take the result away."""

from __future__ import annotations

import streamlit as st

from app import resources
from app.auth.identity import admit
from app.preview import batch_view, download, example, photo, save_to_store, selection, session, upload
from core.access import Right
from core.errors import LapelError

FIRST_RESULT_SECONDS = 2.0

actor = admit(Right.PREVIEW)
workspace = session.workspace()
upload.show(workspace, "Label clothing photos")

try:
    labeler = resources.labeler()
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
if warnings := resources.warnings_of(labeler):
    st.warning(" ".join(warnings), icon=":material/warning:")

if workspace.batch is None and not workspace.incoming:
    example.show_example(labeler)
    st.stop()
# Drawn while the first photo is being labelled, so that the browser has done this part when its boxes come.
batch_view.show_toolbar(labeler.categories, workspace.names, labeler.default_threshold)
threshold, filters = batch_view.threshold_now(), batch_view.filters_now()
gallery_side, photo_side = st.columns([2, 5], gap="medium")

batch = workspace.take_in(labeler, FIRST_RESULT_SECONDS)
running = (
    batch is not None and batch.progress().running
)  # asked before the photos are, so that none is missed
photos = batch_view.seen_photos(workspace, threshold)
with photo_side:
    photo.show(workspace, photos, selection.chosen(photos, filters), labeler)
    if actor.may(Right.IMPORT):
        save_to_store.show_wrong(workspace, photos)
with gallery_side:
    batch_view.show(workspace, threshold, filters, running=running)

if photos:
    st.divider()
    keep_side, takeaway_side = st.columns(2, gap="large")
    with takeaway_side:
        st.subheader("Take it away")
        download.show_takeaway(workspace, photos, labeler.categories)
    with keep_side:
        if actor.may(Right.IMPORT):
            st.subheader("Keep it")
            save_to_store.show_keep(workspace, photos)
    with (
        keep_side,
        st.expander("Your shop's names", icon=":material/sell:", on_change="rerun", key="names") as table,
    ):
        if table.open:
            download.show_names(workspace, labeler.categories)
