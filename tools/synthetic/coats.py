"""Cuts that are worn over others: coats, blazers, jackets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import curve, flipped, limb, mirrored
from tools.synthetic.cuts import buttons, sleeves, torso
from tools.synthetic.fabrics import Fabric, dyed, pick_apart, weave
from tools.synthetic.figures import ARMPIT, CROTCH, HIP, KNEE, NECK, SHOULDER, WAIST, Figure, Mark, Piece

OUTER = ("plain", "plain", "plain", "heather", "tartan", "denim", "camouflage", "spots")


def coat(figure: Figure, rng: np.random.Generator) -> Piece:
    """A coat: knee-length or longer, open in front, with lapels."""
    return _open_front(figure, rng, "Outwear", float(rng.uniform(4.7, 6.1)), weave(rng, OUTER))


def blazer(figure: Figure, rng: np.random.Generator) -> Piece:
    """A tailored jacket that ends at the hip."""
    return _open_front(
        figure, rng, "Blazer", CROTCH + 0.1, weave(rng, ("plain", "plain", "heather", "tartan", "pinstripes"))
    )


def _open_front(figure: Figure, rng: np.random.Generator, label: str, hem: float, cloth: Fabric) -> Piece:
    ease, gap = (
        float(rng.uniform(0.14, 0.24)),
        float(rng.uniform(0.1, 0.4) if figure.worn else rng.uniform(0.0, 0.08)),
    )
    low = figure.hip + 1.3 * ease + (0.12 if hem > KNEE - 0.8 else 0.0)
    panel = curve([
        (0.34, NECK - 0.04, 1), (figure.shoulder + 0.4 * ease, SHOULDER, 1), (figure.chest + ease, ARMPIT, 1),
        (figure.waist + 1.7 * ease, WAIST), (figure.hip + ease, HIP), (low, hem, 1),
        (gap * 1.2, hem + 0.08, 1), (gap - 0.06, WAIST + 0.2), (gap - 0.04, 2.7), (0.3, NECK + 0.3),
    ])  # fmt: skip
    lapel = curve(
        [
            (0.3, NECK - 0.1, 1),
            (0.46, NECK + 0.12, 1),
            (0.52, 2.0, 1),
            (0.44, 2.04, 1),
            (gap - 0.02, 2.75, 1),
            (0.18, NECK + 0.35),
        ]
    )
    pocket = limb([(0.42, 3.35), (0.74, 3.3)], [0.05, 0.05])
    knob = dyed(pick_apart(rng, (cloth.colour,)))
    parts: list[Mark] = []
    for flip in (flipped, lambda points: points):
        parts += [
            Part(flip(panel)),
            Part(flip(lapel), shade=0.95, relief=0.6),
            Part(flip(pocket), relief=0.4),
        ]
    parts += buttons(gap + 0.06, 2.85, min(hem - 0.7, 3.9), 2 if label == "Blazer" else 3, knob)
    lining = mirrored(
        [
            (0.0, NECK - 0.12),
            (0.34, NECK - 0.06, 1),
            (figure.chest, ARMPIT),
            (figure.hip, hem - 0.05, 1),
            (0.0, hem - 0.02),
        ]
    )
    behind = (
        () if figure.worn else (Part(lining, dyed(pick_apart(rng, (cloth.colour,)), 0.4), 0.55, relief=0.3),)
    )
    return Piece("outerwear", label, cloth, tuple(parts), sleeves(figure, 1.0, ease, 0.0), behind, 1.0)


def jacket(figure: Figure, rng: np.random.Generator) -> Piece:
    """A short zipped jacket with a stand-up collar and ribbed hem."""
    cloth = weave(rng, OUTER)
    gloss = float(rng.uniform(0.0, 0.5))
    cloth = Fabric(cloth.colour, cloth.second, cloth.pattern, cloth.period, cloth.wrinkle, gloss, cloth.seed)
    ease, hem, neck = float(rng.uniform(0.18, 0.3)), float(rng.uniform(3.6, 4.0)), (0.34, 0.22)
    collar = mirrored(
        [
            (0.0, NECK + 0.2),
            (0.3, NECK - 0.12, 1),
            (0.42, NECK - 0.04),
            (0.46, NECK + 0.16, 1),
            (0.0, NECK + 0.5),
        ]
    )
    rib = mirrored(
        [
            (0.0, hem - 0.18),
            (figure.hip + 1.1 * ease, hem - 0.2, 1),
            (figure.hip + 0.9 * ease, hem + 0.02, 1),
            (0.0, hem + 0.08),
        ]
    )
    pocket = Stroke(np.array([(0.3, 3.35), (0.5, 3.0)]), 0.05, 0.5)
    parts: list[Mark] = [
        Part(torso(figure, hem, ease, neck)),
        Part(rib, shade=0.85, relief=0.6),
        Part(collar, shade=0.95),
    ]
    parts += [
        Stroke(np.array([(0.0, NECK + 0.24), (0.0, hem + 0.06)]), 0.06, colour=(0.7, 0.7, 0.72)),
        pocket,
    ]
    parts += [Stroke(flipped(pocket.path), 0.05, 0.5)]
    back = (
        ()
        if figure.worn
        else (
            Part(
                mirrored(
                    [(0.0, NECK - 0.22), (0.32, NECK - 0.14, 1), (0.34, NECK + 0.2), (0.0, NECK + 0.42)]
                ),
                shade=0.55,
            ),
        )
    )
    return Piece("outerwear", "Outwear", cloth, tuple(parts), sleeves(figure, 1.0, ease, 0.18), back, 1.0)


COATS: dict[str, Callable[[Figure, np.random.Generator], Piece]] = {
    "coat": coat, "blazer": blazer, "jacket": jacket,
}  # fmt: skip
