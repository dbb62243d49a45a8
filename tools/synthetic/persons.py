"""Drawn people: a body with skin and hair, and the clothes that it wears, in the order they overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tools.synthetic import accessories, bottoms, coats, tops
from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import curve, ellipse, limb, mirrored
from tools.synthetic.fabrics import Fabric, dyed, pick_colour
from tools.synthetic.figures import CHIN, CROTCH, NECK, SHOULDER, WAIST, Figure, Mark, Piece, standing_figure

SKIN = ("#f3d3bd", "#e8b998", "#d19a72", "#a86f47", "#7d4c2e", "#54331f")
HAIR = ("#17130f", "#2e2018", "#5a3a22", "#8a5a2c", "#c79a56", "#a8a5a0", "#7a2a1c")

NOBODY = 0
"""The owner of skin, hair and ground: no garment."""


@dataclass(frozen=True)
class Layer:
    """Marks to be painted in turn with one fabric; ``piece`` is the garment's place in the outfit, from 1."""

    marks: tuple[Mark, ...]
    fabric: Fabric
    piece: int = NOBODY


@dataclass(frozen=True)
class Person:
    """The clothes of a drawn person, and the layers that draw them on the body, back to front."""

    pieces: tuple[Piece, ...]
    layers: tuple[Layer, ...]


def draw_person(rng: np.random.Generator) -> Person:
    """A person in an outfit of two to seven pieces."""
    figure = standing_figure(rng)
    skin, hair = dyed(pick_colour(rng, SKIN), 0.05), dyed(pick_colour(rng, HAIR), 0.6, 0.3)
    outfit = _outfit(figure, rng)
    pieces = list(outfit.values())
    number = {name: place for place, name in enumerate(outfit, start=1)}

    def worn(name: str) -> list[Layer]:
        if name not in outfit:
            return []
        return [Layer((*outfit[name].back, *outfit[name].parts), outfit[name].fabric, number[name])]

    def sleeved(name: str) -> list[Layer]:
        return [Layer(outfit[name].sleeves, outfit[name].fabric, number[name])] if name in outfit else []

    covered = max(outfit[name].sleeve_share for name in ("top", "outer") if name in outfit)
    tucked = rng.random() < 0.5
    middle = [*worn("top"), *worn("bottom")] if tucked else [*worn("bottom"), *worn("top")]
    long_hair = rng.random() < 0.5
    behind = [Layer(_hair_behind(rng), hair)] if long_hair else []
    layers = [
        *behind, Layer((*_legs(figure), *_trunk(figure), *_arms(figure)), skin), *worn("shoes"), *middle,
        *worn("boots"), *(worn("belt") if tucked else []), *worn("tie"), *worn("outer"),
        Layer(_forearms(figure, covered), skin), *sleeved("top"), *sleeved("outer"), *worn("scarf"),
        Layer((*_head(), *_face(skin)), skin), Layer(_hair(rng, long_hair), hair),
        *worn("sunglasses"), *worn("hat"), *worn("bag"),
    ]  # fmt: skip
    return Person(tuple(pieces), tuple(layers))


def _outfit(figure: Figure, rng: np.random.Generator) -> dict[str, Piece]:
    """Pieces by their place on the body."""
    outfit: dict[str, Piece] = {}
    if rng.random() < 0.3:
        outfit["top"] = tops.dress(figure, rng)
    else:
        makers = (tops.tee, tops.longsleeve, tops.tank, tops.polo, tops.shirt, tops.shirt, tops.hoodie)
        outfit["top"] = makers[rng.integers(len(makers))](figure, rng)
        outfit["bottom"] = (bottoms.pants, bottoms.pants, bottoms.shorts, bottoms.skirt)[rng.integers(4)](
            figure, rng
        )
    feet = "boots" if rng.random() < 0.3 else "shoes"
    outfit[feet] = (bottoms.worn_boots if feet == "boots" else bottoms.worn_shoes)(figure, rng)
    if rng.random() < 0.45 and outfit["top"].label != "Hoodie":
        outfit["outer"] = (coats.coat, coats.blazer, coats.jacket)[rng.integers(3)](figure, rng)
        outfit["top"] = replace(outfit["top"], sleeves=())
    if outfit["top"].label == "Shirt" and rng.random() < 0.4:
        outfit["tie"] = accessories.tie(figure, rng)
    elif rng.random() < 0.2:
        outfit["scarf"] = accessories.scarf(figure, rng)
    for name, chance in (("belt", 0.35), ("sunglasses", 0.35), ("hat", 0.3)):
        if rng.random() < chance:
            outfit[name] = accessories.ACCESSORIES[name](figure, rng)
    if rng.random() < 0.45:
        outfit["bag"] = _carried(accessories.bag(figure, rng), figure, rng)
    return outfit


def _carried(bag: Piece, figure: Figure, rng: np.random.Generator) -> Piece:
    """The bag moved to hang from a hand."""
    hand = figure.arms[int(rng.integers(2))][-1] + (0.0, 0.12)

    def moved(mark: Mark) -> Mark:
        if isinstance(mark, Stroke):
            return replace(mark, path=mark.path + hand)
        return replace(mark, outline=mark.outline + hand)

    return replace(bag, parts=tuple(moved(mark) for mark in bag.parts))


