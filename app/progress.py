"""How far the batch is: a bar with the time left, a way to stop, and the files that were refused."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.batch import Batch, Progress, time_left
from core.garments import Refusal

LISTED = 200


def show_progress(batch: Batch, progress: Progress) -> None:
    """The bar while the batch runs; a way to go on where it was stopped."""
    if progress.running:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(
                progress.fraction,
                text=f"{progress.done} of {progress.total} labelled · {time_left(progress.seconds_left)}",
            )
            st.button("Cancel", icon=":material/stop:", on_click=batch.cancel, key="cancel")
    elif progress.done < progress.total:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"Stopped: {progress.done} of {progress.total} labelled.", icon=":material/pause:")
            st.button("Go on", icon=":material/play_arrow:", on_click=batch.resume, key="resume")


def show_refusals(refusals: Sequence[Refusal]) -> None:
    """Every refused file with its one sentence."""
    if not refusals:
        return
    files = "1 file was" if len(refusals) == 1 else f"{len(refusals)} files were"
    with st.expander(f"{files} refused", icon=":material/warning:", expanded=len(refusals) <= 3):
        for refusal in refusals[:LISTED]:
            # st.text shows a name as it is, whatever is in it.
            st.text(f"{refusal.photo}: {refusal.error}")
        if len(refusals) > LISTED:
            st.caption(f"and {len(refusals) - LISTED} more")
