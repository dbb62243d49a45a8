"""The batch on the page: how far it is, what was refused, and its gallery.

How far the batch is: a bar with the time left, a way to stop, and the files that were refused.

The score threshold and the filters over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.preview import gallery, selection
from app.preview.batch import FLOOR, Batch, Progress, time_left
from app.preview.selection import (
    EVERYTHING,
    NARROW_MARGIN,
    NEAR_THRESHOLD,
    NOTHING_FOUND,
    ORDERS,
    SHOWS,
    UNSURE,
    Filters,
    Seen,
)
from app.preview.session import Workspace
from core.garments import Refusal

TICK_SECONDS = 1.0


def seen_photos(workspace: Workspace, score_threshold: float) -> list[Seen]:
    """The batch's photos as they are now."""
    items = workspace.batch.items if workspace.batch else ()
    return [selection.see(item, workspace.corrections, score_threshold) for item in items]


def show(workspace: Workspace, score_threshold: float, filters: Filters, *, running: bool) -> None:
    """Draw the batch's state and gallery, every ``TICK_SECONDS`` anew while it runs.

    ``running`` is how it was when this run of the page looked at the photos; once that is over, it runs
    again.
    """
    if running:
        st.fragment(_tick, run_every=TICK_SECONDS)(workspace, score_threshold, filters, workspace.photo)
    else:
        _draw(workspace, score_threshold, filters)


def _tick(workspace: Workspace, score_threshold: float, filters: Filters, photo: int | None) -> None:
    """The same, by itself; the whole page follows when the batch ends or another photo is to be shown."""
    batch = workspace.batch
    first_came = photo is None and batch is not None and bool(batch.items)
    if batch is None or first_came or workspace.photo != photo or not batch.progress().running:
        st.rerun()
    _draw(workspace, score_threshold, filters)


def _draw(workspace: Workspace, score_threshold: float, filters: Filters) -> None:
    assert workspace.batch is not None
    show_progress(workspace.batch, workspace.batch.progress())
    photos = seen_photos(workspace, score_threshold)
    chosen = selection.chosen(photos, filters)
    st.caption(_summary(photos, chosen))
    show_refusals(workspace.batch.refusals)
    if chosen:
        _tiles(workspace, chosen)
    elif photos:
        st.info("No photo passes the filters.", icon=":material/filter_list_off:")


def _tiles(workspace: Workspace, chosen: list[Seen]) -> None:
    gallery.show_gallery(
        gallery.on_page(chosen, _page(workspace, chosen)),
        workspace.photo,
        workspace.names,
        on_opened=lambda: workspace.open(gallery.opened()),
    )


def _page(workspace: Workspace, chosen: list[Seen]) -> int:
    """The gallery's page: a person turns it, and it follows the photo when another is opened."""
    pages = gallery.pages(chosen)
    if pages == 1:
        return 1
    if workspace.photo != workspace.paged_to:
        workspace.paged_to = workspace.photo
        workspace.page = gallery.page_of(chosen, workspace.photo)
    workspace.page = min(workspace.page, pages)
    # A page that is set from here needs a widget of its own, since a pager takes its value only once.
    key = f"page-{workspace.paged_to}-{pages}"
    workspace.page = st.pagination(pages, default=workspace.page, key=key, max_visible_pages=5)
    return workspace.page


def _summary(photos: list[Seen], chosen: list[Seen]) -> str:
    unsure = sum(seen.unsure for seen in photos)
    nothing = sum(not seen.garments for seen in photos)
    count = f"{len(photos)}" if len(chosen) == len(photos) else f"{len(chosen)} of {len(photos)}"
    parts = [f"{count} photo{'s' if len(photos) != 1 else ''}"]
    parts += [f"{unsure} {UNSURE.lower()}"] if unsure else []
    parts += [f"{nothing} with {NOTHING_FOUND.lower()}"] if nothing else []
    return " · ".join(parts)


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


THRESHOLD_KEY = "threshold"
UNSURE_HELP = (
    f"Unsure: the best score lies within {NEAR_THRESHOLD:.2f} of the threshold, or the best two labels of "
    f"a garment lie less than {NARROW_MARGIN:.2f} apart."
)


def threshold_now() -> float:
    """The score from which a box is shown; it moves without new inference."""
    return float(st.session_state[THRESHOLD_KEY])


def filters_now() -> Filters:
    """Which photos of the batch to show_toolbar, and in which order."""
    state = st.session_state
    low, high = state.get("scores", (0.0, 1.0))
    return Filters(
        tuple(state.get("categories", ())),
        (low, high),
        state.get("show_toolbar") or EVERYTHING,
        state.get("order") or next(iter(ORDERS)),
    )


def show_toolbar(categories: Sequence[str], names: Mapping[str, str], default_threshold: float) -> None:
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
            key="show_toolbar",
            help=UNSURE_HELP,
            persist_state="session",
        )
    with narrow, st.popover("Filter and sort", icon=":material/filter_list:", width="stretch"):
        st.multiselect(
            "Category", categories, format_func=known.__getitem__, key="categories", persist_state="session"
        )
        st.slider("Score", 0.0, 1.0, (0.0, 1.0), step=0.01, key="scores", persist_state="session")
        st.selectbox("Sort by", list(ORDERS), key="order", persist_state="session")
