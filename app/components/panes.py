"""Versions of a photo's boxes beside each other, to be compared, and to be chosen from by a click."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.modules import joined
from app.media import ink_on
from core.evaluation.report.photos import ReportPhoto
from core.store.boxes import AnnotatedBox
from core.store.categories import Category
from core.store.photos import PhotoRow

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lapel_panes",
    html='<div class="lapel-panes"></div>',
    css=(HERE / "panes.css").read_text("utf-8"),
    js=joined(HERE / "panes.js"),
)


@dataclass(frozen=True)
class Pane:
    """One version: its title, its boxes, and how some of them are marked, by uid.

    Marks: ``same`` (dotted), ``dropped`` (pale), ``chosen`` (bold); others are drawn as they are.
    ``numbers`` names boxes by the rows that they belong to.
    """

    title: str
    boxes: tuple[AnnotatedBox, ...]
    marks: Mapping[str, str]
    numbers: Mapping[str, int]


def show_panes(
    photo: PhotoRow | ReportPhoto,
    url: str,
    panes: Sequence[Pane],
    categories: Mapping[int, Category],
    key: str,
    on_picked: Callable[[], None] | None = None,
) -> None:
    """Draw the photo once a pane; within ``on_picked``, ``picked(key)`` says which box was clicked."""
    data = {
        "photo": {"url": url, "width": photo.width, "height": photo.height, "alt": photo.name},
        "panes": [{"title": pane.title, "boxes": list(drawn(pane, categories))} for pane in panes],
        "pickable": on_picked is not None,
    }
    _component(key=key, data=data, on_picked_change=on_picked or (lambda: None))


def picked(key: str) -> tuple[int, str]:
    """The pane (from 0) and the uid of the box that was clicked, for use in the callback."""
    event = st.session_state[key]["picked"]
    return int(event["pane"]), str(event["uid"])


def drawn(pane: Pane, categories: Mapping[int, Category]) -> Iterable[dict[str, Any]]:
    """The pane's boxes as the browser draws them."""
    for box in pane.boxes:
        color = color_in(categories, box.category_id)
        name = name_in(categories, box.category_id)
        number = pane.numbers.get(box.uid)
        yield {
            "uid": box.uid,
            "box": list(box.box_xyxy),
            "color": color,
            "ink": ink_on(color),
            "tag": name if number is None else f"{number} {name}",
            "mark": pane.marks.get(box.uid, ""),
            "name": f"{name}, {pane.title}",
        }


def name_in(categories: Mapping[int, Category], category_id: int) -> str:
    """A category's name, also of one that is not there any more."""
    return categories[category_id].name if category_id in categories else f"category {category_id}"


def color_in(categories: Mapping[int, Category], category_id: int) -> str:
    """A category's color, gray for one that is not there any more."""
    return categories[category_id].color if category_id in categories else "#777777"
