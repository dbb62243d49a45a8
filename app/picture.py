"""A stored photo with the boxes on it, to be looked at: the viewer without overlays and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.media import picture_url
from core.drawing import hex_to_rgb, text_colour
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.photos import PhotoRow

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
