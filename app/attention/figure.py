"""Maps over one picture as a browser component: panels, colors, a point to move, figures to download.

Values go to the browser as they are; it draws them, and maps of a point without a round trip.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from app.attention.link import PREFIX, remember
from app.components.modules import joined
from app.media import picture_url
from core.images.color_maps import STOPS, hex_stops
from core.images.encode import downscaled, jpeg

HERE = Path(__file__).parent
PICTURE_SIDE, QUALITY = 800, 88
WHOLE = (0.0, 0.0, 1.0, 1.0)
VIEW_PARAMETER, FIGURE_VIEW, MAX_VIEW_LENGTH = "look", "figure_view", 60
"""The parameter of the address for what is chosen in a figure: its key, a colon, the browser's words; what
the browser calls these, and how many characters of them are kept."""

_component = st.components.v2.component(
    "lapel_figure",
    html='<div class="lapel-figure"></div>',
    css=(HERE / "figure.css").read_text("utf-8"),
    js=joined(HERE / "figure.js"),
)


@dataclass(frozen=True)
class Scale:
    """What the first and the last color stand for; a signed one is the same on both sides of zero."""

    low: float
    high: float
    signed: bool = False
    unit: str = ""


def scale_of(maps: Sequence[np.ndarray], *, signed: bool = False, unit: str = "") -> Scale:
    """One scale that holds all of these maps, from zero on for those that are not signed.

    >>> scale_of([np.array([[1.0, -3.0]])], signed=True)
    Scale(low=-3.0, high=3.0, signed=True, unit='')
    """
    low = min((float(values.min()) for values in maps), default=0.0)
    high = max((float(values.max()) for values in maps), default=0.0)
    if signed:
        most = max(abs(low), abs(high)) or 1.0
        return Scale(-most, most, True, unit)
    low = min(low, 0.0)
    return Scale(low, high if high > low else low + 1.0, False, unit)


def span_of(change: np.ndarray) -> str:
    """The least and the greatest of a map of differences, for its title.

    >>> span_of(np.array([[0.5, -1.25]]))
    '-1.25 to +0.50'
    """
    return f"{change.min():+.2f} to {change.max():+.2f}"


@dataclass(frozen=True, eq=False)
class Panel:
    """A map (h, w) with its title, over ``extent`` of the picture (x0, y0, x1, y1 in shares of its sides)."""

    title: str
    values: np.ndarray
    scale: Scale
    extent: tuple[float, float, float, float] = WHOLE


@dataclass(frozen=True, eq=False)
class Section:
    """Panels side by side under one title."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, eq=False)
class PointModel:
    """One model's attention: the two terms of its logits (heads, n, n), and shares (n, finer^2) or None."""

    title: str
    content: np.ndarray
    position: np.ndarray
    shares: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Pointed:
    """Maps of a point, drawn in the browser: where it is at first, on a grid of ``size`` x ``size`` places.

    ``finer`` is the side of the finer map that ``shares`` lead to, 0 for none.
    """

    row: int
    column: int
    size: int
    models: Sequence[PointModel]
    finer: int = 0


@dataclass(frozen=True, eq=False)
class Picture:
    """The picture under the maps; ``ratio`` is its width over its height as shown.

    ``marks`` are boxes drawn on it, in shares of its sides.
    """

    image: Image.Image
    ratio: float
    alt: str
    marks: Sequence[tuple[float, float, float, float]] = field(default_factory=tuple)


