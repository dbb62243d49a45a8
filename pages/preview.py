"""Label photos: drop them, look, correct, and take the result away."""

from __future__ import annotations

import streamlit as st

from app import (
    example,
    intake,
    keep_buttons,
    models,
    names,
    photo_view,
    selection,
    session,
    takeaway,
    toolbar,
    wall,
)
from app.identity import admit
from core.access import Right
from core.errors import LapelError

FIRST_RESULT_SECONDS = 2.0

actor = admit(Right.PREVIEW)
workspace = session.workspace()
intake.show(workspace, "Label clothing photos")

try:
    labeler = models.labeler()
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
if warnings := models.warnings_of(labeler):
    st.warning(" ".join(warnings), icon=":material/warning:")

if workspace.batch is None and not workspace.incoming:
    example.show_example(labeler)
    st.stop()
# Drawn while the first photo is being labelled, so that the browser has done this part when its boxes come.
toolbar.show(labeler.categories, workspace.names, labeler.default_threshold)
threshold, filters = toolbar.threshold_now(), toolbar.filters_now()
gallery_side, photo_side = st.columns([2, 5], gap="medium")

batch = workspace.take_in(labeler, FIRST_RESULT_SECONDS)
running = (
    batch is not None and batch.progress().running
)  # asked before the photos are, so that none is missed
photos = wall.seen_photos(workspace, threshold)
with photo_side:
    photo_view.show(workspace, photos, selection.chosen(photos, filters), labeler)
    if actor.may(Right.IMPORT):
        keep_buttons.show_wrong(workspace, photos)
with gallery_side:
    wall.show(workspace, threshold, filters, running=running)

if photos:
    st.divider()
    keep_side, takeaway_side = st.columns(2, gap="large")
    with takeaway_side:
        st.subheader("Take it away")
        takeaway.show_takeaway(workspace, photos, labeler.categories)
    with keep_side:
        if actor.may(Right.IMPORT):
            st.subheader("Keep it")
            keep_buttons.show_keep(workspace, photos)
    with (
        keep_side,
        st.expander("Your shop's names", icon=":material/sell:", on_change="rerun", key="names") as table,
    ):
        if table.open:
            names.show_names(workspace, labeler.categories)
