"""The holdout photos on which champion and candidate differ: a wall of them, and the open one large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import gallery
from app.annotate.panes import Pane, show_panes
from app.media import picture_url
from app.models_page import attention
from app.models_page.seen import Changed, Found, changed_photos
from app.wording import counted, literal
from core.errors import NotFoundError
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.comparisons import ComparisonRow
from core.store.models import ModelRow
from core.store.photos import PhotoRow

KEY, OPEN_KEY, SHOW_KEY = "changed-photos", "changed-photo", "changed-show"
CHAMPION, CANDIDATE = "#c2632f", "#1fa896"
PAGE = 24
BETTER, WORSE, EVERY = "Better", "Worse", "All"


@dataclass(frozen=True)
class Shown:
    """A photo that is still there, with what changed on it."""

    row: PhotoRow
    changed: Changed


def show(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    """The wall with both models' boxes, and beside it the open photo."""
    everything = changed_photos(comparison)
    st.subheader("Photos that changed")
    if not everything:
        st.caption("Both models say the same of all holdout photos.")
        return
    st.caption(
        f"{counted(len(everything), 'photo')}, those that changed most first. Boxes of the champion are "
        ":orange[orange], the candidate's :green[green]. Click one to see it large."
    )
    shown = _present(store, everything)[:PAGE]
    wall_side, photo_side = st.columns([2, 3], gap="medium")
    with wall_side:
        tiles = [tile(entry, store.photos.thumbnail_of(entry.row.id)) for entry in shown]
        gallery.show_tiles(tiles, st.session_state.get(OPEN_KEY), key=KEY, on_opened=_opened)
    with photo_side:
        opened = next((entry for entry in shown if entry.row.id == st.session_state.get(OPEN_KEY)), None)
        if opened is None and shown:
            opened = shown[0]
        if opened is not None:
            _open_photo(store, champion, candidate, opened)


def tile(shown: Shown, thumbnail: bytes) -> dict[str, Any]:
    """What the browser needs to draw one tile: both models' boxes in their colours."""
    row, changed = shown.row, shown.changed
    sides = ((changed.champion, CHAMPION), (changed.candidate, CANDIDATE))
    return {
        "number": row.id,
        "url": picture_url(thumbnail, "image/jpeg", f"{KEY}/{row.id}"),
        "alt": f"Photo {row.name}: {changed.words}",
        "width": row.width,
        "height": row.height,
        "name": row.name,
        "note": changed.words,
        "boxes": [{"box": list(f.box_xyxy), "colour": colour} for found, colour in sides for f in found],
    }


def pane(title: str, found: Sequence[Found], categories: Mapping[int, Category]) -> Pane:
    """One model's boxes, with their scores in the label."""
    ids = {category.name: id for id, category in categories.items()}
    boxes = tuple(
        AnnotatedBox(f.box_xyxy, ids.get(f.name, 0), f.label, uid=str(number), origin="model", score=f.score)
        for number, f in enumerate(found)
    )
    return Pane(title, boxes, {}, {})


def _open_photo(store: Store, champion: ModelRow, candidate: ModelRow, shown: Shown) -> None:
    row, categories = shown.row, store.categories.by_id()
    st.markdown(f"**{literal(row.name)}**: {literal(shown.changed.words)}")
    url = picture_url(store.photos.picture(row.id), "image/jpeg", f"{KEY}/open")
    latest = store.annotations.latest(row.id)
    panes = [
        pane("Champion", shown.changed.champion, categories),
        pane("Candidate", shown.changed.candidate, categories),
    ]
    if latest is not None:
        panes.append(Pane(f"Annotated by {latest.author}", latest.boxes, {}, {}))
    show_panes(row, url, panes, categories, f"changed-{row.id}")
    attention.show(store, champion, candidate, row.id)


def _present(store: Store, everything: Sequence[Changed]) -> list[Shown]:
    """The photos that were not deleted since."""
    found = []
    for changed in everything:
        try:
            found.append(Shown(store.photos.get(changed.photo_id), changed))
        except NotFoundError:
            continue
    return found


def _opened() -> None:
    st.session_state[OPEN_KEY] = gallery.opened(KEY)
