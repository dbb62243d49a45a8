"""The gallery: thumbnails with boxes; a click opens a photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.modules import TILES_CSS, joined
from app.media import picture_url
from app.preview.selection import PhotoView
from app.preview.viewer import alt_text
from core.taxonomy import color_of

KEY = "gallery"
PAGE = 24
HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lapel_gallery",
    html='<div class="lapel-gallery grid" role="group" aria-label="Photos"></div>',
    css=TILES_CSS + (HERE / "gallery.css").read_text("utf-8"),
    js=joined(HERE / "gallery.js"),
)


def show_gallery(
    photos: Sequence[PhotoView],
    selected: int | None,
    names: Mapping[str, str],
    *,
    on_opened: Callable[[], None],
) -> None:
    """Draw the tiles; within ``on_opened``, ``opened()`` gives the photo's number."""
    show_tiles([tile(view, names) for view in photos], selected, on_opened=on_opened)


def show_tiles(
    tiles: Sequence[Mapping[str, Any]],
    selected: int | None,
    *,
    on_opened: Callable[[], None],
    key: str = KEY,
) -> None:
    """Draw tiles as ``tile`` makes them; within ``on_opened``, ``opened(key)`` gives the photo's number."""
    _component(key=key, data={"tiles": list(tiles), "selected": selected}, on_opened_change=on_opened)


def opened(key: str = KEY) -> int:
    """The number of the photo that was clicked, for use in the callback."""
    return int(st.session_state[key]["opened"])


def tile(view: PhotoView, names: Mapping[str, str]) -> dict[str, Any]:
    """What the browser needs to draw one tile."""
    item = view.item
    return {
        "number": item.number,
        "url": picture_url(item.spooled.thumbnail, "image/jpeg", f"gallery/{item.number}"),
        "alt": alt_text(view),
        "width": item.labeled.width,
        "height": item.labeled.height,
        "name": item.spooled.name,
        "note": note(view, names),
        "boxes": [{"box": list(g.box_xyxy), "color": color_of(g.category)} for g in view.garments.values()],
    }


def note(view: PhotoView, names: Mapping[str, str]) -> str:
    """The line under a tile: the categories found, and whether it is uncertain."""
    found = ", ".join(dict.fromkeys(names.get(g.category, g.category) for g in view.garments.values()))
    return f"{'uncertain · ' if view.uncertain else ''}{found or 'nothing found'}"


def pages(photos: Sequence[PhotoView]) -> int:
    """How many pages the tiles take, at least one."""
    return max(1, -(-len(photos) // PAGE))


def page_of(photos: Sequence[PhotoView], number: int | None) -> int:
    """The page, from 1, that shows a photo; 1 where it is not among them."""
    numbers = [view.item.number for view in photos]
    return numbers.index(number) // PAGE + 1 if number in numbers else 1


def on_page(photos: Sequence[PhotoView], page: int) -> Sequence[PhotoView]:
    """The photos of one page, counted from 1."""
    return photos[(page - 1) * PAGE : page * PAGE]
