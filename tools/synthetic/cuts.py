"""What garments are cut from: the figure that they fit, and bodies, sleeves and seams that several share.

Units are head heights: a person is eight of them, x = 0 is the middle, y = 0 the crown and y = 8 the ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.synthetic.canvas import Mark, Part, Stroke
from tools.synthetic.fabrics import Color, Fabric
from tools.synthetic.outlines import Knot, Knots, Points, curve, limb, mirrored, start_of

NECK, SHOULDER, ARMPIT, WAIST, HIP, CROTCH = 1.32, 1.5, 2.2, 3.05, 3.75, 4.1


@dataclass(frozen=True)
class Figure:
    """Half widths of a body and the paths (3, 2) of its limbs, each the viewer's left one first.

    ``worn`` says that a body fills the clothes, so that no inner back shows.
    """

    shoulder: float
    chest: float
    waist: float
    hip: float
    arms: tuple[Points, Points]
    legs: tuple[Points, Points]
    worn: bool


@dataclass(frozen=True)
class Piece:
    """One garment to be drawn: ``back`` lies behind a wearer's body, ``sleeves`` on the arms.

    ``label`` is its catalog label, None for what the catalog lacks; ``sleeve_share`` is the share of the arm
    (0..1) that the sleeves cover.
    """

    category: str
    label: str | None
    fabric: Fabric
    parts: Sequence[Mark]
    sleeves: Sequence[Mark] = ()
    back: Sequence[Mark] = ()
    sleeve_share: float = 0.0


def half(*knots: Knot, fabric: Fabric | None = None, shade: float = 1.0, relief: float = 1.0) -> Part:
    """A part whose right half is given from top to bottom."""
    return Part(mirrored(knots), fabric, shade, relief=relief)


def strip(
    path: Knots, half_width: float, fabric: Fabric | None = None, shade: float = 1.0, relief: float = 0.5
) -> Part:
    """A band along an open curve: a strap, a belt, a cuff."""
    return Part(limb(path, [half_width] * 2), fabric, shade, relief=relief)


def line(*knots: Knot, width: float = 0.02, shade: float = 0.75, color: Color | None = None) -> Stroke:
    """A stroke along an open curve: a seam, a zip, a lace."""
    return Stroke(curve(knots, closed=False), width, shade, color)


def moved(mark: Mark, shift_xy: Knot) -> Mark:
    """The same mark elsewhere."""
    return replace(mark, points=mark.points + np.asarray(shift_xy))


def both(mark: Mark) -> tuple[Mark, Mark]:
    """A mark and what a mirror on the y axis shows of it."""
    return mark, replace(mark, points=mark.points * (-1.0, 1.0))


def torso(figure: Figure, hem: float, ease: float, neck: tuple[float, float], vee: bool = False) -> Part:
    """The body of a top: down to ``hem``, wider than the figure by ``ease``, neck (half width, drop)."""
    return half(
        (0.0, NECK + neck[1], 1) if vee else (0.0, NECK + neck[1]), (neck[0], NECK, 1),
        (figure.shoulder + 0.3 * ease, SHOULDER + 0.03, 1), (figure.chest + ease, ARMPIT, 1),
        (figure.waist + 1.6 * ease, WAIST), (figure.hip + 1.2 * ease, hem, 1), (0.0, hem + 0.07),
    )  # fmt: skip


def inner_back(figure: Figure, width: float, drop: float) -> list[Mark]:
    """What is seen of the inside through a neck opening, where no body fills it."""
    knots = ((0.0, NECK - 0.07), (width, NECK - 0.04, 1), (width, NECK + 0.15), (0.0, NECK + drop + 0.1))
    return [] if figure.worn else [half(*knots, shade=0.55, relief=0.2)]


def sleeves(figure: Figure, share: float, ease: float, cuff: float = 0.06) -> list[Mark]:
    """Two sleeves over a share (0..1) of the arms; ``cuff``: length of a band at their ends, in heads."""
    marks: list[Mark] = []
    edge, pit = figure.shoulder + 0.3 * ease, figure.chest + ease
    for sign, arm in zip((-1.0, 1.0), figure.arms, strict=True):
        path = start_of(curve(arm, closed=False), share)
        narrow = 0.29 - 0.12 * share + 0.6 * ease
        tube = limb(path, np.linspace(0.3 + 0.6 * ease, narrow, len(path)).tolist(), 2)
        below = (np.linspace(0.35, 1.0, 5) * (len(tube) // 2 - 1)).astype(int)
        inner, outer = sorted((tube[below], tube[::-1][below]), key=lambda side: sign * side[-1, 0])
        shoulder = [(sign * (edge - 0.12), SHOULDER - 0.02, 1), (sign * (edge + 0.06), SHOULDER + 0.06)]
        armpit = [(sign * pit, ARMPIT + 0.04, 1), (sign * (pit - 0.15), ARMPIT, 1)]
        hem = [(*outer[-1], 1), (*inner[-1], 1)]
        knots = [*shoulder, *outer[:-1], *hem, *inner[-2:0:-1], *armpit]
        grain = float(np.arctan2(path[0, 0] - path[-1, 0], path[-1, 1] - path[0, 1]))
        step = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
        band = strip([path[-1] - step * cuff, path[-1]], narrow * 0.96, shade=0.9)
        marks += [Part(curve(knots), grain=grain), replace(band, grain=grain)]
    return marks


def legs(figure: Figure, share: float, ease: float, hem: float) -> list[Mark]:
    """Two legs of trousers from the waist over a share (0..1) of the legs, ``hem`` their half width below."""
    marks: list[Mark] = []
    for sign, leg in zip((-1.0, 1.0), figure.legs, strict=True):
        path = start_of(leg, share)
        tube = limb(path, np.linspace(figure.hip * 0.5 + ease, hem, len(path)).tolist(), 6)
        sides = (tube[: len(tube) // 2], tube[: len(tube) // 2 - 1 : -1])
        inner, outer = sorted(sides, key=lambda side: sign * side[-1, 0])
        waist = [(sign * (figure.waist + 0.05), WAIST, 1), (sign * (figure.hip + ease * 0.7), HIP)]
        seat = curve([*waist, *outer[len(outer) // 4 :: 3], (*outer[-1], 1)], closed=False)
        middle = [(sign * -0.03, CROTCH), (sign * -0.03, WAIST)]
        marks += [Part(np.concatenate([seat, inner[: len(inner) // 5 : -1], middle]), relief=1.1)]
        marks += [line(outer[-1] - (0.0, 0.1), inner[-1] - (0.0, 0.1))]
    return marks


def pleats(top_width: float, top: float, bottom_width: float, bottom: float, count: int) -> list[Mark]:
    """Folds that fall from a waist, fanning out."""
    return [
        line((x * top_width, top + 0.06), (x * bottom_width, bottom - 0.02), width=0.035, shade=0.88)
        for x in np.linspace(-0.88, 0.88, count)
    ]
