"""Pieces of a pattern that several garments share: bodies, sleeves, necklines, seams, pleats and prints."""

from __future__ import annotations

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import Knot, Points, along, curve, ellipse, flipped, limb, mirrored
from tools.synthetic.fabrics import Fabric, dyed, pick_apart
from tools.synthetic.figures import ARMPIT, HIP, NECK, SHOULDER, WAIST, Figure, Mark


def torso(
    figure: Figure, hem: float, ease: float, neck: tuple[float, float], flare: float = 0.0, vee: bool = False
) -> Points:
    """The body of a top: down to ``hem``, wider than the figure by ``ease``, neck (half width, drop)."""
    width, drop = neck
    knots: list[Knot] = [
        (0.0, NECK + drop, 1) if vee else (0.0, NECK + drop),
        (width, NECK, 1),
        (figure.shoulder + 0.3 * ease, SHOULDER + 0.03, 1),
        (figure.chest + ease, ARMPIT, 1),
    ]
    if hem > WAIST + 0.2:
        knots.append((figure.waist + 1.6 * ease, WAIST))
    if hem > HIP + 0.2:
        knots.append((figure.hip + ease + flare * 0.4, HIP))
    low = figure.hip if hem > HIP - 0.4 else figure.waist
    knots += [(low + 1.2 * ease + flare, hem, 1), (0.0, hem + 0.07)]
    return mirrored(knots)


