"""The batch on the page: how far it is, what was refused, and its gallery."""

from __future__ import annotations

import streamlit as st

from app import gallery, progress, selection
from app.selection import NOTHING_FOUND, UNSURE, Filters, Seen
from app.session import Workspace

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
    progress.show_progress(workspace.batch, workspace.batch.progress())
    photos = seen_photos(workspace, score_threshold)
    chosen = selection.chosen(photos, filters)
    st.caption(_summary(photos, chosen))
    progress.show_refusals(workspace.batch.refusals)
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
