"""The photo viewer: boxes and heat map overlays, which the browser switches and blends by itself.

``show_photo`` is interactive, ``show_still`` is not; ``show_picture`` draws a stored photo without overlays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.attention.maps import Layers, key_of
from app.components.modules import joined
from app.media import ink_on, picture_url
from app.preview.selection import PhotoView
from core.garments import Garment
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.photos import PhotoRow
from core.taxonomy import color_of

KEY = "viewer"
EVENTS = ("picked", "wants", "stepped", "ranked", "reversed", "keyed")
HERE = Path(__file__).parent
HTML = '<div class="lapel-viewer"></div>'
CSS, JS = (HERE / "viewer.css").read_text("utf-8"), joined(HERE / "viewer.js")

_viewer = st.components.v2.component("lapel_viewer", html=HTML, css=CSS, js=JS)
_picture = st.components.v2.component(
    "lapel_picture", html=HTML, css=CSS + ".modes, .frame + .bar { display: none; }", js=JS
)


def show_photo(
    view: PhotoView,
    selected: int | None,
    layers: Layers | None,
    names: Mapping[str, str],
    on_event: Mapping[str, Callable[[], None]],
) -> None:
    """Draw the photo; within a callback, ``event(name)`` says what happened.

    The events: ``picked``, a garment's number; ``wants``, an overlay whose maps are not there yet;
    ``stepped``, -1 or 1 for the photo before or after; ``ranked``, 0 to 4 for one of the selected garment's
    best labels; ``reversed``, -1 to undo and 1 to redo; ``keyed``, next, previous, accept or take out.
    """
    callbacks: dict[str, Any] = {f"on_{name}_change": on_event[name] for name in EVENTS}
    _viewer(key=KEY, data=view_data(view, selected, layers, names, KEY), **callbacks)


def show_still(view: PhotoView, layers: Layers, key: str = "still") -> None:
    """Draw a photo that reports no events; overlays still switch in the browser."""
    first = next(iter(view.garments), None)
    _viewer(key=key, data=view_data(view, first, layers, {}, key) | {"still": True})


def event(name: str) -> Any:
    """The value of a viewer's event, for use in its callback."""
    return st.session_state[KEY][name]


def view_data(
    view: PhotoView, selected: int | None, layers: Layers | None, names: Mapping[str, str], place: str
) -> dict[str, Any]:
    """The viewer's data; pictures go by URL, kept alive under ``place``."""
    item = view.item
    return {
        "photo": item.number,
        "title": item.spooled.name,
        "url": picture_url(item.spooled.view(), "image/jpeg", f"{place}/photo"),
        "alt": alt_text(view),
        "width": item.labeled.width,
        "height": item.labeled.height,
        "garments": [drawn(number, garment, names) for number, garment in view.garments.items()],
        "hidden": [drawn(number, garment, names) for number, garment in view.hidden.items()],
        "selected": selected,
        "state": str(key_of(view)),
        "layers": None if layers is None else layers.urls(place),
    }


def drawn(number: int, garment: Garment, names: Mapping[str, str]) -> dict[str, Any]:
    """One garment as the browser draws it: box in pixels of the photo, colors, tag and accessible name."""
    color = color_of(garment.category)
    category = names.get(garment.category, garment.category)
    mark = "corrected" if garment.corrected else f"{garment.score:.2f}"
    return {
        "number": number,
        "box": list(garment.box_xyxy),
        "score": 1.0 if garment.corrected else garment.score,
        "color": color,
        "ink": ink_on(color),
        "tag": f"{category} {'✓' if garment.corrected else mark}",
        "name": f"{category}, {mark}, {garment.best_label}",
    }


def alt_text(view: PhotoView) -> str:
    """The photo's alternative text."""
    categories = [garment.category for garment in view.garments.values()]
    return f"Photo {view.item.spooled.name}: {', '.join(categories) if categories else 'nothing found'}"


def show_picture(
    photo: PhotoRow,
    picture: bytes,
    boxes: Iterable[AnnotatedBox],
    categories: Mapping[int, Category],
    key: str,
) -> None:
    """Draw the photo with its boxes; ``picture`` is a JPEG, the boxes are in pixels of the whole photo."""
    drawn = [box_data(number, box, categories) for number, box in enumerate(boxes)]
    names = ", ".join(entry["name"] for entry in drawn) or "no boxes"
    data = {
        "photo": photo.id,
        "title": photo.name,
        "url": picture_url(picture, "image/jpeg", f"{key}/photo"),
        "alt": f"Photo {photo.name}: {names}",
        "width": photo.width,
        "height": photo.height,
        "garments": drawn,
        "hidden": [],
        "selected": None,
        "state": "",
        "still": True,
        "layers": None,
    }
    _picture(key=key, data=data)


def box_data(number: int, box: AnnotatedBox, categories: Mapping[int, Category]) -> dict[str, Any]:
    """One box as the browser draws it."""
    category = categories[box.category_id]
    return {
        "number": number,
        "box": list(box.box_xyxy),
        "score": 1.0 if box.score is None else box.score,
        "color": category.color,
        "ink": ink_on(category.color),
        "tag": category.name,
        "name": f"{category.name}, {box.label}" if box.label else category.name,
    }
