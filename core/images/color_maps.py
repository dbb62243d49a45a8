"""Colors for maps: perceptually even ones from low to high, and diverging ones for signed values."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

SEQUENTIAL = (
    (68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37),
)  # fmt: skip
"""Ten evenly spaced stops of matplotlib's viridis (CC0): lightness rises evenly, also for the color-blind."""

DIVERGING = (
    (20, 74, 149), (65, 108, 171), (108, 142, 192), (151, 176, 212), (196, 210, 230), (245, 245, 245),
    (226, 203, 193), (205, 164, 146), (181, 125, 100), (156, 87, 54), (129, 48, 0),
)  # fmt: skip
"""Blue over white to brown, in OKLCH: lightness falls evenly from zero, in hues that all can tell apart."""

STOPS = {"sequential": SEQUENTIAL, "diverging": DIVERGING}


def hex_stops(name: str) -> list[str]:
    """The stops of ``sequential`` or ``diverging`` as #rrggbb, for a browser."""
    return ["#{:02x}{:02x}{:02x}".format(*stop) for stop in STOPS[name]]


@cache
def color_table(name: str) -> np.ndarray:
    """256 colors of ``sequential`` or ``diverging``: (256, 3) uint8."""
    stops = np.array(STOPS[name], dtype=np.float64)
    places = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def colored(values: np.ndarray, low: float, high: float, name: str = "sequential") -> np.ndarray:
    """A map (h, w) as colors (h, w, 3) uint8, ``low`` the first and ``high`` the last; NaN counts as low."""
    span = high - low if high > low else 1.0
    level = np.clip((np.nan_to_num(values, nan=low) - low) / span, 0.0, 1.0)
    return color_table(name)[np.rint(level * 255).astype(np.uint8)]


def overlay_values(
    image: Image.Image, values: np.ndarray, low: float, high: float, *, signed: bool, opacity: float = 0.65
) -> Image.Image:
    """The picture in gray under a map (h, w) over all of it, in even colors from ``low`` to ``high``."""
    fine = np.asarray(
        Image.fromarray(np.asarray(values, dtype=np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    )
    colors = Image.fromarray(colored(fine, low, high, "diverging" if signed else "sequential"))
    return Image.blend(image.convert("L").convert("RGB"), colors, opacity)
