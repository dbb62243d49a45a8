"""The garments that are drawn, each cut for a figure from a cloth of its own, and what they are called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tools.synthetic.canvas import Mark, Part
from tools.synthetic.cuts import (
    ARMPIT,
    CROTCH,
    HIP,
    NECK,
    SHOULDER,
    WAIST,
    Figure,
    Piece,
    both,
    half,
    inner_back,
    legs,
    line,
    moved,
    pleats,
    sleeves,
    strip,
    torso,
)
from tools.synthetic.fabrics import LEATHER, SOLES, color_from, dyed, pick_color, weave
from tools.synthetic.outlines import curve, ellipse

# fmt: off
# An outline is a table of numbers: with a knot a line, no garment would fit a screen.

METAL = dyed("#bfad7a", 0.05, 0.8)
EVERYDAY = "plain plain plain heather stripes dots floral camouflage"
SHIRTING = "plain plain pinstripes gingham tartan dots floral denim"
DRESSY = "plain plain floral floral dots stripes gingham"
TROUSERS = "denim denim denim plain plain heather tartan camouflage pinstripes"
OUTER = "plain plain plain heather tartan denim camouflage"

Maker = Callable[[Figure, np.random.Generator], Piece]


def knit_top(label: str, figure: Figure, rng: np.random.Generator) -> Piece:
    """A T-shirt or sweater: crew or V neck, now and then with a star on the chest."""
    long = label == "Longsleeve"
    cloth = weave(rng, EVERYDAY + " knit knit" * long)
    share = rng.uniform(0.92, 1.0) if long else rng.uniform(0.26, 0.42)
    ease, hem, vee = rng.uniform(0.06, 0.2), rng.uniform(3.7, 4.15), rng.random() < 0.25
    width, drop = rng.uniform(0.3, 0.42), rng.uniform(0.22, 0.36) + 0.22 * vee
    parts: list[Mark] = [torso(figure, hem, ease, (width, drop), vee)]
    parts += [line((-figure.hip, hem - 0.06), (0.0, hem + 0.01), (figure.hip, hem - 0.06))]
    if cloth.pattern in ("plain", "heather") and rng.random() < 0.5:
        angle = np.arange(10) * np.pi / 5 - np.pi / 2
        radius = rng.uniform(0.25, 0.42) * np.where(np.arange(10) % 2, 0.42, 1.0)
        star = np.stack([radius * np.cos(angle), 2.35 + radius * np.sin(angle)], axis=1)
        parts += [Part(star, dyed(pick_color(rng, apart=(cloth.color,))), relief=0.0, shadow=0.0)]
    deepest = (0.0, NECK + drop, 1) if vee else (0.0, NECK + drop)
    parts += [strip([(-width, NECK, 1), deepest, (width, NECK, 1)], 0.038, shade=0.9)]
    over = sleeves(figure, share, ease, 0.16 if long else 0.06)
    return Piece("top", label, cloth, parts, over, inner_back(figure, width, drop), share)


def collared(label: str, figure: Figure, rng: np.random.Generator) -> Piece:
    """A polo shirt with three buttons, or a shirt buttoned all the way down, with long or short sleeves."""
    polo = label == "Polo"
    cloth = weave(rng, "plain plain stripes heather" if polo else SHIRTING)
    share = 0.98 if not polo and rng.random() < 0.7 else rng.uniform(0.3, 0.42)
    ease, hem, drop = rng.uniform(0.08, 0.2), rng.uniform(3.8, 4.2), rng.uniform(0.22, 0.36)
    top, bottom, knob = NECK + drop, 2.05 if polo else hem, dyed(pick_color(rng, apart=(cloth.color,)))
    wing = curve([(0.02, top + 0.05, 1), (0.32, NECK - 0.1, 1), (0.44, NECK + 0.1), (0.24, NECK + 0.52, 1)])
    heights = np.linspace(top + 0.15, bottom - 0.1, 3 if polo else 7)
    parts = [
        torso(figure, hem, ease, (0.3, drop), vee=True), strip([(0.0, top), (0.0, bottom + 0.05)], 0.085),
        *(Part(ellipse(0.0, y, 0.035, 0.035), knob, relief=0.3) for y in heights),
        *both(Part(wing, relief=0.5)),
    ]
    over = sleeves(figure, share, ease, 0.22 if share > 0.9 else 0.06)
    return Piece("top", label, cloth, parts, over, inner_back(figure, 0.3, 0.3), share)


def hoodie(figure: Figure, rng: np.random.Generator) -> Piece:
    """A hoodie: hood, kangaroo pocket, ribbed cuffs and hem, cords, sometimes a zip."""
    cloth = weave(rng, "plain plain heather camouflage")
    ease, hem = rng.uniform(0.16, 0.28), rng.uniform(3.75, 4.05)
    white = color_from("#bfbfc7")
    rim = [(-0.42, 1.34), (-0.26, 1.64), (0.0, 1.77), (0.26, 1.64), (0.42, 1.34)]
    zipper = [line((0.0, 1.7), (0.0, hem), width=0.05, color=white)] * int(rng.integers(2))
    wide = figure.hip + ease
    parts: list[Mark] = [
        torso(figure, hem, ease, (0.36, 0.34)),
        half((0.0, 3.05), (0.34, 3.05, 1), (0.56, 3.35, 1), (0.56, 3.6, 1), (0.0, 3.62), relief=0.5),
        strip([(-wide, hem - 0.06), (0.0, hem), (wide, hem - 0.06)], 0.11, shade=0.88),
        *zipper, strip(rim, 0.09), *both(line((0.12, 1.76), (0.14, 2.45), width=0.04, color=white)),
    ]
    hood = [half((0.0, 1.08), (0.42, 1.14), (0.56, 1.4), (0.3, 1.62), (0.0, 1.62))]  # thrown back
    if not figure.worn:
        hood = [
            half((0.0, 0.42), (0.4, 0.56), (0.58, 1.0), (0.5, 1.5), (0.2, 1.75), (0.0, 1.8)),
            half((0.0, 0.66), (0.26, 0.8), (0.36, 1.1), (0.3, 1.5), (0.0, 1.78), shade=0.5, relief=0.4),
        ]
    return Piece("top", "Hoodie", cloth, parts, sleeves(figure, 1.0, ease, 0.2), hood, 1.0)


def dress(figure: Figure, rng: np.random.Generator) -> Piece:
    """A dress: a fitted body with a flared skirt below a seam; straps, short or long sleeves."""
    hem, flare = rng.uniform(5.0, 6.9), rng.uniform(0.15, 0.75)
    share, wide = (0.0, 0.0, 0.35, 0.95)[rng.integers(4)], rng.uniform(0.34, 0.5)
    drop = rng.uniform(0.3, 0.62)
    edge, waist = figure.shoulder + 0.02 if share else wide + 0.16, figure.waist + 0.05
    low = figure.hip + 0.1 + flare
    body = half(
        (0.0, NECK + drop), (wide, NECK + 0.04, 1), (edge, SHOULDER - 0.04, 1), (waist + 0.1, 2.2, 1),
        (waist, WAIST - 0.05, 1), (figure.hip + flare * 0.4, HIP + 0.1), (low, hem, 1), (0.0, hem + 0.08),
    )
    seam = strip([(-waist, WAIST - 0.05), (0.0, WAIST), (waist, WAIST - 0.05)], 0.05, shade=0.86)
    parts = [body, seam, *pleats(waist * 0.8, WAIST, low * 0.95, hem, int(rng.integers(4, 9)))]
    over = sleeves(figure, share, 0.05) if share else ()
    return Piece("dress", "Dress", weave(rng, DRESSY), parts, over, inner_back(figure, wide, drop), share)


def open_front(label: str, figure: Figure, rng: np.random.Generator) -> Piece:
    """A coat, knee-length or longer, or a blazer that ends at the hip: open in front, with lapels."""
    blazer = label == "Blazer"
    cloth = weave(rng, "plain plain heather tartan pinstripes" if blazer else OUTER)
    hem, ease = CROTCH + 0.1 if blazer else rng.uniform(4.7, 6.1), rng.uniform(0.14, 0.24)
    gap = rng.uniform(0.1, 0.4) if figure.worn else rng.uniform(0.0, 0.08)
    panel = curve([
        (0.34, NECK - 0.04, 1), (figure.shoulder + 0.4 * ease, SHOULDER, 1), (figure.chest + ease, ARMPIT, 1),
        (figure.waist + 1.7 * ease, WAIST), (figure.hip + ease, HIP), (figure.hip + 1.3 * ease + 0.1, hem, 1),
        (gap * 1.2, hem + 0.08, 1), (gap - 0.06, WAIST + 0.2), (gap - 0.04, 2.7), (0.3, NECK + 0.3),
    ])
    lapel = curve([
        (0.3, NECK - 0.1, 1), (0.46, NECK + 0.12, 1), (0.52, 2.0, 1), (0.44, 2.04, 1), (gap - 0.02, 2.75, 1),
        (0.18, NECK + 0.35),
    ])
    knob, inside = (dyed(pick_color(rng, apart=(cloth.color,)), 0.3) for _ in range(2))
    parts = [
        *both(Part(panel)), *both(Part(lapel, shade=0.95, relief=0.6)),
        *both(strip([(0.42, 3.35), (0.74, 3.3)], 0.05)),
        *(Part(ellipse(gap + 0.06, y, 0.035, 0.035), knob, relief=0.3) for y in (2.85, 3.2, 3.55)),
    ]
    lining = half(
        (0.0, NECK - 0.12), (0.34, NECK - 0.06, 1), (figure.chest, ARMPIT), (figure.hip, hem - 0.05, 1),
        (0.0, hem), fabric=inside, shade=0.55, relief=0.3,
    )
    back = () if figure.worn else [lining]
    return Piece("outerwear", label, cloth, parts, sleeves(figure, 1.0, ease), back, 1.0)


def trousers(label: str, figure: Figure, rng: np.random.Generator) -> Piece:
    """Jeans or trousers, slim to wide, or shorts that end above the knee."""
    cloth, wide = weave(rng, TROUSERS), figure.waist + 0.06
    if label == "Pants":
        share, hem = rng.uniform(0.93, 1.0), rng.uniform(0.2, 0.42)
    else:
        share, hem = rng.uniform(0.16, 0.42), rng.uniform(0.36, 0.44)
    thread = color_from("#c79952") if cloth.pattern == "denim" else None
    parts = [
        *legs(figure, share, rng.uniform(0.02, 0.08), hem),
        strip([(-wide, WAIST + 0.08), (0.0, WAIST + 0.12), (wide, WAIST + 0.08)], 0.09, shade=0.92),
        *both(line((0.3, WAIST + 0.2), (0.38, WAIST + 0.4), (figure.hip, WAIST + 0.5), color=thread)),
        line((0.0, WAIST + 0.2), (0.13, WAIST + 0.6), (0.0, WAIST + 0.85), color=thread),
        Part(ellipse(0.0, WAIST + 0.1, 0.04, 0.04), METAL, relief=0.3),
    ]
    return Piece(label.lower(), label, cloth, parts)


def skirt(figure: Figure, rng: np.random.Generator) -> Piece:
    """A skirt: pencil, A-line or full, then with pleats."""
    hem, flare = rng.uniform(4.5, 6.4), rng.uniform(0.0, 0.8)
    low, wide = figure.hip + 0.08 + flare, figure.waist + 0.05
    body = half(
        (0.0, WAIST), (wide, WAIST - 0.02, 1), (figure.hip + 0.05 + 0.35 * flare, HIP), (low, hem, 1),
        (0.55 * low, hem + 0.08), (0.0, hem + 0.08),
    )
    folds = pleats(figure.waist, WAIST + 0.12, low, hem, int(rng.integers(5, 12))) if flare > 0.25 else []
    band = strip([(-wide, WAIST + 0.05), (0.0, WAIST + 0.08), (wide, WAIST + 0.05)], 0.08, shade=0.9)
    return Piece("skirt", "Skirt", weave(rng, f"{DRESSY} denim tartan"), [body, *folds, band])


def worn_shoes(figure: Figure, rng: np.random.Generator) -> Piece:
    """Shoes or boots on the feet, seen from the front."""
    boots, share = rng.random() < 0.3, rng.uniform(0.1, 0.85)
    cloth = dyed(pick_color(rng, LEATHER if boots else f"{LEATHER} #f4f2ec #c23b33 #2f4f86"), 0.2, 0.3)
    sole = dyed(pick_color(rng, SOLES, (cloth.color,)))
    parts: list[Mark] = []
    for (_, knee, ankle), x in zip(figure.legs, (-0.1, 0.1), strict=True):
        front = ((x + 0.2, 0.3), (x + 0.12, 0.47), (x - 0.12, 0.47), (x - 0.2, 0.3))
        shoe: list[Mark] = [Part(curve([(-0.17, 0.04), (0.17, 0.04), *front]))]
        if boots:
            shoe += [strip([(knee - ankle) * share, (0.0, 0.12)], 0.24, relief=1.0)]
        else:
            shoe += [line((-0.08, y), (0.08, y), width=0.025, color=sole.color) for y in (0.12, 0.19, 0.26)]
        shoe += [strip([(x - 0.19, 0.42), (x, 0.49), (x + 0.19, 0.42)], 0.035, sole)]
        parts += [moved(mark, ankle) for mark in shoe]
    return Piece("boots" if boots else "footwear", "Shoes", cloth, parts)


def side_shoes(figure: Figure, rng: np.random.Generator) -> Piece:
    """A pair from the side, one a little behind the other: low shoes, or boots with a shaft."""
    boots = rng.random() < 0.5
    cloth = dyed(pick_color(rng, LEATHER if boots else f"{LEATHER} #f4f2ec #2f4f86 #c23b33"), 0.3, 0.3)
    sole, shaft = dyed(pick_color(rng, SOLES, (cloth.color,))), rng.uniform(-1.7, -0.7) if boots else -0.05
    body = curve([
        (-0.42, shaft, 1), (0.28, shaft + 0.04, 1), (0.34, 0.22), (0.72, 0.42), (1.2, 0.58), (1.34, 0.86),
        (1.2, 1.0, 1), (-0.45, 1.0, 1), (-0.5, 0.5),
    ])
    shoe: list[Mark] = [
        Part(body), strip([(-0.5, 1.02), (0.3, 1.02), (1.32, 1.0)], 0.09, sole),
        Part(ellipse(-0.07, shaft + 0.03, 0.34, 0.09), dyed("#292321"), relief=0.0, shadow=0.0),
        line((0.3, 0.8), (0.62, 0.72), (0.8, 0.44), width=0.03),
    ]
    for x in () if boots else (0.33, 0.46, 0.59):
        shoe += [line((x, 0.6 * x), (x - 0.1, 0.45 * x + 0.24), width=0.05, color=sole.color)]
    parts = [moved(mark, shift_xy) for shift_xy in ((0.35, -0.3), (-0.2, 0.25)) for mark in shoe]
    return Piece("boots" if boots else "footwear", "Shoes", cloth, parts)


def hat(figure: Figure, rng: np.random.Generator) -> Piece:
    """A cap, a knitted hat or a felt hat, on a head of which the crown is at y = 0."""
    kind, cloth = rng.integers(3), dyed(pick_color(rng, f"{LEATHER} #e6dcc6 #d8b896"), 0.1)
    parts: list[Mark]
    if kind == 0:
        cloth = weave(rng, "plain plain denim camouflage")
        visor = [(-0.4, 0.33, 1), (0.0, 0.25), (0.42, 0.31, 1), (0.58, 0.48), (0.32, 0.6), (-0.44, 0.46)]
        parts = [
            half((0.0, -0.24), (0.36, -0.06), (0.47, 0.34, 1), (0.0, 0.4)),
            *both(line((0.0, -0.23), (0.22, 0.05), (0.25, 0.34))),
            Part(curve(visor) * (rng.choice((-1.0, 1.0)), 1.0), shade=0.9),
        ]
    elif kind == 1:
        cloth = weave(rng, "knit knit stripes heather")
        parts = [
            half((0.0, -0.36), (0.34, -0.22), (0.45, 0.12), (0.46, 0.34, 1), (0.0, 0.4)),
            half((0.0, 0.16), (0.45, 0.1, 1), (0.48, 0.36, 1), (0.0, 0.43), shade=0.9),
        ]
    else:
        ribbon = dyed(pick_color(rng, apart=(cloth.color,)))
        parts = [
            half((0.0, 0.16), (0.5, 0.12), (0.86, 0.2), (0.5, 0.42), (0.0, 0.46)),
            half((0.0, -0.3), (0.22, -0.38), (0.38, -0.22), (0.46, 0.26, 1), (0.0, 0.36)),
            half((0.0, 0.16), (0.45, 0.08, 1), (0.46, 0.26, 1), (0.0, 0.36), fabric=ribbon, relief=0.5),
        ]
    return Piece("headwear", "Hat", cloth, parts)


def bag(figure: Figure, rng: np.random.Generator) -> Piece:
    """A handbag with a flap, or a tote with two handles, hanging from (0, 0)."""
    cloth = dyed(pick_color(rng, f"{LEATHER} {LEATHER} #c23b33 #2f5a3c #1f2a48 #d9a62e"), 0.2, 0.4)
    wide, tall, top = rng.uniform(0.45, 0.8), rng.uniform(0.7, 1.1), rng.uniform(0.45, 0.9)
    edge, low, middle = wide * rng.uniform(0.75, 1.1), top + tall, top + tall * 0.5
    body = half((0.0, top), (edge, top, 1), (wide, low - 0.08 * tall), (wide * 0.9, low, 1), (0.0, low))
    right = [(0.0, 0.0), (wide * 0.42, top * 0.3), (wide * 0.5, top + 0.15)]
    handle = strip([*((-x, y) for x, y in reversed(right[1:])), *right], 0.04)
    flap = half((0.0, top - 0.02), (edge, top, 1), (wide * 0.9, top + tall * 0.35), (0.0, middle), relief=0.7)
    if rng.random() < 0.55:
        front: list[Mark] = [flap, Part(ellipse(0.0, middle, 0.07, 0.09), METAL, relief=0.4)]
    else:
        front = [moved(handle, (0.0, 0.08)), *both(Part(ellipse(wide * 0.5, top + 0.17, 0.05, 0.05), METAL))]
    return Piece("bag", None, cloth, [handle, body, *front])


def belt(figure: Figure, rng: np.random.Generator) -> Piece:
    """A belt with a buckle: around the waist of a person, else rolled up or stretched."""
    turns, wide, y = np.linspace(0.3, 13.2, 90)[:, None], figure.waist + 0.07, WAIST + 0.1
    path = np.concatenate([np.cos(turns), np.sin(turns) * 0.8], axis=1) * (0.42 + 0.055 * turns)
    if not figure.worn and rng.random() < 0.5:
        path = curve([(-2.2, 0.0), (-0.8, rng.uniform(-0.25, 0.25)), (0.8, 0.1), (2.2, 0.0)], closed=False)
    x, y = (0.0, y) if figure.worn else path[-1]
    path = np.array([(-wide, y), (0.0, y + 0.02), (wide, y)]) if figure.worn else path
    corners = [(x + dx, y + dy, 1) for dx, dy in ((-0.14, -0.15), (0.14, -0.15), (0.14, 0.15), (-0.14, 0.15))]
    buckle = line(*corners, corners[0], width=0.05, color=METAL.color)
    return Piece("belt", None, dyed(pick_color(rng, LEATHER), 0.08, 0.35), [strip(path, 0.1), buckle])


def scarf(figure: Figure, rng: np.random.Generator) -> Piece:
    """A scarf with fringes: wound around the neck, else folded over itself."""
    cloth, half_width = weave(rng, "tartan tartan stripes knit floral plain"), 0.17 if figure.worn else 0.41
    long = [(-0.3, -2.2), (rng.uniform(-0.25, 0.75), -0.8), (-0.2, 0.6), (0.15, 2.2)]
    hanging = [[(x / 2, 1.4), (x, 1.9), (x, rng.uniform(2.3, 3.1))] for x in (0.3, -0.24)]
    parts: list[Mark] = []
    for path in hanging if figure.worn else ([(0.25, -2.15), (0.8, -0.5), (0.6, 1.3)], long):
        x, y = path[-1]
        threads = x + np.linspace(-0.92, 0.92, int(half_width * 30)) * half_width
        parts += [line((at, y - 0.04), (at, y + 0.16), width=0.03, color=cloth.color) for at in threads]
        parts += [strip(path, half_width, relief=1.0)]
    if figure.worn:
        parts += [half((0.0, 1.12), (0.36, 1.1), (0.5, 1.35), (0.34, 1.62), (0.0, 1.72))]
    return Piece("scarf_tie", None, cloth, parts)


def sunglasses(figure: Figure, rng: np.random.Generator) -> Piece:
    """Dark glasses on the eyes (y = 0.5), or the same opened out, with their temples."""
    rim = dyed(pick_color(rng, "#1b1b1f #1b1b1f #6a4632 #7a2030 #b58a5e"), 0.0, 0.6)
    glass = dyed(pick_color(rng, "#17181c #2a2420 #20303a #3a2a24"), 0.0, 0.9)
    lens = curve([(0.05, 0.43, 1), (0.36, 0.41, 1), (0.35, 0.56), (0.24, 0.66), (0.09, 0.6)])
    lens = ellipse(0.19, 0.52, 0.15, 0.14) if rng.random() < 0.4 else lens
    middle = lens.mean(axis=0)
    gleam = line(middle + (-0.07, -0.02), middle + (0.02, -0.06), width=0.025, color=color_from("#737885"))
    temples = both(strip([(0.37, 0.45), (0.43, 0.2), (0.36, -0.1), (0.3, -0.16)], 0.022))
    parts: list[Mark] = [
        *(() if figure.worn else temples), *both(Part((lens - middle) * 1.16 + middle, relief=0.4)),
        *both(Part(lens, glass, relief=0.5, shadow=0.0)), *both(gleam),
        strip([(-0.07, 0.5), (0.0, 0.46), (0.07, 0.5)], 0.022),
    ]
    return Piece("sunglasses", None, rim, parts)


TOPS: dict[str, Maker] = {
    "t-shirt": partial(knit_top, "T-Shirt"), "longsleeve": partial(knit_top, "Longsleeve"),
    "polo": partial(collared, "Polo"), "shirt": partial(collared, "Shirt"), "hoodie": hoodie, "dress": dress,
    "coat": partial(open_front, "Outwear"), "blazer": partial(open_front, "Blazer"),
}
"""What is hung on a hanger."""

GARMENTS: dict[str, Maker] = {
    **TOPS, "pants": partial(trousers, "Pants"), "shorts": partial(trousers, "Shorts"), "skirt": skirt,
    "shoes from the side": side_shoes, "hat": hat, "bag": bag, "belt": belt, "scarf": scarf,
    "sunglasses": sunglasses,
}
