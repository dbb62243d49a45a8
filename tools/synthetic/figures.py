"""The dressmaker's dummy that garments are cut for, and what a cut garment is.

Units are head heights: a person is eight of them, x = 0 is the middle, y = 0 the crown and y = 8 the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.synthetic.canvas import Part, Stroke
from tools.synthetic.curves import Points
from tools.synthetic.fabrics import Fabric

CHIN, NECK, SHOULDER, ARMPIT, WAIST, HIP, CROTCH = 1.0, 1.32, 1.5, 2.2, 3.05, 3.75, 4.1
KNEE, ANKLE, GROUND = 5.8, 7.45, 7.85

Mark = Part | Stroke


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
    """One garment to be drawn: ``sleeves`` lie apart, as an arm comes between them and the rest.

    ``sleeve_share`` is their share of the arm (0..1); ``back`` lies behind the body of a wearer.
    """

    category: str
    label: str | None
    fabric: Fabric
    parts: tuple[Mark, ...]
    sleeves: tuple[Mark, ...] = ()
    back: tuple[Mark, ...] = ()
    sleeve_share: float = 0.0


def _turned(start: tuple[float, float], length: float, angle: float, side: float) -> np.ndarray:
    """The point at a distance from ``start``, ``angle`` radians from straight down, outwards on a side."""
    return np.array([start[0] + side * length * np.sin(angle), start[1] + length * np.cos(angle)])


def _limb(
    start: tuple[float, float], lengths: tuple[float, float], angles: tuple[float, float], side: float
) -> Points:
    middle = _turned(start, lengths[0], angles[0], side)
    end = _turned((middle[0], middle[1]), lengths[1], angles[1], side)
    return np.array([start, middle, end])


def flat_figure(rng: np.random.Generator) -> Figure:
    """A garment laid out: arms and legs straight, spread alike."""
    arm = float(rng.uniform(0.3, 0.75))
    fore = arm + float(rng.uniform(-0.35, 0.1))
    leg = float(rng.uniform(0.05, 0.16))
    return _figure(rng, ((arm, fore), (arm, fore)), ((leg, leg), (leg, leg)), worn=False)


def hung_figure(rng: np.random.Generator) -> Figure:
    """A garment on a hanger: sleeves fall straight down."""
    arm, fore = float(rng.uniform(0.12, 0.28)), float(rng.uniform(0.0, 0.1))
    return _figure(rng, ((arm, fore), (arm, fore)), ((0.02, 0.02), (0.02, 0.02)), worn=False)


def standing_figure(rng: np.random.Generator) -> Figure:
    """A person who stands: arms at ease or bent, legs in one of a few stances."""
    arms = tuple(_arm_angles(rng) for _ in range(2))
    stance, lean = float(rng.uniform(0.0, 0.12)), float(rng.uniform(-0.05, 0.05))
    legs = ((stance + lean, stance - 0.02 + lean), (stance - lean, stance - 0.02 - lean))
    return _figure(rng, (arms[0], arms[1]), legs, worn=True)


def _arm_angles(rng: np.random.Generator) -> tuple[float, float]:
    if rng.random() < 0.2:  # hand on the hip
        return float(rng.uniform(0.55, 0.7)), float(rng.uniform(-0.75, -0.6))
    upper = float(rng.uniform(0.1, 0.3))
    return upper, upper - float(rng.uniform(0.0, 0.35))


def _figure(
    rng: np.random.Generator,
    arm_angles: tuple[tuple[float, float], tuple[float, float]],
    leg_angles: tuple[tuple[float, float], tuple[float, float]],
    worn: bool,
) -> Figure:
    shoulder = float(rng.uniform(0.8, 0.98))
    hip = float(rng.uniform(0.68, 0.82))
    sides = (-1.0, 1.0)
    arms = [_limb((s * (shoulder - 0.12), 1.64), (1.3, 1.2), arm_angles[i], s) for i, s in enumerate(sides)]
    legs = [_limb((s * hip * 0.52, 4.0), (1.85, 1.6), leg_angles[i], s) for i, s in enumerate(sides)]
    waist = float(rng.uniform(0.55, 0.7))
    return Figure(shoulder, shoulder * 0.86, waist, hip, (arms[0], arms[1]), (legs[0], legs[1]), worn)