def show_figure(
    key: str,
    picture: Picture,
    sections: Sequence[Section] = (),
    *,
    pointed: Pointed | None = None,
    title: str,
    note: str,
    name: str,
    identity: str = "",
    first: int = 0,
    on_point: Callable[[], None] | None = None,
) -> None:
    """Draw the figure. With ``pointed`` its maps are shown, else ``sections``.

    ``title`` and ``note`` are written into downloaded figures, ``name`` is their file name without ending.
    ``identity`` says what is shown: another one begins with the panel ``first`` and the given point.
    ``on_point`` is called once the point rests; ``point_of(key)`` says where. What is chosen in the figure
    goes into the address, and comes from there.
    """
    arrays = Numbers()
    small = jpeg(downscaled(picture.image, PICTURE_SIDE), QUALITY)
    data: dict[str, Any] = {
        "key": f"{key}/{identity}",
        "picture": {
            "url": picture_url(small, "image/jpeg", f"{key}/photo"),
            "ratio": picture.ratio,
            "alt": picture.alt,
        },
        "marks": [list(mark) for mark in picture.marks],
        "colors": {kind: hex_stops(kind) for kind in STOPS},
        "title": title,
        "note": note,
        "name": name,
        "first": first,
        FIGURE_VIEW: requested_figure_view(key),
    }  # fmt: skip
    data |= figure_data(sections, pointed, arrays)
    data["numbers"] = picture_url(arrays.data(), "application/octet-stream", f"{key}/numbers")
    _component(
        key=key,
        data=data,
        on_point_change=on_point or (lambda: None),
        on_figure_view_change=lambda: _remember_figure_view(key),
    )


def requested_figure_view(key: str) -> str:
    """What the address says was chosen in this figure; empty where it says nothing of it."""
    name, _, view = st.query_params.get(VIEW_PARAMETER, "").partition(":")
    return view[:MAX_VIEW_LENGTH] if name == key.removeprefix(PREFIX) else ""


def _remember_figure_view(key: str) -> None:
    state: Mapping[str, Any] = st.session_state.get(key) or {}
    if isinstance(view := state.get(FIGURE_VIEW), str):
        remember(**{VIEW_PARAMETER: f"{key.removeprefix(PREFIX)}:{view[:MAX_VIEW_LENGTH]}"})


def figure_data(sections: Sequence[Section], pointed: Pointed | None, arrays: Numbers) -> dict[str, Any]:
    """What the browser needs to draw panels; their values are added to ``arrays``."""
    scales: dict[Scale, str] = {}
    shown = [
        {
            "title": section.title,
            "panels": [
                {
                    "title": panel.title,
                    "at": arrays.add(panel.values),
                    "shape": list(panel.values.shape),
                    "extent": list(panel.extent),
                    "scale": scales.setdefault(panel.scale, str(len(scales))),
                }
                for panel in section.panels
            ],
        }
        for section in sections
    ]
    kinds = {
        name: {"low": scale.low, "high": scale.high, "signed": scale.signed, "unit": scale.unit}
        for scale, name in scales.items()
    }
    return {"sections": shown, "scales": kinds, "point": pointed and _pointed_data(pointed, arrays)}


def _pointed_data(pointed: Pointed, arrays: Numbers) -> dict[str, Any]:
    models = [
        {
            "title": model.title,
            "content": arrays.add(model.content),
            "position": arrays.add(model.position),
            "shares": None if model.shares is None else arrays.add(model.shares),
        }
        for model in pointed.models
    ]
    heads = len(pointed.models[0].content)
    place = {"row": pointed.row, "column": pointed.column, "size": pointed.size}
    return place | {"heads": heads, "finer": pointed.finer, "models": models}


class Numbers:
    """Arrays one after the other as float32, for the browser."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._length = 0

    def add(self, values: np.ndarray) -> int:
        """Append an array; gives the place of its first number."""
        start = self._length
        self._parts.append(np.asarray(values, dtype="<f4").ravel())
        self._length += self._parts[-1].size
        return start

    def data(self) -> bytes:
        """All numbers, little-endian."""
        return b"".join(part.tobytes() for part in self._parts)


def point_of(key: str) -> tuple[int, int] | None:
    """Row and column where the point rests, for use in ``on_point``; None where it was not moved."""
    try:
        point = st.session_state[key]["point"]
        return int(point["row"]), int(point["column"])
    except (TypeError, KeyError, ValueError):
        return None


def npz_button(arrays: Callable[[], Mapping[str, Any]], name: str, key: str) -> None:
    """A button that downloads all numbers of a view; they are packed at the click."""

    def packed() -> bytes:
        out = io.BytesIO()
        named: dict[str, Any] = {key: np.asarray(values) for key, values in arrays().items()}
        np.savez_compressed(out, **named)
        return out.getvalue()

    st.download_button(
        "Numbers (npz)",
        packed,
        f"{name}.npz",
        "application/octet-stream",
        icon=":material/download:",
        key=key,
        on_click="ignore",
        help="All maps of this view as NumPy arrays.",
    )
