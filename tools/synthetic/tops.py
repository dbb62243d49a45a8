"""Cuts for the upper body and the whole: shirts, hoodies, dresses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import Knot, curve, flipped, limb, mirrored
from tools.synthetic.cuts import buttons, chest_print, neckline, pleats, seams, sleeves, torso
from tools.synthetic.fabrics import dyed, pick_apart, weave
from tools.synthetic.figures import ARMPIT, HIP, NECK, SHOULDER, WAIST, Figure, Mark, Piece

EVERYDAY = ("plain", "plain", "plain", "heather", "stripes", "dots", "floral", "spots", "camouflage")
SHIRTING = ("plain", "plain", "pinstripes", "gingham", "tartan", "dots", "floral", "denim")
DRESSY = ("plain", "plain", "floral", "floral", "dots", "stripes", "spots", "gingham")


def _knit_top(
    figure: Figure, rng: np.random.Generator, label: str, share: float, patterns: tuple[str, ...]
) -> Piece:
    cloth = weave(rng, patterns)
    ease, hem = float(rng.uniform(0.06, 0.2)), float(rng.uniform(3.7, 4.15))
    vee = rng.random() < 0.25
    neck = (float(rng.uniform(0.3, 0.42)), float(rng.uniform(0.4, 0.62) if vee else rng.uniform(0.2, 0.36)))
    band = dyed(cloth.second) if rng.random() < 0.25 else None
    behind, front = neckline(figure, neck, vee, band)
    parts: list[Mark] = [Part(torso(figure, hem, ease, neck, vee=vee)), *seams(figure, ease, hem, figure.hip)]
    if cloth.pattern in ("plain", "heather") and rng.random() < 0.5:
        parts += chest_print(figure, rng, cloth)
    cuff = 0.16 if label == "Longsleeve" and rng.random() < 0.5 else 0.0
    return Piece(
        "top", label, cloth, (*parts, *front), sleeves(figure, share, ease, cuff), tuple(behind), share
    )


def tee(figure: Figure, rng: np.random.Generator) -> Piece:
    """A T-shirt: short sleeves, crew or V neck, now and then a print."""
    return _knit_top(figure, rng, "T-Shirt", float(rng.uniform(0.26, 0.42)), EVERYDAY)


def longsleeve(figure: Figure, rng: np.random.Generator) -> Piece:
    """A sweater or long-sleeved shirt without buttons."""
    return _knit_top(figure, rng, "Longsleeve", float(rng.uniform(0.92, 1.0)), (*EVERYDAY, "knit", "knit"))


def tank(figure: Figure, rng: np.random.Generator) -> Piece:
    """A sleeveless undershirt with straps."""
    cloth = weave(rng, EVERYDAY)
    drop, hem, ease = (
        float(rng.uniform(0.5, 0.75)),
        float(rng.uniform(3.6, 4.1)),
        float(rng.uniform(0.02, 0.12)),
    )
    strap = float(rng.uniform(0.3, 0.4))
    half: list[Knot] = [
        (0.0, NECK + drop), (strap, NECK + 0.08, 1), (strap + 0.2, NECK + 0.1, 1),
        (strap + 0.24, 1.85), (figure.chest + ease, ARMPIT + 0.05, 1), (figure.waist + 1.5 * ease, WAIST),
        (figure.hip + ease, hem, 1), (0.0, hem + 0.06),
    ]  # fmt: skip
    inner = mirrored([(0.0, NECK + 0.35), (strap, NECK + 0.1, 1), (strap + 0.1, 2.1, 1), (0.0, 2.2)])
    behind = () if figure.worn else (Part(inner, shade=0.6, relief=0.2),)
    hem_line = curve([(-figure.hip, hem - 0.06), (0.0, hem), (figure.hip, hem - 0.06)], closed=False)
    return Piece("top", "Undershirt", cloth, (Part(mirrored(half)), Stroke(hem_line, 0.016, 0.8)), (), behind)


def polo(figure: Figure, rng: np.random.Generator) -> Piece:
    """A polo shirt: short sleeves, a collar and three buttons."""
    return _collared(
        figure, rng, "Polo", float(rng.uniform(0.3, 0.42)), ("plain", "plain", "stripes", "heather"), 2.0
    )


def shirt(figure: Figure, rng: np.random.Generator) -> Piece:
    """A shirt buttoned all the way down, with long or short sleeves."""
    share = 0.98 if rng.random() < 0.7 else 0.42
    return _collared(figure, rng, "Shirt", share, SHIRTING, 4.0)


def _collared(
    figure: Figure,
    rng: np.random.Generator,
    label: str,
    share: float,
    patterns: tuple[str, ...],
    placket: float,
) -> Piece:
    cloth = weave(rng, patterns)
    ease, hem = float(rng.uniform(0.08, 0.2)), float(rng.uniform(3.8, 4.2))
    neck = (0.3, float(rng.uniform(0.22, 0.36)))
    knob = dyed(pick_apart(rng, (cloth.colour,)))
    top, bottom = NECK + neck[1] + 0.1, min(placket, hem - 0.25)
    parts: list[Mark] = [
        Part(torso(figure, hem, ease, neck, vee=True)),
        *seams(figure, ease, hem, figure.hip),
        Part(
            limb([(0.0, top - 0.12), (0.0, placket if placket < hem else hem + 0.05)], [0.085] * 2),
            relief=0.4,
            shadow=0.15,
        ),
        *buttons(0.0, top, bottom, 3 if placket < 3 else 7, knob),
    ]
    if label == "Shirt" and rng.random() < 0.5:
        pocket = np.array([(0.22, 2.1), (0.56, 2.1), (0.56, 2.48), (0.39, 2.56), (0.22, 2.48)])
        parts.append(Part(pocket, relief=0.3, shadow=0.2))
    wing = curve(
        [(0.02, NECK + neck[1] + 0.05, 1), (0.32, NECK - 0.1, 1), (0.44, NECK + 0.1), (0.24, NECK + 0.52, 1)]
    )
    collar = [Part(wing, relief=0.5), Part(flipped(wing), relief=0.5)]
    behind: tuple[Mark, ...] = ()
    if not figure.worn:
        stand = mirrored([(0.0, NECK - 0.16), (0.32, NECK - 0.1, 1), (0.3, NECK + 0.2), (0.0, NECK + 0.42)])
        behind = (Part(stand, shade=0.6, relief=0.3),)
    cuff = 0.22 if share > 0.9 else 0.0
    return Piece("top", label, cloth, (*parts, *collar), sleeves(figure, share, ease, cuff), behind, share)


def hoodie(figure: Figure, rng: np.random.Generator) -> Piece:
    """A hoodie: hood, kangaroo pocket, ribbed cuffs and hem, cords, sometimes a zip."""
    cloth = weave(rng, ("plain", "plain", "heather", "camouflage"))
    ease, hem, neck = float(rng.uniform(0.16, 0.28)), float(rng.uniform(3.75, 4.05)), (0.36, 0.34)
    cord = pick_apart(rng, (cloth.colour,))
    pocket = mirrored(
        [(0.0, 3.05), (0.34, 3.05, 1), (0.56, 3.35, 1), (0.56, hem - 0.2, 1), (0.0, hem - 0.18)]
    )
    rib = mirrored(
        [
            (0.0, hem - 0.16),
            (figure.hip + 1.1 * ease, hem - 0.18, 1),
            (figure.hip + 0.9 * ease, hem + 0.04, 1),
            (0.0, hem + 0.1),
        ]
    )
    parts: list[Mark] = [
        Part(torso(figure, hem, ease, neck)),
        Part(pocket, relief=0.5),
        Part(rib, shade=0.9, relief=0.5),
    ]
    if rng.random() < 0.4:
        parts.append(Stroke(np.array([(0.0, 1.7), (0.0, hem + 0.05)]), 0.05, colour=(0.75, 0.75, 0.78)))
    elif rng.random() < 0.5:
        parts += chest_print(figure, rng, cloth)
    rim = curve(
        [
            (-0.42, NECK + 0.02),
            (-0.26, NECK + 0.32),
            (0.0, NECK + 0.45),
            (0.26, NECK + 0.32),
            (0.42, NECK + 0.02),
        ],
        closed=False,
    )
    parts.append(Part(limb(rim, [0.07, 0.1, 0.07], 4), relief=0.8))
    parts += [
        Stroke(curve([(s * 0.12, 1.76), (s * 0.16, 2.1), (s * 0.14, 2.45)], closed=False), 0.04, colour=cord)
        for s in (-1, 1)
    ]
    return Piece("top", "Hoodie", cloth, tuple(parts), sleeves(figure, 1.0, ease, 0.2), _hood(figure), 1.0)


def _hood(figure: Figure) -> tuple[Mark, ...]:
    if figure.worn:  # thrown back: a roll behind the neck
        return (Part(mirrored([(0.0, 1.08), (0.42, 1.14), (0.56, 1.4), (0.3, 1.62), (0.0, 1.62)])),)
    outer = mirrored([(0.0, 0.42), (0.4, 0.56), (0.58, 1.0), (0.5, 1.5), (0.2, 1.75), (0.0, 1.8)])
    inner = mirrored([(0.0, 0.66), (0.26, 0.8), (0.36, 1.1), (0.3, 1.5), (0.0, 1.78)])
    return Part(outer), Part(inner, shade=0.5, relief=0.4)


def dress(figure: Figure, rng: np.random.Generator) -> Piece:
    """A dress: a fitted body with a flared skirt below a seam; straps, short or long sleeves."""
    cloth = weave(rng, DRESSY)
    hem, flare = float(rng.uniform(5.0, 6.9)), float(rng.uniform(0.15, 0.75))
    share = (0.0, 0.0, 0.35, 0.95)[rng.integers(4)]
    wide, drop = float(rng.uniform(0.34, 0.5)), float(rng.uniform(0.3, 0.62))
    edge = figure.shoulder + 0.02 if share else wide + 0.16
    half: list[Knot] = [
        (0.0, NECK + drop), (wide, NECK + 0.04, 1), (edge, SHOULDER - 0.04, 1),
        (figure.chest + 0.05, ARMPIT, 1), (figure.waist + 0.05, WAIST - 0.05, 1),
        (figure.hip + 0.08 + flare * 0.4, HIP + 0.1), (figure.hip + 0.1 + flare, hem, 1),
        (0.5 * figure.hip, hem + 0.1), (0.0, hem + 0.08),
    ]  # fmt: skip
    behind, _ = neckline(figure, (wide, drop), False, None)
    parts: list[Mark] = [Part(mirrored(half))]
    waist = figure.waist + 0.03
    parts.append(
        Part(
            limb(
                curve([(-waist, WAIST - 0.05), (0, WAIST), (waist, WAIST - 0.05)], closed=False),
                [0.05] * 2,
                4,
            ),
            shade=0.86,
            relief=0.5,
        )
    )
    parts += pleats(figure.waist * 0.8, WAIST, figure.hip + flare * 0.9, hem, int(rng.integers(4, 9)))
    over = sleeves(figure, share, 0.05) if share else ()
    return Piece("dress", "Dress", cloth, tuple(parts), over, tuple(behind), share)


TOPS: dict[str, Callable[[Figure, np.random.Generator], Piece]] = {
    "t-shirt": tee, "longsleeve": longsleeve, "tank": tank, "polo": polo, "shirt": shirt, "hoodie": hoodie,
    "dress": dress,
}  # fmt: skip
