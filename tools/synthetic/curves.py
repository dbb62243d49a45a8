"""Outlines: smooth closed curves, mirrored halves and tubes around limbs, in the units of whoever draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Points = np.ndarray
"""(N, 2) float64, x to the right and y down."""

Knot = Sequence[float] | np.ndarray
"""(x, y) where the curve runs on smoothly, (x, y, 1) where it has a corner."""


def curve(knots: Iterable[Knot], closed: bool = True, samples: int = 8) -> Points:
    """A cubic Hermite curve through the knots (Catmull-Rom tangents, none across a corner)."""
    given = [tuple(knot) for knot in knots]
    points = np.array([knot[:2] for knot in given], dtype=np.float64)
    corner = [len(knot) > 2 and bool(knot[2]) for knot in given]
    count = len(points)
    steps = np.linspace(0.0, 1.0, samples, endpoint=False)[:, None]
    pieces = []
    for i in range(count if closed else count - 1):
        j = (i + 1) % count
        before = points[i - 1] if closed or i > 0 else points[i]
        after = points[(j + 1) % count] if closed or j < count - 1 else points[j]
        chord = points[j] - points[i]
        leave = chord if corner[i] else (points[j] - before) / 2
        arrive = chord if corner[j] else (after - points[i]) / 2
        reach = float(np.linalg.norm(chord))
        ends = _at_most(leave, reach), _at_most(arrive, reach)
        pieces.append(_hermite(points[i], points[j], *ends, steps))
    if not closed:
        pieces.append(points[-1:])
    return np.concatenate(pieces)


def _at_most(tangent: Points, reach: float) -> Points:
    """The tangent, no longer than the way between its knots: a longer one would make a loop."""
    length = float(np.linalg.norm(tangent))
    return tangent if length <= reach else tangent * (reach / length)


def _hermite(start: Points, end: Points, leave: Points, arrive: Points, steps: np.ndarray) -> Points:
    t2, t3 = steps**2, steps**3
    return (
        (2 * t3 - 3 * t2 + 1) * start
        + (t3 - 2 * t2 + steps) * leave
        + (3 * t2 - 2 * t3) * end
        + (t3 - t2) * arrive
    )


def mirrored(half: Sequence[Knot]) -> Points:
    """The closed curve whose right half is given from top to bottom; knots on the axis are not doubled."""
    left = [(-knot[0], *knot[1:]) for knot in reversed(half) if abs(knot[0]) > 1e-9]
    return curve([*half, *left])


def flipped(points: Points) -> Points:
    """The same outline seen in a mirror that stands on the y axis."""
    return points * (-1.0, 1.0)


def limb(path: Sequence[Knot] | Points, half_widths: Sequence[float], samples: int = 8) -> Points:
    """The outline of a tube around an open path, with a half width at each knot and straight ends."""
    line = curve(path, closed=False, samples=samples)
    at = np.linspace(0.0, len(half_widths) - 1, len(line))
    widths = np.interp(at, np.arange(len(half_widths)), half_widths)[:, None]
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.concatenate([line + across * widths, (line - across * widths)[::-1]])


def ellipse(centre: Knot, radius_x: float, radius_y: float, samples: int = 40) -> Points:
    """An ellipse with its axes along x and y."""
    angle = np.linspace(0.0, 2 * np.pi, samples, endpoint=False)
    return np.stack([centre[0] + radius_x * np.cos(angle), centre[1] + radius_y * np.sin(angle)], axis=1)


def along(path: Points, fraction: float) -> Points:
    """The start of a polyline up to a fraction (0..1) of its length."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    end = reached[-1] * fraction
    kept = path[reached < end - 1e-9]
    tip = np.array([np.interp(end, reached, path[:, axis]) for axis in (0, 1)])
    return np.concatenate([kept, tip[None]])


@dataclass(frozen=True)
class Placement:
    """Where an outline lies in the picture: scale in pixels a unit, turn in radians, origin in pixels."""

    scale: float
    turn: float = 0.0
    origin: tuple[float, float] = (0.0, 0.0)

    def to_pixels(self, points: Points) -> Points:
        """Outline units to pixels."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = points @ np.array([[cos, sin], [-sin, cos]])
        return turned * self.scale + np.array(self.origin)

    def grid(self, window: tuple[slice, slice], grain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """The outline units (u, v), each (h, w), under a window of pixels, turned on by ``grain`` radians."""
        rows, columns = window
        y, x = np.mgrid[rows, columns].astype(np.float32)
        x, y = (x - self.origin[0]) / self.scale, (y - self.origin[1]) / self.scale
        cos, sin = np.cos(self.turn + grain), np.sin(self.turn + grain)
        return x * cos + y * sin, y * cos - x * sin
