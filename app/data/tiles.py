"""Photos or crops of boxes as tiles: a click opens one, a tick chooses it, with Shift a whole row of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from app.components.modules import TILES_CSS, joined
from app.media import picture_url
from core.errors import NotFoundError
from core.garments import Box
from core.images.crops import crop_garment
from core.images.encode import downscaled, jpeg
from core.store import Store
from core.store.photos import PhotoRow

KEY = "found"
CROP_SIDE = 256
HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lapel_tiles",
    html='<div class="lapel-tiles grid" role="group" aria-label="Photos found"></div>',
    css=TILES_CSS + (HERE / "tiles.css").read_text("utf-8"),
    js=joined(HERE / "tiles.js"),
)


@dataclass(frozen=True)
class Tile:
    """One result. ``key`` names it, ``boxes`` are (box in pixels of the photo, color).

    Where ``crop_xyxy`` is given, that part of the photo is shown alone; ``color`` is then its category's.
    """

    key: str
    photo: PhotoRow
    name: str
    note: str
    boxes: Sequence[tuple[Box, str]] = ()
    crop_xyxy: Box | None = None
    color: str = ""


def show_tiles(
    store: Store,
    tiles: Sequence[Tile],
    chosen: Sequence[str],
    opened: str | None,
    *,
    on_open: Callable[[str], object],
    on_choose: Callable[[Sequence[str], bool], object],
    key: str = KEY,
) -> None:
    """Draw the tiles; ``on_choose`` gets keys of these tiles and whether they are chosen from now on."""
    known = {tile.key for tile in tiles}

    def open_one() -> None:
        asked = st.session_state[key]["opened"]
        if asked in known:
            on_open(asked)

    def choose() -> None:
        asked = st.session_state[key]["chose"]
        if isinstance(asked, dict) and isinstance(asked.get("keys"), list):
            on_choose([one for one in asked["keys"] if one in known], bool(asked.get("on")))

    _component(
        key=key,
        data={
            "tiles": [_data(store, tile, key) for tile in tiles],
            "chosen": [one for one in chosen if one in known],
            "opened": opened,
        },
        on_opened_change=open_one,
        on_chose_change=choose,
    )


def _data(store: Store, tile: Tile, place: str) -> dict[str, Any]:
    row, boxes = tile.photo, tile.boxes
    picture, size_wh = b"", (row.width, row.height)
    try:
        if tile.crop_xyxy is None:
            picture = store.photos.thumbnail_of(row)
        else:
            picture, boxes = crop(store, row, tile.crop_xyxy), ()
            x0, y0, x1, y1 = tile.crop_xyxy
            size_wh = max(1, round(x1 - x0)), max(1, round(y1 - y0))
    except NotFoundError:  # deleted a moment ago: the tile says what it was
        boxes = ()
    return {
        "key": tile.key,
        "url": picture_url(picture, "image/jpeg", f"{place}/{tile.key}") if picture else "",
        "alt": f"{tile.name}, {tile.note}",
        "width": size_wh[0],
        "height": size_wh[1],
        "crop": tile.crop_xyxy is not None,
        "name": tile.name,
        "note": tile.note,
        "color": tile.color,
        "boxes": [{"box": list(box), "color": color} for box, color in boxes],
    }


def crop(store: Store, row: PhotoRow, box_xyxy: Box) -> bytes:
    """A JPEG of a box with a little around it, at most ``CROP_SIDE`` pixels a side. Raises NotFoundError."""
    found: bytes = _cropped(row.digest, box_xyxy, row.id, row.width, store)
    return found


@st.cache_data(max_entries=4096, show_spinner=False)
def _cropped(digest: str, box_xyxy: Box, _photo_id: int, width: int, _store: Store) -> bytes:
    """Cached by the photo's digest and the box. The decoder leaves out detail that the crop cannot show."""
    x0, y0, x1, y1 = box_xyxy
    with Image.open(io.BytesIO(_store.photos.picture(_photo_id))) as picture:
        share = CROP_SIDE / max(1.0, x1 - x0, y1 - y0)
        if share < 1:
            picture.draft("RGB", (round(picture.width * share), round(picture.height * share)))
        scale = picture.width / width
        cut = crop_garment(picture.convert("RGB"), [value * scale for value in box_xyxy])
    return jpeg(downscaled(cut, CROP_SIDE), quality=85)
