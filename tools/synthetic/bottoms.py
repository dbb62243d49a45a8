"""Cuts for the lower body: pants, shorts, skirts, and what goes on the feet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import Knot, Points, along, curve, ellipse, flipped, limb, mirrored
from tools.synthetic.cuts import pleats
from tools.synthetic.fabrics import LEATHER, Fabric, dyed, pick_apart, pick_colour, weave
from tools.synthetic.figures import CROTCH, HIP, WAIST, Figure, Mark, Piece
from tools.synthetic.tops import DRESSY

TROUSERS = ("denim", "denim", "denim", "plain", "plain", "heather", "tartan", "camouflage", "pinstripes")


def _leg(figure: Figure, side: int, share: float, ease: float, hem_width: float) -> tuple[Points, Points]:
    """One leg of trousers, waist to hem, and the path that it follows."""
    sign = (-1.0, 1.0)[side]
    path = along(figure.legs[side], share)
    tube = limb(path, np.linspace(figure.hip * 0.5 + ease, hem_width, len(path)).tolist(), 6)
    half = len(tube) // 2
    one, other = tube[:half], tube[half:][::-1]
    outer, inner = (one, other) if sign * one[-1, 0] > sign * other[-1, 0] else (other, one)
    waist = np.array([(sign * -0.03, WAIST), (sign * (figure.waist + 0.05), WAIST)])
    hip = np.array([(sign * (figure.hip + ease * 0.7), HIP)])
    seat = curve(
        np.concatenate([waist[1:], hip, outer[len(outer) // 4 :: 3], outer[-1:]]), closed=False, samples=4
    )
    crotch = np.array([(sign * -0.03, CROTCH)])
    return np.concatenate([waist[:1], seat, inner[: len(inner) // 5 : -1], crotch]), path


def _trousers(
    figure: Figure, rng: np.random.Generator, label: str, share: float, ease: float, hem: float
) -> Piece:
    cloth = weave(rng, TROUSERS)
    parts: list[Mark] = []
    for side in (0, 1):
        outline, path = _leg(figure, side, share, ease, hem)
        step = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
        across = np.array([-step[1], step[0]]) * hem * 0.95
        edge = path[-1] - step * 0.1
        parts += [Part(outline, relief=1.1), Stroke(np.array([edge - across, edge + across]), 0.018, 0.8)]
    parts += _waistband(figure, rng, cloth)
    return Piece(label.lower(), label, cloth, tuple(parts))


def _waistband(figure: Figure, rng: np.random.Generator, cloth: Fabric) -> list[Mark]:
    wide = figure.waist + 0.06
    dip = 0.0 if figure.worn else 0.06
    band = curve(
        [
            (-wide, WAIST, 1),
            (0.0, WAIST + dip),
            (wide, WAIST, 1),
            (wide + 0.03, WAIST + 0.17, 1),
            (0.0, WAIST + 0.17 + dip),
            (-wide - 0.03, WAIST + 0.17, 1),
        ]
    )
    marks: list[Mark] = [Part(band, shade=0.94, relief=0.5, shadow=0.2)]
    if cloth.pattern in ("denim", "plain") and rng.random() < 0.8:
        thread = (0.78, 0.6, 0.32) if cloth.pattern == "denim" else None
        pocket = curve(
            [(0.3, WAIST + 0.17), (0.38, WAIST + 0.4), (figure.hip + 0.02, WAIST + 0.5)], closed=False
        )
        fly = curve([(0.0, WAIST + 0.17), (0.13, WAIST + 0.6), (0.0, WAIST + 0.85)], closed=False)
        marks += [Stroke(line, 0.02, 0.65, thread) for line in (pocket, flipped(pocket), fly)]
        marks += [Part(ellipse((0.0, WAIST + 0.1), 0.04, 0.04, 12), dyed((0.7, 0.55, 0.35)), relief=0.3)]
        marks += [
            Part(limb([(x, WAIST - 0.01), (x, WAIST + 0.2)], [0.025] * 2), relief=0.3) for x in (-0.42, 0.42)
        ]
    else:  # drawn in with a cord
        marks += [
            Stroke(np.array([(x, WAIST + 0.02), (x, WAIST + 0.15)]), 0.015, 0.75)
            for x in np.linspace(-wide, wide, 17)
        ]
    return marks


def pants(figure: Figure, rng: np.random.Generator) -> Piece:
    """Jeans or trousers, slim to wide."""
    hem = float(rng.uniform(0.2, 0.42))
    return _trousers(figure, rng, "Pants", float(rng.uniform(0.93, 1.0)), float(rng.uniform(0.02, 0.08)), hem)


def shorts(figure: Figure, rng: np.random.Generator) -> Piece:
    """Shorts that end above the knee."""
    share = float(rng.uniform(0.16, 0.42))
    return _trousers(
        figure, rng, "Shorts", share, float(rng.uniform(0.02, 0.08)), float(rng.uniform(0.36, 0.44))
    )


def skirt(figure: Figure, rng: np.random.Generator) -> Piece:
    """A skirt: pencil, A-line or full, with pleats or tiers."""
    cloth = weave(rng, (*DRESSY, "denim", "tartan"))
    hem, flare = float(rng.uniform(4.5, 6.4)), float(rng.uniform(0.0, 0.8))
    low = figure.hip + 0.08 + flare
    half: list[Knot] = [
        (0.0, WAIST), (figure.waist + 0.04, WAIST - 0.02, 1), (figure.hip + 0.05 + 0.35 * flare, HIP),
        (low, hem, 1), (0.55 * low, hem + 0.08), (0.0, hem + 0.08),
    ]  # fmt: skip
    parts: list[Mark] = [Part(mirrored(half), relief=1.1)]
    if flare > 0.25:
        parts += pleats(figure.waist, WAIST + 0.12, low, hem, int(rng.integers(5, 12)))
    if rng.random() < 0.3:
        for share in (0.4, 0.72):
            y, wide = WAIST + share * (hem - WAIST), figure.waist + share * (low - figure.waist)
            parts.append(Stroke(curve([(-wide, y), (0.0, y + 0.08), (wide, y)], closed=False), 0.05, 0.75))
    wide = figure.waist + 0.05
    band = curve(
        [
            (-wide, WAIST - 0.03, 1),
            (0.0, WAIST),
            (wide, WAIST - 0.03, 1),
            (wide + 0.01, WAIST + 0.13, 1),
            (0.0, WAIST + 0.16),
            (-wide - 0.01, WAIST + 0.13, 1),
        ]
    )
    return Piece("skirt", "Skirt", cloth, (*parts, Part(band, shade=0.9, relief=0.5)))


def worn_shoes(figure: Figure, rng: np.random.Generator) -> Piece:
    """A pair on the feet, seen from the front."""
    cloth = dyed(pick_colour(rng, (*LEATHER, "#f4f2ec", "#c23b33", "#2f4f86")), 0.1, 0.3)
    sole = dyed(pick_apart(rng, (cloth.colour,), ("#f4f2ec", "#201a18", "#b58a5e")), 0.05)
    parts: list[Mark] = []
    for leg, sign in zip(figure.legs, (-1.0, 1.0), strict=True):
        x, y = leg[-1]
        toe = curve(
            [
                (x - 0.16, y + 0.05),
                (x + 0.16, y + 0.05),
                (x + sign * 0.1 + 0.2, y + 0.3),
                (x + sign * 0.14 + 0.12, y + 0.47),
                (x + sign * 0.14 - 0.12, y + 0.47),
                (x + sign * 0.1 - 0.2, y + 0.3),
            ]
        )
        rim = limb(
            curve(
                [
                    (x + sign * 0.12 - 0.19, y + 0.42),
                    (x + sign * 0.14, y + 0.49),
                    (x + sign * 0.12 + 0.19, y + 0.42),
                ],
                closed=False,
            ),
            [0.035] * 2,
            4,
        )
        laces: list[Mark] = [
            Stroke(
                np.array([(x - 0.07, y + 0.12 + i * 0.07), (x + 0.09, y + 0.12 + i * 0.07)]),
                0.025,
                colour=sole.colour,
            )
            for i in range(3)
        ]
        parts += [Part(toe), Part(rim, sole, relief=0.5), *laces]
    return Piece("footwear", "Shoes", cloth, tuple(parts))


def worn_boots(figure: Figure, rng: np.random.Generator) -> Piece:
    """A pair of boots over the calf, seen from the front."""
    cloth = dyed(pick_colour(rng, LEATHER), 0.35, 0.35)
    sole = dyed((0.08, 0.07, 0.07), 0.05)
    share = float(rng.uniform(0.1, 0.85))
    parts: list[Mark] = []
    for leg, sign in zip(figure.legs, (-1.0, 1.0), strict=True):
        ankle, knee = leg[2], leg[1]
        top = ankle + (knee - ankle) * share
        shaft = limb(np.array([top, ankle + (0.0, 0.12)]), [0.25 + 0.06 * share, 0.21], 4)
        x, y = ankle
        toe = curve(
            [
                (x - 0.2, y + 0.02),
                (x + 0.2, y + 0.02),
                (x + sign * 0.1 + 0.2, y + 0.3),
                (x + sign * 0.14 + 0.1, y + 0.46),
                (x + sign * 0.14 - 0.1, y + 0.46),
                (x + sign * 0.1 - 0.2, y + 0.3),
            ]
        )
        rim = limb(
            curve(
                [
                    (x + sign * 0.12 - 0.18, y + 0.42),
                    (x + sign * 0.14, y + 0.49),
                    (x + sign * 0.12 + 0.18, y + 0.42),
                ],
                closed=False,
            ),
            [0.04] * 2,
            4,
        )
        parts += [Part(toe), Part(shaft), Part(rim, sole, relief=0.4)]
        parts.append(Stroke(np.array([(x - 0.21, y + 0.06), (x + 0.21, y + 0.06)]), 0.025, 0.7))
    return Piece("boots", "Shoes", cloth, tuple(parts))


def laid_shoes(figure: Figure, rng: np.random.Generator) -> Piece:
    """A pair on the ground, seen from above: sneakers with laces, or slippers."""
    cloth = dyed(pick_colour(rng), 0.15, 0.15)
    sole = dyed(pick_apart(rng, (cloth.colour,)), 0.05)
    laced = rng.random() < 0.65
    parts: list[Mark] = []
    for x, sign in ((-0.52, -1.0), (0.52, 1.0)):
        out = curve(
            [
                (x, 0.0),
                (x + 0.3 + 0.06 * sign, 0.28),
                (x + 0.34 + 0.05 * sign, 0.75),
                (x + 0.24, 1.35),
                (x + 0.26, 1.9),
                (x, 2.2),
                (x - 0.26, 1.9),
                (x - 0.24, 1.35),
                (x - 0.34 + 0.05 * sign, 0.75),
                (x - 0.3 + 0.06 * sign, 0.28),
            ]
        )
        upper = (out - (x, 1.1)) * (0.86, 0.94) + (x, 1.1)
        parts += [Part(out, sole, relief=0.7), Part(upper, relief=1.3)]
        parts += [Part(ellipse((x, 1.62), 0.17, 0.42), dyed((0.2, 0.18, 0.17)), relief=-1.0, shadow=0.1)]
        if laced:
            parts.append(
                Part(
                    curve([(x - 0.13, 0.6), (x + 0.13, 0.6), (x + 0.14, 1.3), (x - 0.14, 1.3)]),
                    shade=0.85,
                    relief=0.6,
                )
            )
            parts += [
                Stroke(np.array([(x - 0.15, y), (x + 0.15, y + 0.05)]), 0.045, colour=sole.colour)
                for y in np.linspace(0.66, 1.15, 5)
            ]
        else:
            parts.append(Stroke(curve([(x - 0.3, 0.9), (x, 1.12), (x + 0.3, 0.9)], closed=False), 0.03, 0.7))
    return Piece("footwear", "Shoes", cloth, tuple(parts))


def side_shoes(figure: Figure, rng: np.random.Generator) -> Piece:
    """A pair from the side, one a little behind the other: low shoes, or boots with a shaft."""
    boots = rng.random() < 0.5
    cloth = dyed(
        pick_colour(rng, LEATHER if boots else (*LEATHER, "#f4f2ec", "#2f4f86", "#c23b33")), 0.3, 0.3
    )
    sole = dyed(pick_apart(rng, (cloth.colour,), ("#f4f2ec", "#201a18", "#b58a5e")), 0.05)
    shaft = float(rng.uniform(-1.7, -0.7)) if boots else -0.05
    parts: list[Mark] = []
    for dx, dy in ((0.35, -0.3), (-0.2, 0.25)):
        shift = np.array([dx, dy])
        body = (
            curve(
                [
                    (-0.42, shaft, 1),
                    (0.28, shaft + 0.04, 1),
                    (0.34, 0.22),
                    (0.72, 0.42),
                    (1.2, 0.58),
                    (1.34, 0.86),
                    (1.2, 1.0, 1),
                    (-0.45, 1.0, 1),
                    (-0.5, 0.5),
                ]
            )
            + shift
        )
        tread = limb(curve([(-0.5, 1.02), (0.3, 1.02), (1.32, 1.0)], closed=False), [0.09] * 2, 4) + shift
        opening = ellipse((-0.07, shaft + 0.03), 0.34, 0.09) + shift
        parts += [
            Part(body, relief=1.2),
            Part(tread, sole, relief=0.5),
            Part(opening, dyed((0.16, 0.14, 0.13)), relief=0.0, shadow=0.0),
        ]
        parts += [Stroke(curve([(0.3, 0.8), (0.62, 0.72), (0.8, 0.44)], closed=False) + shift, 0.03, 0.7)]
        if not boots:
            parts += [
                Stroke(
                    np.array([(0.3 + i * 0.13, 0.2 + i * 0.08), (0.2 + i * 0.13, 0.38 + i * 0.06)]) + shift,
                    0.05,
                    colour=sole.colour,
                )
                for i in range(4)
            ]
    return Piece("boots" if boots else "footwear", "Shoes", cloth, tuple(parts))


BOTTOMS: dict[str, Callable[[Figure, np.random.Generator], Piece]] = {
    "pants": pants, "shorts": shorts, "skirt": skirt, "shoes": laid_shoes, "shoes from the side": side_shoes,
}  # fmt: skip
