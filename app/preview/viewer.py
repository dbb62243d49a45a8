"""A stored photo with the boxes on it, to be looked at: the viewer without overlays and events.

The photo view: boxes over the photo, and overlays that the browser switches and blends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.attention.maps import Layers, key_of
from app.media import picture_url
from app.preview.selection import Seen
from core.garments import Garment
from core.images.drawing import hex_to_rgb, text_colour
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.photos import PhotoRow
from core.taxonomy import colour_of

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lapel_picture",
    html='<div class="lapel-viewer"></div>',
    css=(HERE / "viewer.css").read_text("utf-8") + ".modes, .frame + .bar { display: none; }",
    js=(HERE / "viewer.js").read_text("utf-8"),
)


def show_picture(
    photo: PhotoRow,
    picture: bytes,
    boxes: Iterable[AnnotatedBox],
    categories: Mapping[int, Category],
    key: str,
) -> None:
    """Draw the photo with its boxes; ``picture`` is a JPEG, the boxes are in pixels of the whole photo."""
    drawn = [drawn_box(number, box, categories) for number, box in enumerate(boxes)]
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
    _component(key=key, data=data)


def drawn_box(number: int, box: AnnotatedBox, categories: Mapping[int, Category]) -> dict[str, Any]:
    """One box as the browser draws it."""
    category = categories[box.category_id]
    return {
        "number": number,
        "box": list(box.box_xyxy),
        "score": 1.0 if box.score is None else box.score,
        "colour": category.colour,
        "ink": "#{:02x}{:02x}{:02x}".format(*text_colour(hex_to_rgb(category.colour))),
        "tag": category.name,
        "name": f"{category.name}, {box.label}" if box.label else category.name,
    }


KEY = "viewer"
HERE = Path(__file__).parent

_component_viewer = st.components.v2.component(
    "lapel_viewer",
    html='<div class="lapel-viewer"></div>',
    css=(HERE / "viewer.css").read_text("utf-8"),
    js=(HERE / "viewer.js").read_text("utf-8"),
)


EVENTS = ("picked", "wants", "stepped", "ranked", "reversed")


def show_photo(
    seen: Seen,
    selected: int | None,
    layers: Layers | None,
    names: Mapping[str, str],
    on_event: Mapping[str, Callable[[], None]],
) -> None:
    """Draw the photo; within a callback, ``event(name)`` says what happened.

    The events: ``picked``, a garment's number; ``wants``, an overlay whose maps are not there yet;
    ``stepped``, -1 or 1 for the photo before or after; ``ranked``, 0 to 4 for one of the selected garment's
    best labels; ``reversed``, -1 to undo and 1 to redo.
    """
    callbacks: dict[str, Any] = {f"on_{name}_change": on_event[name] for name in EVENTS}
    _component_viewer(key=KEY, data=view_data(seen, selected, layers, names, KEY), **callbacks)


def show_still(seen: Seen, layers: Layers, key: str = "still") -> None:
    """Draw a photo to be looked at only: overlays answer in the browser, the page does not."""
    first = next(iter(seen.garments), None)
    _component_viewer(key=key, data=view_data(seen, first, layers, {}, key) | {"still": True})


def event(name: str) -> Any:
    """What the viewer reports, for use in its callbacks."""
    return st.session_state[KEY][name]


def view_data(
    seen: Seen, selected: int | None, layers: Layers | None, names: Mapping[str, str], place: str
) -> dict[str, Any]:
    """What the browser needs to draw the photo; pictures go by address, kept alive under ``place``."""
    item = seen.item
    return {
        "photo": item.number,
        "title": item.kept.name,
        "url": picture_url(item.kept.view(), "image/jpeg", f"{place}/photo"),
        "alt": described(seen),
        "width": item.labeled.width,
        "height": item.labeled.height,
        "garments": [drawn(number, garment, names) for number, garment in seen.garments.items()],
        "hidden": [drawn(number, garment, names) for number, garment in seen.hidden.items()],
        "selected": selected,
        "state": str(key_of(seen)),
        "layers": None if layers is None else layers.urls(place),
    }


def drawn(number: int, garment: Garment, names: Mapping[str, str]) -> dict[str, Any]:
    """One garment as the browser draws it: box in pixels of the photo, colours, tag and spoken name."""
    colour = colour_of(garment.category)
    category = names.get(garment.category, garment.category)
    mark = "corrected" if garment.corrected else f"{garment.score:.2f}"
    return {
        "number": number,
        "box": list(garment.box_xyxy),
        "score": 1.0 if garment.corrected else garment.score,
        "colour": colour,
        "ink": "#{:02x}{:02x}{:02x}".format(*text_colour(hex_to_rgb(colour))),
        "tag": f"{category} {'✓' if garment.corrected else mark}",
        "name": f"{category}, {mark}, {garment.best_label}",
    }


def described(seen: Seen) -> str:
    """The photo in words, for those who cannot see it."""
    categories = [garment.category for garment in seen.garments.values()]
    return f"Photo {seen.item.kept.name}: {', '.join(categories) if categories else 'nothing found'}"