def sleeves(figure: Figure, share: float, ease: float, cuff: float = 0.0) -> tuple[Mark, ...]:
    """Two sleeves over a share (0..1) of the arms; ``cuff``: length of a band at their ends, in heads."""
    marks: list[Mark] = []
    for sign, arm in zip((-1.0, 1.0), figure.arms, strict=True):
        path = along(curve(arm, closed=False, samples=6), share)
        narrow = 0.29 - 0.12 * share + 0.6 * ease
        tube = limb(path, np.linspace(0.3 + 0.6 * ease, narrow, len(path)).tolist(), 2)
        one, other = tube[: len(tube) // 2], tube[len(tube) // 2 :][::-1]
        outer, inner = (one, other) if sign * one[-1, 0] > sign * other[-1, 0] else (other, one)
        late = np.linspace(0.35, 1.0, 5)[:, None] * (len(outer) - 1)
        outside, inside = outer[late.astype(int)[:, 0]], inner[late.astype(int)[::-1, 0]]
        knots: list[Knot] = [(sign * (figure.shoulder + 0.3 * ease - 0.12), SHOULDER - 0.02, 1)]
        knots += [(sign * (figure.shoulder + 0.3 * ease + 0.06), SHOULDER + 0.06)]
        knots += [tuple(point) for point in outside[:-1]] + [(*outside[-1], 1), (*inside[0], 1)]
        knots += [tuple(point) for point in inside[1:-1]]
        knots += [
            (sign * (figure.chest + ease), ARMPIT + 0.04, 1),
            (sign * (figure.chest + ease - 0.15), ARMPIT, 1),
        ]
        grain = float(np.arctan2(-(path[-1] - path[0])[0], (path[-1] - path[0])[1]))
        marks += [Part(curve(knots), grain=grain, shadow=0.25), *_cuff(path, narrow, cuff, grain)]
    return tuple(marks)


def _cuff(path: Points, half_width: float, length: float, grain: float) -> list[Mark]:
    step = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    across = np.array([-step[1], step[0]]) * half_width * 0.97
    if length <= 0:
        inner = path[-1] - step * 0.05
        return [Stroke(np.array([inner - across, inner + across]), 0.018, 0.8)]
    return [
        Part(
            limb([path[-1] - step * length, path[-1] + step * 0.02], [half_width * 0.96] * 2),
            grain=grain,
            shade=0.93,
        )
    ]


def neckline(
    figure: Figure, neck: tuple[float, float], vee: bool, band: Fabric | None
) -> tuple[list[Mark], list[Mark]]:
    """What lies behind the neck opening (the inner back, where no body fills it) and the band around it."""
    width, drop = neck
    front = curve([(-width, NECK, 1), (0.0, NECK + drop, 1 if vee else 0), (width, NECK, 1)], closed=False)
    back = mirrored(
        [(0.0, NECK - 0.07), (width, NECK - 0.04, 1), (width, NECK + 0.15), (0.0, NECK + drop + 0.1)]
    )
    behind: list[Mark] = [] if figure.worn else [Part(back, shade=0.55, relief=0.2)]
    thickness = 0.075
    if not figure.worn:
        arch = curve([(-width, NECK, 1), (0.0, NECK - 0.05), (width, NECK, 1)], closed=False)
        behind.append(Part(limb(arch, [0.04, 0.04], 4), band, 0.75, relief=0.3))
    return behind, [Part(limb(front, [thickness / 2] * 2, 4), band, 0.97, relief=0.5, shadow=0.2)]


def seams(figure: Figure, ease: float, hem: float, width: float) -> list[Mark]:
    """The armholes and the stitching above the hem."""
    marks: list[Mark] = [
        Stroke(
            curve([(-width, hem - 0.06), (0.0, hem + 0.01), (width, hem - 0.06)], closed=False), 0.016, 0.8
        )
    ]
    if not figure.worn:
        arm = curve(
            [
                (figure.shoulder + 0.3 * ease, SHOULDER + 0.03),
                (figure.shoulder - 0.1 + 0.5 * ease, 1.85),
                (figure.chest + ease, ARMPIT),
            ],
            closed=False,
        )
        marks += [Stroke(arm, 0.02, 0.75), Stroke(flipped(arm), 0.02, 0.75)]
    return marks


def buttons(x: float, top: float, bottom: float, count: int, cloth: Fabric) -> list[Mark]:
    """A row of buttons down a front."""
    return [
        Part(ellipse((x, y), 0.035, 0.035, 12), cloth, relief=0.3) for y in np.linspace(top, bottom, count)
    ]


def chest_print(figure: Figure, rng: np.random.Generator, cloth: Fabric) -> list[Mark]:
    """A printed picture on the chest: a disc, a star, bars, or a mountain with a sun."""
    ink = dyed(pick_apart(rng, (cloth.colour,)))
    other = dyed(pick_apart(rng, (cloth.colour, ink.colour)))
    centre, size = np.array([0.0, 2.35]), float(rng.uniform(0.25, 0.42))
    flat = {"relief": 0.0, "shadow": 0.0}
    choice = rng.integers(4)
    if choice == 0:
        return [
            Part(ellipse(centre, size, size), ink, **flat),
            Part(ellipse(centre, size * 0.6, size * 0.6), other, **flat),
        ]
    if choice == 1:
        angle = np.arange(10) * np.pi / 5 - np.pi / 2
        radius = np.where(np.arange(10) % 2 == 0, size, size * 0.42)[:, None]
        return [Part(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), ink, **flat)]
    if choice == 2:
        rows = [centre + (0.0, (i - 1) * size * 0.55) for i in range(3)]
        return [
            Part(
                limb([p - (size, 0), p + (size * (1 - 0.25 * i), 0)], [size * 0.17] * 2),
                (ink, other)[i % 2],
                **flat,
            )
            for i, p in enumerate(rows)
        ]
    peak = centre + np.array(
        [
            (-size, size),
            (-0.3 * size, -0.5 * size),
            (0.1 * size, 0.2 * size),
            (0.4 * size, -0.2 * size),
            (size, size),
        ]
    )
    return [
        Part(ellipse(centre + (0.45 * size, -0.55 * size), size * 0.3, size * 0.3), other, **flat),
        Part(peak, ink, **flat),
    ]


def pleats(top_width: float, top: float, bottom_width: float, bottom: float, count: int) -> list[Mark]:
    """Folds that fall from a waist, fanning out."""
    marks: list[Mark] = []
    for share in np.linspace(-0.88, 0.88, count):
        start, end = (
            (share * top_width, top + 0.06),
            (share * bottom_width, bottom - 0.02 + 0.06 * (1 - share**2)),
        )
        middle = (share * (0.45 * top_width + 0.55 * bottom_width), 0.5 * (top + bottom))
        marks.append(Stroke(curve([start, middle, end], closed=False), 0.035, 0.88))
    return marks
