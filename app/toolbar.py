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


def threshold_now() -> float:
    """The score from which a box is shown; it moves without new inference."""
    return float(st.session_state[THRESHOLD_KEY])


def filters_now() -> Filters:
    """Which photos of the batch to show, and in which order."""
    state = st.session_state
    low, high = state.get("scores", (0.0, 1.0))
    return Filters(
        tuple(state.get("categories", ())),
        (low, high),
        state.get("show") or EVERYTHING,
        state.get("order") or next(iter(ORDERS)),
    )


def show(categories: Sequence[str], names: Mapping[str, str], default_threshold: float) -> None:
    """The threshold's slider, and the filters beside it; ``names`` are the shop's."""
    st.session_state.setdefault(THRESHOLD_KEY, round(max(default_threshold, FLOOR), 2))
    threshold_slot, filter_slot = st.columns([2, 3], vertical_alignment="bottom", gap="medium")
    with threshold_slot:
        st.slider(
            "Score threshold",
            min_value=FLOOR,
            max_value=0.95,
            step=0.01,
            key=THRESHOLD_KEY,
            persist_state="session",
            help="Boxes with a lower score are hidden. What you corrected yourself stays.",
        )
    with filter_slot:
        _filter_bar(categories, names)


def _filter_bar(categories: Sequence[str], names: Mapping[str, str]) -> None:
    known = {
        category: f"{names[category]} ({category})" if category in names else category
        for category in categories
    }
    wide, narrow = st.columns([3, 2], vertical_alignment="bottom")
    with wide:
        st.segmented_control(
            "Show",
            SHOWS,
            default=EVERYTHING,
            required=True,
            key="show",
            help=UNSURE_HELP,
            persist_state="session",
        )
    with narrow, st.popover("Filter and sort", icon=":material/filter_list:", width="stretch"):
        st.multiselect(
            "Category", categories, format_func=known.__getitem__, key="categories", persist_state="session"
        )
        st.slider("Score", 0.0, 1.0, (0.0, 1.0), step=0.01, key="scores", persist_state="session")
        st.selectbox("Sort by", list(ORDERS), key="order", persist_state="session")
