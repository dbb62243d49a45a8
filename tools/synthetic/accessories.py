"""What goes with clothes: hats, bags, belts, scarves, ties and sunglasses, laid out or worn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import curve, ellipse, flipped, limb, mirrored
from tools.synthetic.fabrics import LEATHER, Fabric, dyed, pick_apart, pick_colour, weave
from tools.synthetic.figures import NECK, WAIST, Figure, Mark, Piece

METAL = dyed((0.75, 0.68, 0.48), 0.05, 0.8)


def cap(figure: Figure, rng: np.random.Generator) -> Piece:
    """A cap with a visor, on a head of which the crown is at y = 0 (worn and laid alike)."""
    cloth = weave(rng, ("plain", "plain", "plain", "denim", "camouflage"))
    crown = mirrored([(0.0, -0.24), (0.36, -0.06), (0.47, 0.34, 1), (0.0, 0.4)])
    side = float(rng.choice((-1.0, 1.0)))
    visor = curve([
        (-0.4, 0.33, 1), (0.0, 0.25), (0.42, 0.31, 1), (0.58, 0.48), (0.32, 0.6), (-0.12, 0.56),
        (-0.44, 0.46),
    ]) * (side, 1.0)  # fmt: skip
    lines = [
        Stroke(curve([(0.0, -0.23), (x, 0.05), (x * 1.15, 0.34)], closed=False), 0.016, 0.78)
        for x in (-0.22, 0.22)
    ]
    badge = Part(
        ellipse((0.0, 0.14), 0.11, 0.09), dyed(pick_apart(rng, (cloth.colour,))), relief=0.3, shadow=0.1
    )
    top = Part(ellipse((0.0, -0.23), 0.04, 0.03, 12), relief=0.3)
    return Piece(
        "headwear", "Hat", cloth, (Part(crown), *lines, badge, top, Part(visor, dyed(cloth.colour), 0.93))
    )


def beanie(figure: Figure, rng: np.random.Generator) -> Piece:
    """A knitted hat with a turned-up edge, now and then a bobble."""
    cloth = weave(rng, ("knit", "knit", "stripes", "heather"))
    dome = mirrored([(0.0, -0.36), (0.34, -0.22), (0.45, 0.12), (0.46, 0.34, 1), (0.0, 0.4)])
    edge = mirrored([(0.0, 0.16), (0.45, 0.1, 1), (0.48, 0.36, 1), (0.0, 0.43)])
    parts: list[Mark] = [Part(dome)]
    if rng.random() < 0.4:
        parts.append(Part(ellipse((0.0, -0.46), 0.17, 0.16), dyed(cloth.second, 0.9), relief=0.8))
    return Piece("headwear", "Hat", cloth, (*parts, Part(edge, replace(cloth, pattern="knit"), 0.9)))


def brimmed_hat(figure: Figure, rng: np.random.Generator) -> Piece:
    """A felt or straw hat with a brim and a band."""
    cloth = dyed(pick_colour(rng, (*LEATHER, "#e6dcc6", "#d8b896")), 0.1)
    brim = mirrored([(0.0, 0.16), (0.5, 0.12), (0.86, 0.2), (0.5, 0.42), (0.0, 0.46)])
    crown = mirrored([(0.0, -0.3), (0.22, -0.38), (0.38, -0.22), (0.46, 0.26, 1), (0.0, 0.36)])
    band = mirrored([(0.0, 0.16), (0.45, 0.08, 1), (0.46, 0.26, 1), (0.0, 0.36)])
    ribbon = dyed(pick_apart(rng, (cloth.colour,)))
    return Piece("headwear", "Hat", cloth, (Part(brim), Part(crown), Part(band, ribbon, relief=0.5)))


def hat(figure: Figure, rng: np.random.Generator) -> Piece:
    """One of the hats."""
    return (cap, beanie, brimmed_hat)[rng.integers(3)](figure, rng)


def bag(figure: Figure, rng: np.random.Generator) -> Piece:
    """A handbag, a tote or a satchel with its handles, hanging from (0, 0)."""
    cloth = dyed(pick_colour(rng, (*LEATHER, *LEATHER, "#c23b33", "#2f5a3c", "#1f2a48", "#d9a62e")), 0.2, 0.4)
    wide, tall, drop = (
        float(rng.uniform(0.45, 0.8)),
        float(rng.uniform(0.7, 1.1)),
        float(rng.uniform(0.45, 0.9)),
    )
    slope = float(rng.uniform(0.75, 1.1))
    body = mirrored(
        [
            (0.0, drop),
            (wide * slope, drop, 1),
            (wide, drop + tall * 0.92),
            (wide * 0.9, drop + tall, 1),
            (0.0, drop + tall),
        ]
    )
    strap = curve(
        [
            (-wide * 0.5, drop + 0.15),
            (-wide * 0.42, drop * 0.3),
            (0.0, 0.0),
            (wide * 0.42, drop * 0.3),
            (wide * 0.5, drop + 0.15),
        ],
        closed=False,
    )
    marks: list[Mark] = [Part(limb(strap, [0.035] * 2, 2), shade=0.75, relief=0.4), Part(body)]
    if rng.random() < 0.55:
        flap = mirrored(
            [
                (0.0, drop - 0.02),
                (wide * slope * 1.01, drop, 1),
                (wide * 0.9, drop + tall * 0.35),
                (0.0, drop + tall * 0.52),
            ]
        )
        clasp = mirrored(
            [
                (0.0, drop + tall * 0.42),
                (0.07, drop + tall * 0.43, 1),
                (0.07, drop + tall * 0.58, 1),
                (0.0, drop + tall * 0.58),
            ]
        )
        marks += [Part(flap, shade=0.95, relief=0.7), Part(clasp, METAL, relief=0.4)]
    else:
        marks.append(Part(limb(strap + (0.0, 0.08), [0.035] * 2, 2), relief=0.4))
        marks += [
            Part(ellipse((x * wide * 0.5, drop + 0.17), 0.05, 0.05, 12), METAL, relief=0.4) for x in (-1, 1)
        ]
    stitch = np.array([(-wide * 0.9, drop + tall - 0.09), (wide * 0.9, drop + tall - 0.09)])
    return Piece("bag", None, cloth, (*marks, Stroke(stitch, 0.015, 0.75)))


def belt(figure: Figure, rng: np.random.Generator) -> Piece:
    """A belt with a buckle: around the waist of a person, else lying in a loop or stretched."""
    cloth = dyed(pick_colour(rng, LEATHER), 0.08, 0.35)
    wide, y = figure.waist + 0.07, WAIST + 0.09
    if figure.worn:
        strip = limb(curve([(-wide, y), (0.0, y + 0.02), (wide, y)], closed=False), [0.085] * 2, 4)
        return Piece("belt", None, cloth, (Part(strip, relief=0.5), *_buckle(0.0, y + 0.02)))
    if rng.random() < 0.5:
        line = curve(
            [
                (-2.2, 0.0),
                (-0.8, float(rng.uniform(-0.25, 0.25))),
                (0.8, float(rng.uniform(-0.25, 0.25))),
                (2.2, 0.0),
            ],
            closed=False,
        )
        holes = [
            Part(ellipse(line[-3 - i * 2], 0.025, 0.025, 10), dyed((0.1, 0.08, 0.07)), relief=0.0, shadow=0.0)
            for i in range(3)
        ]
        return Piece(
            "belt", None, cloth, (Part(limb(line, [0.13] * 2, 2), relief=0.6), *holes, *_buckle(-2.2, 0.0))
        )
    turns = np.linspace(0.3, 2 * np.pi * 2.1, 90)
    spiral = np.stack([np.cos(turns), np.sin(turns) * 0.8], axis=1) * (0.42 + 0.055 * turns)[:, None]
    return Piece("belt", None, cloth, (Part(limb(spiral, [0.09] * 2, 1), relief=0.6), *_buckle(*spiral[-1])))


def _buckle(x: float, y: float) -> list[Mark]:
    frame = np.array(
        [
            (x - 0.14, y - 0.15),
            (x + 0.14, y - 0.15),
            (x + 0.14, y + 0.15),
            (x - 0.14, y + 0.15),
            (x - 0.14, y - 0.16),
        ]
    )
    bar = np.array([(x - 0.14, y), (x + 0.12, y)])
    return [Stroke(frame, 0.05, colour=METAL.colour), Stroke(bar, 0.035, colour=METAL.colour)]


def scarf(figure: Figure, rng: np.random.Generator) -> Piece:
    """A scarf with fringes: wound around the neck, else folded over itself."""
    cloth = weave(rng, ("tartan", "tartan", "stripes", "knit", "floral", "plain"))
    if figure.worn:
        ends: list[Mark] = []
        for x0, x1, low in (
            (0.14, 0.3, float(rng.uniform(2.4, 3.2))),
            (-0.12, -0.24, float(rng.uniform(2.2, 3.0))),
        ):
            ends += [
                *_fringe((x1, low), 0.17, cloth),
                Part(limb(curve([(x0, 1.4), (x1, 1.9), (x1, low)], closed=False), [0.15, 0.18, 0.17], 4)),
            ]
        ring = mirrored([(0.0, 1.12), (0.36, 1.1), (0.5, 1.35), (0.34, 1.62), (0.0, 1.72)])
        fold = Stroke(curve([(-0.42, 1.28), (0.0, 1.45), (0.42, 1.28)], closed=False), 0.05, 0.7)
        return Piece("scarf_tie", None, cloth, (*ends, Part(ring), fold))
    bend = float(rng.uniform(-0.5, 0.5))
    long = curve([(-0.3, -2.2), (0.25 + bend, -0.8), (-0.2, 0.6), (0.15, 2.2)], closed=False)
    back = curve([(0.25, -2.15), (0.8, -0.5), (0.6, 1.3)], closed=False)
    parts: list[Mark] = [*_fringe(back[-1], 0.4, cloth), Part(limb(back, [0.4] * 2, 2), shade=0.9)]
    parts += [*_fringe(long[-1], 0.42, cloth), Part(limb(long, [0.42] * 2, 2))]
    return Piece("scarf_tie", None, cloth, tuple(parts))


def _fringe(end: np.ndarray | tuple[float, float], half_width: float, cloth: Fabric) -> list[Mark]:
    return [
        Stroke(
            np.array([(end[0] + dx, end[1] - 0.04), (end[0] + dx * 1.1, end[1] + 0.16)]),
            0.03,
            colour=cloth.colour,
        )
        for dx in np.linspace(-0.92, 0.92, max(5, int(half_width * 30))) * half_width
    ]


def tie(figure: Figure, rng: np.random.Generator) -> Piece:
    """A tie with its knot at the neck."""
    cloth = weave(rng, ("plain", "stripes", "dots", "tartan"))
    tip = float(rng.uniform(2.9, 3.2))
    blade = mirrored([(0.0, NECK + 0.3), (0.07, NECK + 0.3, 1), (0.2, tip - 0.2, 1), (0.0, tip, 1)])
    knot = mirrored([(0.0, NECK + 0.1), (0.13, NECK + 0.12, 1), (0.08, NECK + 0.34, 1), (0.0, NECK + 0.35)])
    parts: list[Mark] = [Part(blade, grain=0.7), Part(knot, grain=-0.7, relief=0.7)]
    if not figure.worn:
        loop = curve(
            [
                (0.03, NECK + 0.12),
                (0.42, NECK - 0.25),
                (0.2, NECK - 0.75),
                (-0.2, NECK - 0.75),
                (-0.42, NECK - 0.25),
                (-0.03, NECK + 0.12),
            ],
            closed=False,
        )
        parts.insert(0, Part(limb(loop, [0.075] * 2, 4), shade=0.85))
    return Piece("scarf_tie", None, cloth, tuple(parts))


def sunglasses(figure: Figure, rng: np.random.Generator) -> Piece:
    """Dark glasses on the eyes (y = 0.5), or the same shape opened out, with their temples."""
    rim = dyed(pick_colour(rng, ("#1b1b1f", "#1b1b1f", "#6a4632", "#7a2030", "#b58a5e")), 0.0, 0.6)
    glass = dyed(pick_colour(rng, ("#17181c", "#2a2420", "#20303a", "#3a2a24")), 0.0, 0.9)
    round_lens = rng.random() < 0.4
    parts: list[Mark] = []
    if not figure.worn:
        for sign in (-1.0, 1.0):
            temple = curve(
                [(sign * 0.37, 0.45), (sign * 0.43, 0.2), (sign * 0.36, -0.1), (sign * 0.3, -0.16)],
                closed=False,
            )
            parts.append(Part(limb(temple, [0.022] * 2, 4), relief=0.3, shadow=0.2))
    lens = (
        ellipse((0.19, 0.52), 0.15, 0.14)
        if round_lens
        else curve([(0.05, 0.43, 1), (0.36, 0.41, 1), (0.35, 0.56), (0.24, 0.66), (0.09, 0.6)])
    )
    for outline in (lens, flipped(lens)):
        larger = (outline - outline.mean(axis=0)) * 1.16 + outline.mean(axis=0)
        parts += [Part(larger, rim, relief=0.4, shadow=0.25), Part(outline, glass, relief=0.5, shadow=0.0)]
        gleam = outline.mean(axis=0) + np.array([(-0.07, 0.02), (-0.02, -0.06)])
        parts.append(Stroke(gleam, 0.025, colour=(0.45, 0.47, 0.52)))
    bridge = curve([(-0.07, 0.5), (0.0, 0.46), (0.07, 0.5)], closed=False)
    parts.append(Part(limb(bridge, [0.022] * 2, 4), rim, relief=0.3, shadow=0.1))
    return Piece("sunglasses", None, rim, tuple(parts))


ACCESSORIES: dict[str, Callable[[Figure, np.random.Generator], Piece]] = {
    "hat": hat, "bag": bag, "belt": belt, "scarf": scarf, "tie": tie, "sunglasses": sunglasses,
}  # fmt: skip
