"""The store's photos on the page Data: a gallery with filters, and beside it the open photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.data.deletion import deletions, show_pending
from app.media import picture_url
from app.navigation import annotate_link
from app.preview import gallery
from app.preview.viewer import show_picture
from app.text import counted, moment
from core.access import Right
from core.store import Store
from core.store.annotations import Annotation
from core.store.categories import Category
from core.store.photos import PhotoRow

PAGE = 24
ANY = 0
"""Stands for every category; no category has this number."""

KEY = "stored-photos"
OPEN_KEY = "stored-photo"
EVERY, TO_ANNOTATE, DONE, HOLDOUT = "All", "To annotate", "Annotated", "Holdout"
HOLDOUT_HELP = (
    "The holdout, 15 % of the photos by content, is annotated like all others but never trained on: "
    "models are evaluated on it."
)


def show(store: Store, person: str) -> None:
    """The filters, the gallery and the open photo."""
    show_pending(store, person)
    everything = store.photos.count()
    if not everything:
        st.info(
            "No photos yet. Import some under the tab “Import”, or save a batch of the page “Label photos”.",
            icon=":material/add_photo_alternate:",
        )
        return
    categories = store.categories.by_id()
    chosen = _filters(categories)
    found = store.photos.count(**chosen)
    st.caption(_counts(store, found, everything))
    if not found:
        st.info("No photo passes the filters.", icon=":material/filter_list_off:")
        return
    gallery_side, photo_side = st.columns([3, 2], gap="medium")
    with gallery_side:
        rows = _page_of(store, chosen, found)
        _gallery(store, rows, categories)
    with photo_side:
        _open_photo(store, rows, categories, person)


def _filters(categories: Mapping[int, Category]) -> dict[str, Any]:
    """What to show, as the store's photos are asked for it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control(
            "Show",
            (EVERY, TO_ANNOTATE, DONE, HOLDOUT),
            default=EVERY,
            required=True,
            key="stored-show",
            help=HOLDOUT_HELP,
            persist_state="session",
        )
        category = st.selectbox(
            "Category",
            [ANY, *categories],
            format_func=lambda id: "any" if id == ANY else categories[id].name,
            key="stored-category",
            persist_state="session",
            width=220,
        )
        text = st.text_input(
            "Name contains", key="stored-text", icon=":material/search:", persist_state="session", width=260
        )
    return {
        "annotated": {TO_ANNOTATE: False, DONE: True}.get(show or EVERY),
        "holdout": True if show == HOLDOUT else None,
        "text": (text or "").strip(),
        "category": None if category == ANY else category,
    }


def _counts(store: Store, found: int, everything: int) -> str:
    shown = (
        counted(everything, "photo")
        if found == everything
        else f"{found:,} of {counted(everything, 'photo')}"
    )
    done, held = store.photos.count(annotated=True), store.photos.count(holdout=True)
    return f"{shown} · {done:,} annotated · {held:,} in the holdout"


def _page_of(store: Store, chosen: Mapping[str, Any], found: int) -> list[PhotoRow]:
    pages = max(1, -(-found // PAGE))
    page = 1
    if pages > 1:
        # Another choice of photos begins on its first page.
        key = f"stored-page-{'-'.join(str(value) for value in chosen.values())}-{pages}"
        page = st.pagination(pages, key=key, max_visible_pages=7)
    rows = store.photos.page((page - 1) * PAGE, PAGE, **chosen)
    hides = deletions().hides
    return [row for row in rows if not hides(row.id)]


def _gallery(store: Store, rows: Sequence[PhotoRow], categories: Mapping[int, Category]) -> None:
    if not rows:
        st.info("All photos of this page are about to be deleted.", icon=":material/delete:")
        return
    annotations = store.annotations.latest_of([row.id for row in rows])
    tiles = [tile(row, store.photos.thumbnail_of(row), annotations.get(row.id), categories) for row in rows]
    gallery.show_tiles(tiles, st.session_state.get(OPEN_KEY), key=KEY, on_opened=_opened)


def tile(
    row: PhotoRow, thumbnail: bytes, annotation: Annotation | None, categories: Mapping[int, Category]
) -> dict[str, Any]:
    """What the browser needs to draw one tile; boxes are those of the latest annotation."""
    boxes = annotation.boxes if annotation else ()
    return {
        "number": row.id,
        "url": picture_url(thumbnail, "image/jpeg", f"{KEY}/{row.id}"),
        "alt": f"Photo {row.name}",
        "width": row.width,
        "height": row.height,
        "name": row.name,
        "note": note(row, annotation),
        "boxes": [{"box": list(box.box_xyxy), "color": categories[box.category_id].color} for box in boxes],
    }


def note(row: PhotoRow, annotation: Annotation | None) -> str:
    """The line under a tile: boxes or "to annotate", holdout, near duplicate."""
    parts = [counted(len(annotation.boxes), "box", "boxes") if annotation else "to annotate"]
    parts += ["holdout"] if row.holdout else []
    parts += ["near duplicate"] if row.near_id is not None else []
    return " · ".join(parts)


def _opened() -> None:
    st.session_state[OPEN_KEY] = gallery.opened(KEY)


def _open_photo(
    store: Store, rows: Sequence[PhotoRow], categories: Mapping[int, Category], person: str
) -> None:
    row = next((row for row in rows if row.id == st.session_state.get(OPEN_KEY)), None)
    if row is None:
        st.info("Select a photo to see it large and to open it in Annotate.", icon=":material/touch_app:")
        return
    annotation = store.annotations.latest(row.id)
    show_picture(
        row, store.photos.picture(row.id), annotation.boxes if annotation else (), categories, "stored"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        annotate_link(row.id)
        if store.actor.may(Right.DELETE):
            st.button(
                "Delete",
                icon=":material/delete:",
                key=f"delete-{row.id}",
                help="Can be undone for ten seconds. Earlier revisions keep its entry.",
                on_click=deletions().schedule,
                args=(store, row.id, row.name, person),
            )
    st.text("\n".join(facts(store, row, annotation)))


def facts(store: Store, row: PhotoRow, annotation: Annotation | None) -> list[str]:
    """The facts about a photo, a sentence each."""
    lines = [f"{row.width} × {row.height} pixels, imported by {row.by} on {moment(row.at)}."]
    if annotation is not None:
        boxes = counted(len(annotation.boxes), "box", "boxes")
        lines.append(
            f"{boxes} by {annotation.author} on {moment(annotation.at)}, version {annotation.version}."
        )
    if row.holdout:
        lines.append("In the holdout: models are evaluated on it, never trained.")
    if row.near_id is not None:
        twin = store.photos.get(row.near_id, deleted_ok=True)
        lines.append(f"Near duplicate of {twin.name}{' (deleted)' if twin.deleted_at else ''}.")
    return lines
