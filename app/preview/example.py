"""What comes out, shown before anything has gone in: one drawn sample, labelled live.

It also has the browser and the models warmed up by the time the first photo is dropped.
"""

from __future__ import annotations

import streamlit as st

from app.attention.maps import Layers, layers_of
from app.preview import selection, upload, viewer
from app.preview.batch import Batch, Spool
from app.preview.charts import top5_bars
from app.preview.selection import Corrections, Seen
from core.inference.labeler import Labeler

SECONDS = 20.0


def show_example(labeler: Labeler) -> None:
    """One drawn sample with its boxes and best labels; nothing where no samples are installed."""
    example = _labelled_sample(labeler, " + ".join(labeler.names.values()))
    if example is None:
        return
    seen, layers = example
    st.subheader("What you get")
    picture, panel = st.columns([5, 4], gap="medium")
    with panel:
        for number, garment in list(seen.garments.items())[:2]:
            st.text(f"{garment.category} {garment.score:.2f}")
            st.plotly_chart(top5_bars(garment), key=f"example-{number}", config={"displayModeBar": False})
    with picture:
        viewer.show_still(seen, layers)


@st.cache_resource(max_entries=1, show_spinner=False)
def _labelled_sample(_labeler: Labeler, models: str) -> tuple[Seen, Layers] | None:
    """The sample as these models label it: labelled again once others serve."""
    sources = upload.sample_sources()[:1]
    if not sources:
        return None
    batch = Batch(_labeler, Spool())
    batch.add(sources)
    batch.wait(lambda now: not now.running, SECONDS)
    if not batch.items:
        return None
    seen = selection.see(batch.items[0], Corrections(), _labeler.default_threshold)
    return seen, layers_of(_labeler, seen)