def _legs(figure: Figure) -> tuple[Mark, ...]:
    return tuple(Part(limb(leg, [0.34, 0.22, 0.13]), relief=1.2) for leg in figure.legs) + tuple(
        Part(ellipse(leg[-1] + (0.03 * (-1) ** (1 - i), 0.26), 0.17, 0.2))
        for i, leg in enumerate(figure.legs)
    )


def _trunk(figure: Figure) -> tuple[Mark, ...]:
    body = mirrored([
        (0.0, NECK), (0.25, NECK, 1), (figure.shoulder - 0.06, SHOULDER + 0.05), (figure.chest - 0.03, 2.2),
        (figure.waist - 0.02, WAIST), (figure.hip - 0.06, 3.75, 1), (0.0, CROTCH),
    ])  # fmt: skip
    neck = np.array([(-0.2, 0.75), (0.2, 0.75), (0.24, NECK + 0.1), (-0.24, NECK + 0.1)])
    return Part(body), Part(neck, shade=0.9, relief=0.5)


def _arms(figure: Figure) -> tuple[Mark, ...]:
    return tuple(Part(limb(arm, [0.22, 0.17, 0.11]), relief=0.8) for arm in figure.arms)


def _forearms(figure: Figure, covered: float) -> tuple[Mark, ...]:
    """The arms before the clothes on the trunk, from just above the hem of sleeves that cover this share."""
    marks: list[Mark] = []
    for arm in figure.arms:
        step = (arm[2] - arm[1]) / np.linalg.norm(arm[2] - arm[1])
        whole = np.concatenate([arm, [arm[2] + step * 0.2, arm[2] + step * 0.42]])
        skin = limb(whole, [0.22, 0.17, 0.11, 0.14, 0.07])
        cut = round(
            0.75 * covered * 0.5 * len(skin) * 0.5
        )  # arms are half of the knots, sides half of the points
        marks.append(Part(skin[cut : len(skin) - cut], relief=0.8, shadow=0.0))
    return tuple(marks)


def _head() -> tuple[Mark, ...]:
    face = mirrored([(0.0, 0.02), (0.28, 0.1), (0.37, 0.42), (0.33, 0.7), (0.17, 0.95), (0.0, CHIN)])
    ears = tuple(Part(ellipse((side * 0.37, 0.55), 0.06, 0.11), shade=0.95, relief=0.4) for side in (-1, 1))
    return (*ears, Part(face, relief=0.9))


def _face(skin: Fabric) -> tuple[Mark, ...]:
    dark = dyed((0.12, 0.09, 0.08))
    red, green, blue = skin.colour
    white = dyed((0.55 + 0.4 * red, 0.55 + 0.4 * green, 0.55 + 0.4 * blue))
    lips = (min(1.0, red * 0.85 + 0.05), green * 0.6, blue * 0.62)
    marks: list[Mark] = []
    for side in (-1.0, 1.0):
        x = side * 0.16
        marks.append(Part(ellipse((x, 0.54), 0.065, 0.032, 16), white, relief=0.0, shadow=0.0))
        marks.append(Part(ellipse((x, 0.54), 0.032, 0.034, 16), dark, relief=0.0, shadow=0.0))
        brow = curve([(x - 0.09, 0.445), (x, 0.42), (x + 0.09, 0.445)], closed=False)
        marks.append(Stroke(brow, 0.028, colour=(0.2, 0.14, 0.1)))
    nose = curve([(0.03, 0.52), (0.05, 0.66), (0.0, 0.7), (-0.04, 0.68)], closed=False)
    mouth = curve([(-0.1, 0.8), (0.0, 0.825), (0.1, 0.8)], closed=False)
    return (*marks, Stroke(nose, 0.02, 0.82), Stroke(mouth, 0.04, colour=lips))


def _hair_behind(rng: np.random.Generator) -> tuple[Mark, ...]:
    low = float(rng.uniform(1.2, 2.0))
    return (Part(mirrored([(0.0, -0.08), (0.42, 0.1), (0.54, 0.7), (0.5, low), (0.0, low + 0.05)])),)


def _hair(rng: np.random.Generator, long_hair: bool) -> tuple[Mark, ...]:
    fringe, side = float(rng.uniform(0.16, 0.3)), float(rng.uniform(0.5, 0.62))
    low = side + 0.35 if long_hair else side
    cap = curve([
        (-0.4, low, 1), (-0.44, 0.3), (-0.28, -0.02), (0.0, -0.1), (0.28, -0.02), (0.44, 0.3), (0.4, low, 1),
        (0.335, 0.44), (0.16, fringe), (-0.1, fringe - 0.06), (-0.335, 0.44),
    ])  # fmt: skip
    marks: list[Mark] = [Part(cap, relief=0.9, shadow=0.2)]
    if not long_hair and rng.random() < 0.3:
        marks.insert(0, Part(ellipse((0.0, -0.16), 0.2, 0.18), relief=0.9))
    return tuple(marks)
