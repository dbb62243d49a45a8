"""The photos of a report: those of the confusion matrix's open cell, or the worst ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from app.components.choices import remember
from app.components.panes import Pane, show_panes
from app.media import picture_url
from app.models.changed import as_categories
from app.models.report_source import Pictures
from app.preview import gallery
from app.text import counted, literal
from core.errors import NotFoundError
from core.evaluation.report.parts import cell_title
from core.evaluation.report.photos import BACKGROUND_NAME, MISSED_NAME, ReportPhoto
from core.store import Store
from core.store.boxes import AnnotatedBox

COMPONENT_KEY, CELL_KEY, CELL = "report-body", "report-cell", "cell"
KEY, OPEN_KEY = "report-gallery", "report-photo"
MAX_PHOTOS = 48
COLORS = {
    "found": "#2fbfae",
    "right": "#2fbfae",
    "missed": "#ff5b45",
    "confused": "#f0a33c",
    "background": "#c98bff",
}
"""What a box is, by color, as in the report's file."""


def open_cell(report: Mapping[str, Any]) -> int | None:
    """The number of the open cell: from the URL until somebody clicks; None where none is open."""
    if CELL_KEY not in st.session_state:
        st.session_state[CELL_KEY] = st.query_params.get(CELL, "")
    wanted = st.session_state[CELL_KEY]
    numbers = {_name(report, cell): number for number, cell in enumerate(report["confusion"]["cells"])}
    remember(CELL, wanted if wanted in numbers else None)
    return numbers.get(wanted)


def toggle_cell(report: Mapping[str, Any]) -> None:
    """Open the cell that was clicked, or close it again; for use in the component's callback."""
    number = st.session_state[COMPONENT_KEY]["cell"]
    if number is None:
        return
    name = _name(report, report["confusion"]["cells"][int(number)])
    st.session_state[CELL_KEY] = "" if st.session_state.get(CELL_KEY) == name else name


