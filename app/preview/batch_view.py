"""The batch on the page: score threshold and filters, progress, refused files, and the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.preview import gallery, garments, selection
from app.preview.batch import Batch, BatchProgress
from app.preview.selection import (
    ALL,
    NOTHING_FOUND,
    ORDERS,
    SHOWS,
    UNCERTAIN,
    Filters,
    PhotoView,
    step_text,
)
from app.preview.session import PreviewSession
from app.text import counted, literal, time_left
from core.active_learning.uncertainty import NARROW_LABEL_MARGIN, NEAR_THRESHOLD
from core.garments import CANDIDATE_THRESHOLD, Refusal

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

TICK_SECONDS = 1.0


def photo_views(session: PreviewSession, score_threshold: float) -> list[PhotoView]:
    """The batch's photos as they are now."""
    items = session.batch.items if session.batch else ()
    return [selection.view_of(item, session.corrections, score_threshold) for item in items]


def show(
    session: PreviewSession,
    score_threshold: float,
    filters: Filters,
    *,
    running: bool,
    labeler: Labeler,
) -> None:
    """Draw progress and gallery, or all garments, and poll every ``TICK_SECONDS`` while the batch runs.

    ``running`` is the state when this run of the page read the photos; the page runs again once it ends.
    """
    if running:
        st.fragment(_tick, run_every=TICK_SECONDS)(session, score_threshold, filters, session.photo, labeler)
    else:
        _draw(session, score_threshold, filters, labeler)


def _tick(
    session: PreviewSession, score_threshold: float, filters: Filters, photo: int | None, labeler: Labeler
) -> None:
    """Redraw; the whole page runs again when the batch ends or another photo is opened."""
    batch = session.batch
    first_came = photo is None and batch is not None and bool(batch.items)
    if batch is None or first_came or session.photo != photo or not batch.progress().running:
        st.rerun()
    _draw(session, score_threshold, filters, labeler)


def _draw(session: PreviewSession, score_threshold: float, filters: Filters, labeler: Labeler) -> None:
    assert session.batch is not None
    show_progress(session.batch, session.batch.progress())
    photos = photo_views(session, score_threshold)
    if view_now() == GARMENTS:
        _garments(session, photos, filters, score_threshold, labeler)
        return
    chosen = selection.chosen(photos, filters)
    st.caption(_summary(photos, chosen))
    show_refusals(session.batch.refusals)
    if chosen:
        _tiles(session, chosen)
    elif photos:
        st.info("No photo passes the filters.", icon=":material/filter_list_off:")


def _garments(
    session: PreviewSession,
    photos: list[PhotoView],
    filters: Filters,
    score_threshold: float,
    labeler: Labeler,
) -> None:
    assert session.batch is not None
    targets = selection.garments_chosen(photos, filters, score_threshold)
    with st.container(horizontal=True, vertical_alignment="center"):
        in_all = sum(len(view.garments) for view in photos)
        of_all = f" of {in_all:,}" if len(targets) != in_all else ""
        st.caption(f"{len(targets):,}{of_all} garments, {counted(len(photos), 'photo')}", width="content")
        st.space("stretch")
        show_undo(session)
    show_refusals(session.batch.refusals)
    show_question(session)
    if targets:
        garments.show_garments(
            session, targets, categories=labeler.categories, labels=labeler.labels, on_open=_show_photos
        )
    elif photos:
        st.info("No garment passes the filters.", icon=":material/filter_list_off:")


def show_undo(session: PreviewSession) -> None:
    """Undo and redo of corrections."""
    done, undone = session.corrections.done, session.corrections.undone
    st.button(
        "",
        icon=":material/undo:",
        key="undo",
        disabled=not done,
        help=f"Undo: {step_text(done[-1])} (Ctrl+Z)" if done else "Nothing to undo",
        on_click=session.undo,
    )
    st.button(
        "",
        icon=":material/redo:",
        key="redo",
        disabled=not undone,
        help=f"Redo: {step_text(undone[-1])} (Ctrl+Shift+Z)" if undone else "Nothing to redo",
        on_click=session.redo,
    )


def show_question(session: PreviewSession) -> None:
    """What is asked before a label contradicts its category, with a button for each answer."""
    if session.question is None:
        return
    with st.container(border=True, key="question"):
        st.markdown(f":material/help: {literal(session.question.text)}")
        with st.container(horizontal=True):
            for place, (text, edits) in enumerate(session.question.answers):
                st.button(
                    literal(text),
                    key=f"answer-{place}",
                    type="secondary" if place else "primary",
                    on_click=session.answer,
                    args=(edits,),
                )


def _tiles(session: PreviewSession, chosen: list[PhotoView]) -> None:
    gallery.show_gallery(
        gallery.on_page(chosen, _page(session, chosen)),
        session.photo,
        session.names,
        on_opened=lambda: session.open(gallery.opened()),
    )


def _page(session: PreviewSession, chosen: list[PhotoView]) -> int:
    """The gallery's page: chosen by the user, and following the photo when another is opened."""
    pages = gallery.pages(chosen)
    if pages == 1:
        return 1
    if session.photo != session.paged_to:
        session.paged_to = session.photo
        session.page = gallery.page_of(chosen, session.photo)
    session.page = min(session.page, pages)
    # A page that is set from here needs a widget of its own, since a pager takes its value only once.
    key = f"page-{session.paged_to}-{pages}"
    session.page = st.pagination(pages, default=session.page, key=key, max_visible_pages=5)
    return session.page


