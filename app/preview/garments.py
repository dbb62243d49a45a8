"""All garments that pass the filter as crops: many are chosen at once, and set, accepted or taken out."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from app.components.modules import TILES_CSS, joined
from app.media import picture_url
from app.preview.selection import PhotoView
from app.preview.session import PreviewSession, Target
from core.garments import Box, Garment
from core.images.crops import crop_garment
from core.images.encode import downscaled, jpeg
from core.store.photo_spools import Item
from core.taxonomy import color_of

KEY = "garments"
PAGE = 60
CROP_SIDE = 256
MOST_KEYS = 100_000
HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lapel_garments",
    html='<div class="lapel-garments"></div>',
    css=TILES_CSS + (HERE / "garments.css").read_text("utf-8"),
    js=joined(HERE / "garments.js"),
)


def show_garments(
    session: PreviewSession,
    targets: Sequence[Target],
    *,
    categories: Sequence[str],
    labels: Sequence[str],
    on_open: Callable[[], object],
) -> None:
    """Draw a page of the garments; what is done to chosen ones happens to all of them as one step."""
    pages = max(1, -(-len(targets) // PAGE))
    page = st.pagination(pages, key=f"{KEY}-page-{pages}") if pages > 1 else 1
    shown = targets[(page - 1) * PAGE : page * PAGE]
    known = {key_of(target): target for target in targets}
    _component(
        key=KEY,
        data={
            "tiles": [tile(target, session.names) for target in shown],
            "all": list(known),
            "categories": [{"name": name, "text": _named(name, session.names)} for name in categories],
            "labels": list(labels),
        },
        on_action_change=lambda: perform(session, st.session_state[KEY]["action"], known, categories, labels),
        on_opened_change=partial(_open, session, known, on_open),
        on_reversed_change=partial(_reverse, session),
    )


def key_of(target: Target) -> str:
    """A garment's name in the browser."""
    return f"{target[0].item.number}-{target[1]}"


def tile(target: Target, names: Mapping[str, str]) -> dict[str, Any]:
    """What the browser needs to draw one garment."""
    view, number = target
    garment = view.garments[number]
    category = names.get(garment.category, garment.category)
    mark = "✓" if garment.corrected else f"{garment.score:.2f}"
    return {
        "key": key_of(target),
        "url": picture_url(crop(view, garment), "image/jpeg", f"{KEY}/{key_of(target)}"),
        "alt": f"{garment.best_label}, {category}, {mark}, in {view.item.spooled.name}",
        "name": view.item.spooled.name,
        "category": category,
        "label": garment.best_label,
        "mark": mark,
        "color": color_of(garment.category),
    }


def crop(view: PhotoView, garment: Garment) -> bytes:
    """A JPEG of the garment with a little around it, at most ``CROP_SIDE`` pixels a side."""
    found: bytes = _cropped(view.item.spooled.digest, garment.box_xyxy, view.item)
    return found


@st.cache_data(max_entries=4096, show_spinner=False)
def _cropped(digest: str, box_xyxy: Box, _item: Item) -> bytes:
    """Cached by the photo's digest and the box; cut out of the page's picture, which is quicker to decode."""
    with Image.open(io.BytesIO(_item.spooled.view())) as picture:
        scale = picture.width / _item.labeled.width
        cut = crop_garment(picture.convert("RGB"), tuple(value * scale for value in box_xyxy))
    return jpeg(downscaled(cut, CROP_SIDE), quality=85)


def _named(category: str, names: Mapping[str, str]) -> str:
    return f"{names[category]} ({category})" if category in names else category


def perform(
    session: PreviewSession,
    asked: object,
    known: Mapping[str, Target],
    categories: Sequence[str],
    labels: Sequence[str],
) -> None:
    """Do what the browser asked for; garments, categories and labels that are unknown are passed over."""
    if not isinstance(asked, Mapping) or not isinstance(asked.get("keys"), list):
        return
    keys = dict.fromkeys(key for key in asked["keys"][:MOST_KEYS] if isinstance(key, str))
    targets = [known[key] for key in keys if key in known]
    name, value = asked.get("name"), asked.get("value")
    if not targets:
        return
    if name == "category" and value in categories:
        session.change(targets, category=value)
    elif name == "label" and value in labels:
        session.change(targets, label=value)
    elif name == "accept":
        session.accept(targets)
    elif name == "take out":
        session.take_out(targets)


def _open(session: PreviewSession, known: Mapping[str, Target], on_open: Callable[[], object]) -> None:
    target = known.get(st.session_state[KEY]["opened"])
    if target is not None:
        session.open(target[0].item.number)
        session.garment = target[1]
        on_open()


def _reverse(session: PreviewSession) -> None:
    if st.session_state[KEY]["reversed"] < 0:
        session.undo()
    else:
        session.redo()
