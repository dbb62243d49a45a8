"""The canvas: fills outlines with cloth under one light, and remembers which garment each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter

from tools.synthetic.fabrics import Color, Fabric, noise
from tools.synthetic.outlines import Placement, Points

LIGHT_XY = (-0.55, -0.83)
"""Where the light comes from: up and left."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Part:
    """A filled outline.

    ``fabric`` None takes the garment's; ``shade`` darkens it (the inside of a garment); ``grain`` turns the
    pattern, in radians (a sleeve's); ``relief`` is how rounded it looks; ``shadow`` is how dark a shadow it
    throws on what lies right beneath.
    """

    points: Points
    fabric: Fabric | None = None
    shade: float = 1.0
    grain: float = 0.0
    relief: float = 1.0
    shadow: float = 0.3


@dataclass(frozen=True)
class Stroke:
    """A line, ``width`` heads wide: a seam that darkens (``shade``) or, with a color, a thread or a zip."""

    points: Points
    width: float = 0.02
    shade: float = 0.75
    color: Color | None = None


Mark = Part | Stroke


def blur(values: np.ndarray, radius: float) -> np.ndarray:
    """Near a Gaussian blur of (h, w), with the edges carried on."""
    for _ in range(3):
        values = uniform_filter(values, 2 * max(1, round(radius / 1.7)) + 1, mode="nearest")
    return values


def shading(height: np.ndarray) -> np.ndarray:
    """How bright a height map (in pixels) is under the light: 1 where it is level."""
    slope_y, slope_x = np.gradient(height)
    return 1 - 0.5 * np.tanh(1.5 * (slope_x * LIGHT_XY[0] + slope_y * LIGHT_XY[1]))


def creases(shape_hw: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """A height map of cloth, in pixels: folds of three sizes, each in its direction."""
    total = np.zeros(shape_hw, dtype=np.float32)
    side = int(np.hypot(*shape_hw)) + 2
    left, top = (side - shape_hw[1]) // 2, (side - shape_hw[0]) // 2
    for size, weight in ((0.9, 0.3), (0.42, 0.24), (0.17, 0.12)):
        field = np.hypot(noise((side, side // 3), size * scale, rng), 0.2)
        fold = (
            Image.fromarray(field).resize((side, side)).rotate(rng.normal(90, 35), Image.Resampling.BILINEAR)
        )
        total -= weight * size * scale * np.asarray(fold)[top:, left:][: shape_hw[0], : shape_hw[1]]
    return total


class Canvas:
    """Pixels (H, W, 3) in 0..1 and, for each, the number of the garment it shows (0 for none)."""

    def __init__(self, pixels: np.ndarray, rng: np.random.Generator) -> None:
        self.pixels = pixels.astype(np.float32)
        self.owner: np.ndarray = np.zeros(pixels.shape[:2], dtype=np.int16)
        self._rng = rng

    def paint(self, mark: Mark, placement: Placement, fabric: Fabric, owner: int) -> None:
        """Fill a part or draw a stroke, for the garment with this number."""
        scale = placement.scale
        points = placement.to_pixels(mark.points)
        if isinstance(mark, Stroke):
            window, mask = self._mask(points, 2, max(1, round(mark.width * scale)))
            if mark.color is None:
                self.pixels[window] *= 1 - (1 - mark.shade) * mask[..., None]
                return
            colors = np.broadcast_to(mark.color, (*mask.shape, 3))
        else:
            window, mask = self._mask(points, 0.2 * scale + 4)
            if not mask.any():
                return
            cloth = mark.fabric or fabric
            soft = blur(mask, 0.05 * scale)
            self.pixels[window] *= 1 - mark.shadow * soft[..., None]
            height = mark.relief * 0.11 * scale * blur(mask, 0.11 * scale)
            if cloth.wrinkle > 0 and mask.size > 2000:
                height = height + cloth.wrinkle * creases((mask.shape[0], mask.shape[1]), scale, self._rng)
            hollow = 0.86 + 0.14 * soft  # edges turn away from the viewer
            light = np.clip(shading(height) * hollow, 0.35, 1.45)[..., None]
            shine = cloth.gloss * np.clip(light - 1.0, 0.0, None) ** 2 * 6.0
            colors = cloth.colors(*placement.grid(window, mark.grain)) * mark.shade * light + shine
        self.pixels[window] += (np.clip(colors, 0.0, 1.0) - self.pixels[window]) * mask[..., None]
        self.owner[window][mask > 0.5] = owner

    def drop_shadow(
        self, outlines: list[Points], offset_xy: tuple[float, float], radius: float, strength: float
    ) -> None:
        """Darken the ground under outlines (in pixels), softly and aside."""
        mask = np.zeros(self.owner.shape, dtype=np.float32)
        for outline in outlines:
            window, part = self._mask(outline + np.array(offset_xy), 0)
            mask[window] = np.maximum(mask[window], part)
        self.pixels *= 1 - strength * blur(mask, radius)[..., None]

    def _mask(self, points: Points, pad: float, line_width: int = 0) -> tuple[Window, np.ndarray]:
        """Where an outline is filled, or a line of so many pixels runs: a window and its mask in 0..1."""
        size_wh = np.array(self.owner.shape[::-1])
        low = np.clip(np.floor(points.min(axis=0) - pad - line_width), 0, size_wh - 1).astype(int)
        high = np.clip(np.ceil(points.max(axis=0) + pad + line_width), low + 1, size_wh).astype(int)
        picture = Image.new("L", tuple((high - low).tolist()))
        corners = [tuple(point) for point in (points - low).tolist()]
        draw = ImageDraw.Draw(picture)
        if line_width:
            draw.line(corners, fill=255, width=line_width, joint="curve")
        else:
            draw.polygon(corners, fill=255)
        return np.s_[low[1] : high[1], low[0] : high[0]], np.asarray(picture, dtype=np.float32) / 255
