"""The canvas: fills outlines with cloth under one light, and remembers which garment each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from tools.synthetic.curves import Placement, Points
from tools.synthetic.fabrics import Colour, Fabric, noise, rgb

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

    outline: Points
    fabric: Fabric | None = None
    shade: float = 1.0
    grain: float = 0.0
    relief: float = 1.0
    shadow: float = 0.35


@dataclass(frozen=True)
class Stroke:
    """A line: a seam that darkens (``shade``) or, with a colour, a thread, a zip or a strap."""

    path: Points
    width: float = 0.03
    shade: float = 0.72
    colour: Colour | None = None


def blur(values: np.ndarray, radius: float) -> np.ndarray:
    """Near a Gaussian blur of (h, w), with the edges carried on; large radii at a lower resolution."""
    factor = max(1, int(radius / 4))
    if factor == 1 or min(values.shape) < 4 * factor:
        return _box_blur(values, radius)
    picture = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    small = _box_blur(np.asarray(picture.reduce(factor)), radius / factor)
    return np.asarray(Image.fromarray(small).resize(picture.size, Image.Resampling.BICUBIC))


def _box_blur(values: np.ndarray, radius: float) -> np.ndarray:
    reach = max(1, round(radius / 1.7))
    width = 2 * reach + 1
    for axis in (0, 1, 0, 1, 0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach + 1, reach)
        total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float64)
        ahead, behind = (
            (total[width:], total[:-width]) if axis == 0 else (total[:, width:], total[:, :-width])
        )
        values = ((ahead - behind) / width).astype(np.float32)
    return values


class Canvas:
    """Pixels (H, W, 3) in 0..1 and, for each, the number of the garment it shows (0 for none)."""

    def __init__(self, pixels: np.ndarray, rng: np.random.Generator) -> None:
        self.pixels = pixels.astype(np.float32)
        self.owner: np.ndarray = np.zeros((pixels.shape[0], pixels.shape[1]), dtype=np.int16)
        self._rng = rng

    def paint(self, mark: Part | Stroke, placement: Placement, fabric: Fabric, owner: int) -> None:
        """Fill a part or draw a stroke, for the garment with this number."""
        if isinstance(mark, Stroke):
            self._stroke(mark, placement, owner)
            return
        outline = placement.to_pixels(mark.outline)
        window = self._window(outline, 0.2 * placement.scale + 4)
        mask = self._mask(outline, window)
        if not mask.any():
            return
        cloth = mark.fabric or fabric
        if mark.shadow > 0:
            self._darken(window, blur(mask, 0.05 * placement.scale), mark.shadow)
        colours = cloth.colours(*placement.grid(window, mark.grain)) * mark.shade
        light = self._light(mask, mark, cloth, placement.scale)[..., None]
        shine = cloth.gloss * np.clip(light - 1.0, 0.0, None) ** 2 * 6.0
        self._blend(window, mask[..., None], colours * light + shine)
        self.owner[window][mask > 0.5] = owner

    def drop_shadow(
        self, outlines: list[Points], offset_xy: tuple[float, float], radius: float, strength: float
    ) -> None:
        """Darken the ground under outlines (in pixels), softly and aside."""
        whole: Window = (slice(0, self.owner.shape[0]), slice(0, self.owner.shape[1]))
        mask = np.zeros(self.owner.shape, dtype=np.float32)
        for outline in outlines:
            mask = np.maximum(mask, self._mask(outline + np.array(offset_xy), whole))
        self._darken(whole, blur(mask, radius), strength)

    def _stroke(self, stroke: Stroke, placement: Placement, owner: int) -> None:
        path = placement.to_pixels(stroke.path)
        width = max(1, round(stroke.width * placement.scale))
        window = self._window(path, width + 2)
        picture, left_top = self._empty(window)
        points = [tuple(point) for point in path - left_top]
        ImageDraw.Draw(picture).line(points, fill=255, width=width, joint="curve")
        mask = np.asarray(picture, dtype=np.float32) / 255
        if stroke.colour is None:
            self.pixels[window] *= 1 - (1 - stroke.shade) * mask[..., None]
            return
        self._blend(window, mask[..., None], rgb(stroke.colour) * np.ones((*mask.shape, 1), np.float32))
        self.owner[window][mask > 0.5] = owner

    def _window(self, points: Points, pad: float) -> Window:
        height, width = self.owner.shape
        x0, y0 = np.clip(np.floor(points.min(axis=0) - pad), 0, (width - 1, height - 1)).astype(int)
        x1, y1 = np.clip(np.ceil(points.max(axis=0) + pad), (x0 + 1, y0 + 1), (width, height)).astype(int)
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))

    def _empty(self, window: Window) -> tuple[Image.Image, np.ndarray]:
        rows, columns = window
        picture = Image.new("L", (columns.stop - columns.start, rows.stop - rows.start))
        return picture, np.array([columns.start, rows.start], dtype=np.float64)

    def _mask(self, outline: Points, window: Window) -> np.ndarray:
        picture, left_top = self._empty(window)
        ImageDraw.Draw(picture).polygon([tuple(point) for point in outline - left_top], fill=255)
        return np.asarray(picture, dtype=np.float32) / 255

    def _darken(self, window: Window, mask: np.ndarray, strength: float) -> None:
        self.pixels[window] *= 1 - strength * mask[..., None]

    def _blend(self, window: Window, mask: np.ndarray, colours: np.ndarray) -> None:
        self.pixels[window] += (np.clip(colours, 0.0, 1.0) - self.pixels[window]) * mask

    def _light(self, mask: np.ndarray, part: Part, cloth: Fabric, scale: float) -> np.ndarray:
        """Brightness (h, w) around 1 on the slopes of the rounded outline and of the creases."""
        height = part.relief * 0.11 * scale * blur(mask, 0.11 * scale)
        if cloth.wrinkle > 0 and mask.size > 2000:
            height = height + cloth.wrinkle * creases((mask.shape[0], mask.shape[1]), scale, self._rng)
        hollow = 0.86 + 0.14 * blur(mask, 0.05 * scale)  # edges turn away from the viewer
        return np.clip(shading(height) * hollow, 0.35, 1.45)


def shading(height: np.ndarray) -> np.ndarray:
    """How bright a height map (in pixels) is under the light: 1 where it is level."""
    slope_y, slope_x = np.gradient(height)
    return 1 - 0.5 * np.tanh(1.5 * (slope_x * LIGHT_XY[0] + slope_y * LIGHT_XY[1]))


def creases(shape_hw: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """A height map of cloth, in pixels: folds and sharper creases of three sizes, each in its direction."""
    height, width = shape_hw
    total = np.zeros(shape_hw, dtype=np.float32)
    for size, stretch, weight, sharp in (
        (0.9, 2.5, 0.3, 0.3),
        (0.42, 2.8, 0.24, 0.12),
        (0.17, 2.2, 0.12, 0.2),
    ):
        cell = size * scale
        side = int(np.hypot(height, width)) + 2
        cells = (int(side / (cell * stretch)) + 1, int(side / cell) + 1)
        field = np.sqrt(noise((side, side), cells, rng) ** 2 + sharp**2)
        turned = Image.fromarray(field).rotate(float(rng.normal(0, 35)), Image.Resampling.BILINEAR)
        left, top = (side - width) // 2, (side - height) // 2
        total -= weight * cell * np.asarray(turned)[top : top + height, left : left + width]
    return total