def _name(report: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """A cell's name in the URL."""
    return "~".join(_cell_names(report["confusion"], cell))


def show(store: Store, pictures: Pictures, report: Mapping[str, Any], cell: int | None) -> None:
    """A gallery of the cell's photos, or of the worst ones, and the open photo beside it."""
    confusion, photos = report["confusion"], report["photos"]
    if cell is None:
        st.markdown("**Worst photos first**")
        listed = [photo for photo in photos if photo["errors"]]
    else:
        entry = confusion["cells"][cell]
        title = cell_title(*_cell_names(confusion, entry))
        st.markdown(f"**{literal(title)}: {entry['count']:,}**")
        listed = [photos[place] for place in entry["photos"]]
    shown = _existing(pictures, listed)
    if not shown:
        st.caption("No photo to show.")
        return
    first = f"The first {len(shown)} of {counted(len(listed), 'photo')}. " if len(listed) > len(shown) else ""
    if report["kind"] == "detector":
        st.caption(f"{first}Boxes: green found, red missed, orange confused, violet background.")
    gallery_side, photo_side = st.columns([2, 3], gap="medium")
    opened = next((pair for pair in shown if pair[0].id == st.session_state.get(OPEN_KEY)), shown[0])
    with gallery_side:
        tiles = [_tile(row, photo, pictures.thumbnail(row.id)) for row, photo in shown]
        gallery.show_tiles(tiles, opened[0].id, key=KEY, on_opened=_opened)
    names = None if cell is None else _cell_names(confusion, confusion["cells"][cell])
    with photo_side:
        _open_photo(store, pictures, *opened, names)


def thumbnails(pictures: Pictures, report: Mapping[str, Any], most: int) -> dict[int, bytes]:
    """The pictures of the first listed photos in small, by their place; without those deleted since."""
    found: dict[int, bytes] = {}
    for place, photo in enumerate(report["photos"][:most]):
        with suppress(NotFoundError):
            found[place] = pictures.thumbnail(photo["id"])
    return found


def _existing(
    pictures: Pictures, listed: Sequence[Mapping[str, Any]]
) -> list[tuple[ReportPhoto, Mapping[str, Any]]]:
    """The first photos that still exist; of one that is listed for several of its garments, the first."""
    found: dict[int, tuple[ReportPhoto, Mapping[str, Any]]] = {}
    for photo in listed:
        if len(found) == MAX_PHOTOS:
            break
        if photo["id"] not in found:
            with suppress(NotFoundError):
                found[photo["id"]] = (pictures.photo(photo["id"]), photo)
    return list(found.values())


def _tile(row: ReportPhoto, photo: Mapping[str, Any], thumbnail: bytes) -> dict[str, Any]:
    """What the browser needs to draw one tile: annotated and detected boxes by what they are."""
    boxes = [(box[:4], box[5]) for box in photo["boxes"]] + [(box[:4], box[6]) for box in photo["detections"]]
    return {
        "number": row.id,
        "url": picture_url(thumbnail, "image/jpeg", f"{KEY}/{row.id}"),
        "alt": f"Photo {row.name}: {said_of(photo)}",
        "width": row.width,
        "height": row.height,
        "name": row.name,
        "note": said_of(photo),
        "boxes": [{"box": box, "color": COLORS[state]} for box, state in boxes],
    }


def said_of(photo: Mapping[str, Any]) -> str:
    """A photo's errors in words, or a garment's first labels."""
    if "top" in photo:
        first = ", ".join(f"{label} {share:.2f}" for label, share in photo["top"])
        return f"{photo['label']}, predicted: {first}"
    return "; ".join(photo["said"]) or "no error"


def _cell_names(confusion: Mapping[str, Any], cell: Mapping[str, Any]) -> tuple[str, str]:
    return confusion["rows"][cell["row"]], confusion["columns"][cell["column"]]


def _open_photo(
    store: Store,
    pictures: Pictures,
    row: ReportPhoto,
    photo: Mapping[str, Any],
    cell: tuple[str, str] | None,
) -> None:
    """The photo with annotated and detected boxes, those of the open cell (row, column) bold."""
    st.markdown(f"**{literal(row.name)}**")
    st.text(said_of(photo).replace("; ", "\n"))
    names = sorted({box[4] for side in ("boxes", "detections") for box in photo[side]})
    row_name, column = cell or (None, None)
    is_right = row_name == column
    missed = "missed" if column == MISSED_NAME else "found" if is_right else "confused"
    panes = [Pane("Annotated", _drawn(photo["boxes"], names), _marks(photo["boxes"], row_name, missed), {})]
    if found := photo["detections"]:
        wrong = "background" if row_name == BACKGROUND_NAME else "right" if is_right else "confused"
        panes.append(Pane("Detected", _drawn(found, names), _marks(found, column, wrong), {}))
    url = picture_url(pictures.picture(row.id), "image/jpeg", f"{KEY}/open")
    categories = as_categories(names, store.categories.all())
    show_panes(row, url, panes, categories, f"report-open-{row.id}")


def _drawn(boxes: Sequence[Sequence[Any]], names: Sequence[str]) -> tuple[AnnotatedBox, ...]:
    """A photo's boxes as panes draw them; the index of a name in ``names`` is its category id."""
    return tuple(
        AnnotatedBox((x0, y0, x1, y1), names.index(name), uid=str(place))
        for place, (x0, y0, x1, y1, name, *_) in enumerate(boxes)
        if x1 > x0 and y1 > y0
    )


def _marks(boxes: Sequence[Sequence[Any]], name: str | None, state: str) -> dict[str, str]:
    """The boxes of the open cell, by uid: those of this name that are so."""
    return {str(place): "chosen" for place, box in enumerate(boxes) if (box[4], box[-1]) == (name, state)}


def _opened() -> None:
    st.session_state[OPEN_KEY] = gallery.opened(KEY)
