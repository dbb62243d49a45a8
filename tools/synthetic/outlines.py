"""Outlines in head heights: smooth curves, mirrored halves and tubes around limbs, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = np.ndarray
"""(N, 2) float64, x to the right and y down."""

Knot = Sequence[float] | np.ndarray
Knots = Sequence[Knot] | np.ndarray
"""(x, y) where a curve runs on smoothly, (x, y, 1) where it has a corner."""


def curve(knots: Knots, closed: bool = True, samples: int = 8) -> Points:
    """A cubic Hermite curve through the knots (Catmull-Rom tangents, none across a corner)."""
    points = np.array([[*knot][:2] for knot in knots], dtype=np.float64)
    corner = np.array([len(knot) > 2 for knot in knots])
    if closed:
        points, corner = np.concatenate([points, points[:1]]), np.append(corner, corner[:1])
    chords = np.diff(points, axis=0)  # (N, 2), one a piece
    none = np.zeros((1, 2))
    before = np.concatenate([chords[-1:] if closed else none, chords])
    after = np.concatenate([chords, chords[:1] if closed else none])
    leave, arrive = (
        np.where(corner[ends, None], chords, (before + after)[ends] / 2) for ends in (np.s_[:-1], np.s_[1:])
    )
    reach = np.linalg.norm(chords, axis=1, keepdims=True)
    for tangent in (leave, arrive):  # a tangent longer than the way between its knots would make a loop
        tangent *= np.minimum(1.0, reach / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9))
    t = np.linspace(0.0, 1.0, samples, endpoint=False)[None, :, None]
    pieces = (
        (2 * t**3 - 3 * t**2 + 1) * points[:-1, None]
        + (t**3 - 2 * t**2 + t) * leave[:, None]
        + (3 * t**2 - 2 * t**3) * points[1:, None]
        + (t**3 - t**2) * arrive[:, None]
    ).reshape(-1, 2)  # (N, samples, 2) to (N * samples, 2)
    return pieces if closed else np.concatenate([pieces, points[-1:]])


def mirrored(half: Sequence[Knot]) -> Points:
    """The closed curve whose right half is given from top to bottom; knots on the axis are not doubled."""
    left = [(-knot[0], *knot[1:]) for knot in reversed(half) if abs(knot[0]) > 1e-9]
    return curve([*half, *left])


def limb(path: Knots, half_widths: Sequence[float], samples: int = 8) -> Points:
    """The outline of a tube around an open path: half widths spread along it, straight ends."""
    line = curve(path, closed=False, samples=samples)
    at = np.linspace(0.0, len(half_widths) - 1, len(line))
    widths = np.interp(at, np.arange(len(half_widths)), half_widths)[:, None]
    step = np.gradient(line, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    across = step[:, ::-1] * (-1.0, 1.0) * widths
    return np.concatenate([line + across, (line - across)[::-1]])


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """An ellipse with its axes along x and y."""
    angle = np.linspace(0.0, 2 * np.pi, 32, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)], axis=1)


def start_of(path: Points, share: float) -> Points:
    """The start of a polyline up to a share (0..1) of its length."""
    reached = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    end = reached[-1] * share
    tip = [np.interp(end, reached, path[:, axis]) for axis in (0, 1)]
    return np.concatenate([path[reached < end - 1e-9], [tip]])


@dataclass(frozen=True)
class Placement:
    """Where an outline lies in the picture: scale in pixels a head, turn in radians, origin in pixels."""

    scale: float
    turn: float = 0.0
    origin_xy: tuple[float, float] = (0.0, 0.0)

    def to_pixels(self, points: Points) -> Points:
        """Heads to pixels, (N, 2)."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return points @ np.array([[cos, sin], [-sin, cos]]) * self.scale + np.array(self.origin_xy)

    def grid(self, window: tuple[slice, slice], grain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """The heads (u, v), each (h, w), under a window of pixels, turned on by ``grain`` radians."""
        y, x = np.mgrid[window].astype(np.float32)
        x, y = (x - self.origin_xy[0]) / self.scale, (y - self.origin_xy[1]) / self.scale
        cos, sin = np.cos(self.turn + grain), np.sin(self.turn + grain)
        return x * cos + y * sin, y * cos - x * sin
