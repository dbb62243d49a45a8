"""The score threshold and the filters over the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.batch import FLOOR
from app.selection import EVERYTHING, NARROW_MARGIN, NEAR_THRESHOLD, ORDERS, SHOWS, Filters

THRESHOLD_KEY = "threshold"
UNSURE_HELP = (
    f"Unsure: the best score lies within {NEAR_THRESHOLD:.2f} of the threshold, or the best two labels of "
    f"a garment lie less than {NARROW_MARGIN:.2f} apart."
)


def threshold_slider(default: float) -> float:
    """The score from which a box is shown; it moves without new inference."""
    st.session_state.setdefault(THRESHOLD_KEY, round(max(default, FLOOR), 2))
    return float(
        st.slider(
            "Score threshold",
            min_value=FLOOR,
            max_value=0.95,
            step=0.01,
            key=THRESHOLD_KEY,
            persist_state="session",
            help="Boxes with a lower score are hidden. What you corrected yourself stays.",
        )
    )


def filter_bar(categories: Sequence[str], names: Mapping[str, str]) -> Filters:
    """Which photos of the batch to show, and in which order; ``names`` are the shop's."""
    known = {
        category: f"{names[category]} ({category})" if category in names else category
        for category in categories
    }
    wide, narrow = st.columns([3, 2], vertical_alignment="bottom")
    with wide:
        show = st.segmented_control(
            "Show",
            SHOWS,
            default=EVERYTHING,
            required=True,
            key="show",
            help=UNSURE_HELP,
            persist_state="session",
        )
    with narrow, st.popover("Filter and sort", icon=":material/filter_list:", width="stretch"):
        chosen = st.multiselect(
            "Category", categories, format_func=known.__getitem__, key="categories", persist_state="session"
        )
        low, high = st.slider("Score", 0.0, 1.0, (0.0, 1.0), step=0.01, key="scores", persist_state="session")
        order = st.selectbox("Sort by", list(ORDERS), key="order", persist_state="session")
    return Filters(tuple(chosen), (low, high), show or EVERYTHING, order)
