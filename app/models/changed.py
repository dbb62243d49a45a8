"""The holdout photos on which champion and candidate differ: a gallery, and the open photo large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.components.panes import Pane, name_in, show_panes
from app.media import picture_url
from app.models import attention
from app.preview import gallery
from app.text import counted, literal
from core.errors import NotFoundError
from core.evaluation.photo_changes import NamedBox, PhotoChange
from core.store import Store
from core.store.annotations import Annotation
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.models import ModelRow
from core.store.photos import PhotoRow
from core.store.promotions import ComparisonRow
from core.taxonomy import color_of

KEY, OPEN_KEY, SHOW_KEY = "changed-photos", "changed-photo", "changed-show"
CHAMPION, CANDIDATE = "#c2632f", "#1fa896"
MAX_PHOTOS = 48
ALL, BETTER, WORSE = "All", "Better", "Worse"
WHICH: Mapping[str, Callable[[int], bool]] = {
    ALL: lambda gain: True,
    BETTER: lambda gain: gain > 0,
    WORSE: lambda gain: gain < 0,
}
"""Which photos are shown, by what the candidate gained on them."""


@dataclass(frozen=True)
class Shown:
    """A photo that still exists, with what changed on it."""

    row: PhotoRow
    change: PhotoChange

    @property
    def words(self) -> str:
        """What changed, as a sentence."""
        return "; ".join(self.change.what)


def show(store: Store, champion: ModelRow, candidate: ModelRow, comparison: ComparisonRow) -> None:
    """The gallery with both models' boxes, and beside it the open photo."""
    st.subheader("Changed photos")
    changes = [PhotoChange.from_dict(entry) for entry in comparison.changed]
    if not changes:
        st.caption("Both models agree on all holdout photos.")
        return
    counts = {which: sum(test(change.gain) for change in changes) for which, test in WHICH.items()}
    which = st.segmented_control(
        "Show",
        list(WHICH),
        default=ALL,
        required=True,
        format_func=lambda which: f"{which} ({counts[which]:,})",
        key=SHOW_KEY,
        label_visibility="collapsed",
    )
    total = int(comparison.report.get("changed_photos", len(changes)))
    st.caption(
        f"{counted(total, 'photo')} changed, the largest changes first. Boxes of the champion are "
        ":orange[orange], the candidate's :green[green]."
    )
    shown = _existing(store, [change for change in changes if WHICH[which or ALL](change.gain)])
    if not shown:
        st.info("No such photo.", icon=":material/filter_list_off:")
        return
    gallery_side, photo_side = st.columns([2, 3], gap="medium")
    opened = next((entry for entry in shown if entry.row.id == st.session_state.get(OPEN_KEY)), shown[0])
    with gallery_side:
        tiles = [tile(entry, store.photos.thumbnail_of(entry.row)) for entry in shown]
        gallery.show_tiles(tiles, opened.row.id, key=KEY, on_opened=_opened)
    with photo_side:
        _open_photo(store, champion, candidate, opened)


def tile(shown: Shown, thumbnail: bytes) -> dict[str, Any]:
    """What the browser needs to draw one tile: both models' boxes in their colors."""
    row, change = shown.row, shown.change
    sides = ((change.champion, CHAMPION), (change.candidate, CANDIDATE))
    return {
        "number": row.id,
        "url": picture_url(thumbnail, "image/jpeg", f"{KEY}/{row.id}"),
        "alt": f"Photo {row.name}: {shown.words}",
        "width": row.width,
        "height": row.height,
        "name": row.name,
        "note": shown.words,
        "boxes": [{"box": list(box[:4]), "color": color} for found, color in sides for box in found],
    }


def pane(title: str, boxes: Sequence[NamedBox], names: Sequence[str]) -> Pane:
    """One model's boxes; the index of a name in ``names`` is its category id."""
    drawn = tuple(
        AnnotatedBox((x0, y0, x1, y1), names.index(name), uid=str(place), origin="model", score=score)
        for place, (x0, y0, x1, y1, name, score) in enumerate(boxes)
        if x1 > x0 and y1 > y0  # what is flat once rounded cannot be seen
    )
    return Pane(title, drawn, {}, {})


def annotated_boxes(annotation: Annotation, kind: str, categories: Mapping[int, Category]) -> list[NamedBox]:
    """The annotated boxes by category, or for classifiers by label."""
    return [
        (*box.box_xyxy, name, 1.0)
        for box in annotation.boxes
        if (name := box.label if kind == "classifier" else name_in(categories, box.category_id))
    ]


def _open_photo(store: Store, champion: ModelRow, candidate: ModelRow, shown: Shown) -> None:
    row, known = shown.row, store.categories.by_id()
    st.markdown(f"**{literal(row.name)}**")
    st.text("\n".join(shown.change.what))
    sides = {"Champion": shown.change.champion, "Candidate": shown.change.candidate}
    latest = store.annotations.latest(row.id)
    if latest is not None:
        sides[f"Annotated by {latest.author}"] = tuple(annotated_boxes(latest, champion.kind, known))
    names = sorted({box[4] for boxes in sides.values() for box in boxes})
    url = picture_url(store.photos.picture(row.id), "image/jpeg", f"{KEY}/open")
    panes = [pane(title, boxes, names) for title, boxes in sides.items()]
    show_panes(row, url, panes, as_categories(names, known.values()), f"changed-{row.id}")
    attention.show(store, champion, candidate, row.id)


def as_categories(names: Sequence[str], known: Iterable[Category]) -> dict[int, Category]:
    """Names as categories by index, in the store's color where it has the category."""
    colors = {category.name: category.color for category in known}
    return {
        place: Category(place, name, place, colors.get(name) or color_of(name))
        for place, name in enumerate(names)
    }


def _existing(store: Store, changes: Sequence[PhotoChange]) -> list[Shown]:
    """The first photos that have not been deleted since."""
    found: list[Shown] = []
    for change in changes:
        if len(found) == MAX_PHOTOS:
            break
        with suppress(NotFoundError):
            found.append(Shown(store.photos.get(change.photo_id), change))
    return found


def _opened() -> None:
    st.session_state[OPEN_KEY] = gallery.opened(KEY)