def _summary(photos: list[PhotoView], chosen: list[PhotoView]) -> str:
    uncertain = sum(view.uncertain for view in photos)
    nothing = sum(not view.garments for view in photos)
    count = f"{len(photos)}" if len(chosen) == len(photos) else f"{len(chosen)} of {len(photos)}"
    parts = [f"{count} photo{'s' if len(photos) != 1 else ''}"]
    parts += [f"{uncertain} {UNCERTAIN.lower()}"] if uncertain else []
    parts += [f"{nothing} with {NOTHING_FOUND.lower()}"] if nothing else []
    return " · ".join(parts)


LISTED = 200


def show_progress(batch: Batch, progress: BatchProgress) -> None:
    """The progress bar with a cancel button while the batch runs, a resume button where it was stopped."""
    if progress.running:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(
                progress.fraction,
                text=f"{progress.done} of {progress.total} labeled · {time_left(progress.seconds_left)}",
            )
            st.button("Cancel", icon=":material/stop:", on_click=batch.cancel, key="cancel")
    elif progress.done < progress.total:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"Stopped: {progress.done} of {progress.total} labeled.", icon=":material/pause:")
            st.button("Resume", icon=":material/play_arrow:", on_click=batch.resume, key="resume")


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
        if any("damaged" in refusal.error for refusal in refusals):
            st.caption(DAMAGED_HELP)


DAMAGED_HELP = (
    "A damaged photo may be whole where it came from: copy it again, or open it in another program and save "
    "it as JPEG."
)
THRESHOLD_KEY = "threshold"
MOST_SCORE = 0.95
UNCERTAIN_HELP = (
    f"Uncertain: the best score lies within {NEAR_THRESHOLD:.2f} of the threshold, or the best two labels of "
    f"a garment lie less than {NARROW_LABEL_MARGIN:.2f} apart."
)


def threshold_now() -> float:
    """The score from which a box is shown; it moves without new inference."""
    return float(st.session_state[THRESHOLD_KEY])


PHOTOS, GARMENTS = "Photos", "Garments"
VIEW_KEY = "view"


def view_now() -> str:
    """Whether photos are shown, or all garments as crops."""
    return str(st.session_state.get(VIEW_KEY) or PHOTOS)


def _show_photos() -> None:
    st.session_state[VIEW_KEY] = PHOTOS


def filters_now() -> Filters:
    """The filters and the order that are set now."""
    state = st.session_state
    low, high = state.get("scores", (0.0, 1.0))
    return Filters(
        tuple(state.get("categories", ())),
        tuple(state.get("labels", ())),
        (low, high),
        state.get("show") or ALL,
        state.get("order") or next(iter(ORDERS)),
    )


def show_toolbar(session: PreviewSession, labeler: Labeler) -> None:
    """The threshold's slider, and the filters beside it."""
    kept = session.draft.settings.get("threshold")
    threshold = (
        kept
        if isinstance(kept, float) and CANDIDATE_THRESHOLD <= kept <= MOST_SCORE
        else labeler.default_threshold
    )
    st.session_state.setdefault(THRESHOLD_KEY, round(max(threshold, CANDIDATE_THRESHOLD), 2))
    threshold_slot, filter_slot = st.columns([2, 5], vertical_alignment="bottom", gap="medium")
    with threshold_slot:
        st.slider(
            "Score threshold",
            min_value=CANDIDATE_THRESHOLD,
            max_value=MOST_SCORE,
            step=0.01,
            key=THRESHOLD_KEY,
            persist_state="session",
            on_change=lambda: session.set("threshold", threshold_now()),
            help="Boxes with a lower score are hidden, except those you corrected.",
        )
    with filter_slot:
        _filter_bar(labeler, session.names)


def _filter_bar(labeler: Labeler, names: Mapping[str, str]) -> None:
    categories = labeler.categories
    known = {
        category: f"{names[category]} ({category})" if category in names else category
        for category in categories
    }
    first, wide, narrow = st.columns([2, 3, 2], vertical_alignment="bottom")
    with first:
        st.segmented_control(
            "View",
            (PHOTOS, GARMENTS),
            default=PHOTOS,
            required=True,
            key=VIEW_KEY,
            help="Garments: all that pass the filter as crops, to choose many and mend them at once.",
            persist_state="session",
        )
    with wide:
        st.segmented_control(
            "Show",
            SHOWS,
            default=ALL,
            required=True,
            key="show",
            help=UNCERTAIN_HELP,
            persist_state="session",
        )
    with narrow, st.popover("Filter and sort", icon=":material/filter_list:", width="stretch"):
        st.multiselect(
            "Category", categories, format_func=known.__getitem__, key="categories", persist_state="session"
        )
        st.multiselect("Label", labeler.labels, key="labels", persist_state="session")
        st.slider("Score", 0.0, 1.0, (0.0, 1.0), step=0.01, key="scores", persist_state="session")
        st.selectbox("Sort by", list(ORDERS), key="order", persist_state="session")
