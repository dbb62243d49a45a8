"""Anchors: fit them to a dataset's boxes, and compare them with Darknet's."""

from __future__ import annotations

import streamlit as st

from app.anchors.fit import box_sizes, fit_anchors
from app.auth.identity import page_title, require_right
from core.access import Right
from core.errors import LapelError

require_right(Right.EXPLAIN)
page_title("Anchors")
st.markdown(
    "K-means++ under the distance 1 − IoU fits a detector's anchors to the sizes of your own boxes. "
    "Upload annotations as a COCO file; no photos are needed."
)
upload = st.file_uploader("Annotations, a COCO file (JSON)", type="json", key="coco")
for_clusters, for_size, for_seed = st.columns(3)
clusters = for_clusters.number_input("Anchors", 1, 100, 9, key="clusters")
size = for_size.number_input("Input size in pixels", 32, 2048, 416, step=32, key="size")
seed = for_seed.number_input(
    "Seed", 0, 2**31 - 1, 0, key="seed", help="The same seed gives the same anchors."
)
if upload is None:
    st.info("The boxes and their anchors appear here once a file is chosen.", icon=":material/aspect_ratio:")
    st.stop()

try:
    fit = fit_anchors(upload.getvalue(), int(clusters), int(size), int(seed))
except LapelError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()

gain = fit.mean_iou - fit.darknet_mean_iou
with st.grid(3):
    st.metric(
        "Mean best IoU, ours",
        f"{fit.mean_iou:.3f}",
        f"{gain:+.3f} over Darknet's",
        border=True,
        height="stretch",
    )
    st.metric("Mean best IoU, Darknet's nine", f"{fit.darknet_mean_iou:.3f}", border=True, height="stretch")
    st.metric("Boxes", f"{len(fit.boxes_wh):,}", border=True, height="stretch")
st.plotly_chart(
    box_sizes(fit.boxes_wh, fit.anchors_wh, fit.darknet_wh),
    key="sizes",
    alt=f"Widths and heights of {len(fit.boxes_wh)} boxes, with our anchors and Darknet's nine",
)
st.code(", ".join(f"{width:.0f},{height:.0f}" for width, height in fit.anchors_wh), language=None)
st.download_button(
    "Download as JSON",
    fit.as_json(),
    "anchors.json",
    "application/json",
    icon=":material/download:",
    type="primary",
)
