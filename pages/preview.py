"""Label photos: drop photos, check and correct the labels, download the results or save them."""

from __future__ import annotations

import streamlit as st

from app import resources
from app.auth.identity import require_right
from app.preview import batch_view, download, photo, save_to_store, shop, upload
from app.preview.session import preview_session
from core.access import Right
from core.errors import LapelError

FIRST_RESULT_SECONDS = 2.0

actor = require_right(Right.PREVIEW)
session = preview_session()
upload.show(session, "Label clothing photos")

try:
    labeler = resources.labeler()
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
if warnings := resources.warnings_of(labeler):
    st.warning(" ".join(warnings), icon=":material/warning:")

if session.batch is None and not session.incoming:
    upload.show_example(labeler)
    st.stop()
# Drawn while the first photo is being labeled, so that the browser has done this part when its boxes come.
batch_view.show_toolbar(session, labeler)
threshold, filters = batch_view.threshold_now(), batch_view.filters_now()
whole = batch_view.view_now() == batch_view.GARMENTS
gallery_side, photo_side = (st.container(), None) if whole else st.columns([2, 5], gap="medium")

batch = session.start_labeling(labeler, FIRST_RESULT_SECONDS)
running = batch is not None and batch.progress().running  # read before the photos, so that none is missed
photos = batch_view.photo_views(session, threshold)
if photo_side is not None:
    with photo_side:
        photo.show(session, photos, filters, labeler)
        if actor.may(Right.IMPORT):
            save_to_store.show_wrong(session, photos)
with gallery_side:
    batch_view.show(session, threshold, filters, running=running, labeler=labeler)

if photos:
    st.divider()
    save_side, download_side = st.columns(2, gap="large")
    with download_side:
        st.subheader("Download")
        download.show_download(session, photos, labeler.categories)
        with st.expander(
            "Tables for a shop", icon=":material/storefront:", on_change="rerun", key="shop"
        ) as table:
            if table.open:
                shop.show_shop(session, photos)
    with save_side:
        if actor.may(Right.IMPORT):
            st.subheader("Save to store")
            save_to_store.show_save(session, photos)
    with (
        save_side,
        st.expander("Your shop's names", icon=":material/sell:", on_change="rerun", key="names") as table,
    ):
        if table.open:
            download.show_names(session, labeler.categories)
