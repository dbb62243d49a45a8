"""Bodies for garments: the dummies that they are cut for, and drawn people who wear several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tools.synthetic.canvas import Mark, Part
from tools.synthetic.cuts import NECK, SHOULDER, WAIST, Figure, Piece, both, half, line, moved
from tools.synthetic.fabrics import Fabric, color_from, dyed, pick_color
from tools.synthetic.garments import GARMENTS, worn_shoes
from tools.synthetic.outlines import Points, curve, ellipse, limb

SKIN = "#f3d3bd #e8b998 #d19a72 #a86f47 #7d4c2e #54331f"
HAIR = "#17130f #2e2018 #5a3a22 #8a5a2c #c79a56 #a8a5a0 #7a2a1c"

NOBODY = 0
"""The owner of skin, hair and ground: no garment."""

Angles = tuple[float, float]
"""Of the upper and the lower half of a limb: radians from straight down, outwards."""

Layer = tuple[Piece | None, Fabric, Sequence[Mark]]


def flat_figure(rng: np.random.Generator) -> Figure:
    """A garment laid out: arms and legs straight, spread alike."""
    arm, leg = rng.uniform(0.3, 0.75), rng.uniform(0.05, 0.16)
    return _figure(rng, [(arm, arm + rng.uniform(-0.35, 0.1))] * 2, [(leg, leg)] * 2, worn=False)


def hung_figure(rng: np.random.Generator) -> Figure:
    """A garment on a hanger: sleeves fall straight down."""
    return _figure(rng, [(rng.uniform(0.12, 0.28), 0.05)] * 2, [(0.02, 0.02)] * 2, worn=False)


def standing_figure(rng: np.random.Generator) -> Figure:
    """A person who stands: arms at ease or with a hand on the hip, legs more or less apart."""
    eased = [(rng.uniform(0.1, 0.3), rng.uniform(-0.15, 0.15)) for _ in range(2)]
    arms = [(0.62, -0.68) if rng.random() < 0.2 else angles for angles in eased]
    stance, lean = rng.uniform(0.0, 0.12), rng.uniform(-0.05, 0.05)
    return _figure(rng, arms, [(stance + lean,) * 2, (stance - lean,) * 2], worn=True)


def _figure(rng: np.random.Generator, arms: list[Angles], legs: list[Angles], worn: bool) -> Figure:
    shoulder, hip, waist = rng.uniform(0.8, 0.98), rng.uniform(0.68, 0.82), rng.uniform(0.55, 0.7)

    def limb_path(side: int, x: float, y: float, lengths: Angles, angles: Angles) -> Points:
        sign = (-1.0, 1.0)[side]
        steps = np.array([np.sin(angles) * sign, np.cos(angles)]).T * np.array(lengths)[:, None]  # (2, 2)
        return np.cumsum([(sign * x, y), *steps], axis=0)

    left_arm, right_arm = (limb_path(i, shoulder - 0.12, 1.64, (1.3, 1.2), arms[i]) for i in (0, 1))
    left_leg, right_leg = (limb_path(i, hip * 0.52, 4.0, (1.85, 1.6), legs[i]) for i in (0, 1))
    limbs = (left_arm, right_arm), (left_leg, right_leg)
    return Figure(shoulder, shoulder * 0.86, waist, hip, *limbs, worn)


def draw_person(rng: np.random.Generator) -> list[Layer]:
    """A person in an outfit of two to seven pieces: marks of one fabric each, from back to front."""
    figure = standing_figure(rng)
    skin, hair = dyed(pick_color(rng, SKIN), 0.05), dyed(pick_color(rng, HAIR), 0.6, 0.3)
    outfit = _outfit(figure, rng)

    def worn(name: str) -> list[Layer]:
        piece = outfit.get(name)
        return [(piece, piece.fabric, [*piece.back, *piece.parts])] if piece else []

    over = [(outfit[name], outfit[name].sleeves) for name in ("top", "outer") if name in outfit]
    covered = max(piece.sleeve_share for piece, _ in over)
    tucked, long_hair, low = rng.random() < 0.5, rng.random() < 0.5, rng.uniform(1.2, 2.0)
    behind = half((0.0, -0.08), (0.42, 0.1), (0.54, 0.7), (0.5, low), (0.0, low + 0.05))
    return [
        (None, hair, [behind] if long_hair else []), (None, skin, _body(figure)), *worn("shoes"),
        *(worn("top") + worn("bottom") if tucked else worn("bottom") + worn("top")),
        *(worn("belt") if tucked else []), *worn("outer"), (None, skin, _forearms(figure, covered)),
        *((piece, piece.fabric, marks) for piece, marks in over), *worn("scarf"), (None, skin, _head(skin)),
        (None, hair, [_hair(rng, long_hair)]), *worn("sunglasses"), *worn("hat"), *worn("bag"),
    ]  # fmt: skip


def _outfit(figure: Figure, rng: np.random.Generator) -> dict[str, Piece]:
    """Pieces by their place on the body."""

    def one_of(*names: str) -> Piece:
        return GARMENTS[names[rng.integers(len(names))]](figure, rng)

    outfit = {"shoes": worn_shoes(figure, rng)}
    if rng.random() < 0.3:
        outfit["top"] = one_of("dress")
    else:
        outfit["top"] = one_of("t-shirt", "longsleeve", "polo", "shirt", "shirt", "hoodie")
        outfit["bottom"] = one_of("pants", "pants", "shorts", "skirt")
    if rng.random() < 0.45 and outfit["top"].label != "Hoodie":
        outfit["outer"], outfit["top"] = one_of("coat", "blazer"), replace(outfit["top"], sleeves=())
    chances = {"scarf": 0.2, "belt": 0.35, "sunglasses": 0.35, "hat": 0.3, "bag": 0.45}
    outfit |= {name: one_of(name) for name, chance in chances.items() if rng.random() < chance}
    if "bag" in outfit:
        hand = figure.arms[rng.integers(2)][-1] + (0.0, 0.12)
        outfit["bag"] = replace(outfit["bag"], parts=[moved(mark, hand) for mark in outfit["bag"].parts])
    return outfit


def _body(figure: Figure) -> list[Mark]:
    trunk = half(
        (0.0, NECK), (0.25, NECK, 1), (figure.shoulder - 0.06, SHOULDER + 0.05), (figure.chest - 0.03, 2.2),
        (figure.waist - 0.02, WAIST), (figure.hip - 0.06, 3.75, 1), (0.0, 4.1),
    )  # fmt: skip
    legs = [Part(limb(leg, [0.34, 0.22, 0.13])) for leg in figure.legs]
    feet = [Part(ellipse(leg[-1, 0], leg[-1, 1] + 0.26, 0.17, 0.2)) for leg in figure.legs]
    neck = Part(limb([(0.0, 0.75), (0.0, NECK + 0.1)], [0.2, 0.24]), shade=0.9, relief=0.5)
    return [*legs, *feet, trunk, neck]


def _forearms(figure: Figure, covered: float) -> list[Mark]:
    """The arms before the clothes on the trunk, from just above the hem of sleeves that cover this share."""
    marks: list[Mark] = []
    for arm in figure.arms:
        step = (arm[2] - arm[1]) / np.linalg.norm(arm[2] - arm[1])
        skin = limb([*arm, arm[2] + step * 0.2, arm[2] + step * 0.42], [0.22, 0.17, 0.11, 0.14, 0.07])
        cut = int(0.19 * covered * len(skin))  # the arm is half of the knots, and a side half of the points
        marks.append(Part(skin[cut : len(skin) - cut], relief=0.8, shadow=0.0))
    return marks


def _head(skin: Fabric) -> list[Mark]:
    return [
        *both(Part(ellipse(0.37, 0.55, 0.06, 0.11), shade=0.95, relief=0.4)),
        half((0.0, 0.02), (0.28, 0.1), (0.37, 0.42), (0.33, 0.7), (0.17, 0.95), (0.0, 1.0)),
        *both(Part(ellipse(0.16, 0.54, 0.065, 0.032), dyed(0.55 + 0.4 * skin.color), relief=0.0, shadow=0.0)),
        *both(Part(ellipse(0.16, 0.54, 0.032, 0.034), dyed("#1f1714"), relief=0.0, shadow=0.0)),
        *both(line((0.07, 0.445), (0.16, 0.42), (0.25, 0.445), width=0.028, color=color_from("#33241a"))),
        line((0.03, 0.52), (0.05, 0.66), (0.0, 0.7), (-0.04, 0.68), shade=0.82),
        line((-0.1, 0.8), (0.0, 0.825), (0.1, 0.8), width=0.04, color=skin.color * (0.9, 0.6, 0.62)),
    ]


def _hair(rng: np.random.Generator, long_hair: bool) -> Part:
    fringe, low = rng.uniform(0.16, 0.3), rng.uniform(0.5, 0.62) + 0.35 * long_hair
    return Part(curve([
        (-0.4, low, 1), (-0.44, 0.3), (-0.28, -0.02), (0.0, -0.1), (0.28, -0.02), (0.44, 0.3), (0.4, low, 1),
        (0.335, 0.44), (0.16, fringe), (-0.1, fringe - 0.06), (-0.335, 0.44),
    ]), shadow=0.2)  # fmt: skip
