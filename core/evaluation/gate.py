"""The promotion gate: a candidate serves only if it is not worse than the champion, overall and in each
class.

A non-inferiority test on the paired bootstrap of :mod:`core.evaluation.comparison`. All of its numbers stand
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.evaluation.bootstrap import Interval
from core.evaluation.comparison import MAIN_METRIC, ClassComparison, Comparison, PairedMetric

NON_INFERIORITY_MARGIN = 0.005
"""What may be lost on the main metric: half a point."""

MAX_CLASS_LOSS = 0.05
MIN_CLASS_BOXES = 20
"""A class with so many boxes may lose so much; of one with fewer, too little is known."""

MIN_PHOTOS = 20
"""With fewer photos a bootstrap interval is meaningless: resamples of one photo are all the same."""

MAX_PHOTOS_NEEDED = 1_000_000

_NAMES = {"detector": "mAP50", "classifier": "top-1"}
_ROUNDING = 1e-9  # of metrics that are equal


class Reason(StrEnum):
    """Why the gate decided as it did."""

    NOT_WORSE = "not worse"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    TOO_FEW_PHOTOS = "too few photos"
    NOTHING_MEASURED = "nothing measured"
    CLASS_LOSS = "class loss"


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate passes, and why or why not, as codes and in sentences.

    ``photos_needed`` is how many holdout photos it would take to tell, where there are too few; else None.
    """

    passes: bool
    codes: tuple[Reason, ...]
    reasons: tuple[str, ...]
    photos_needed: int | None = None

    @property
    def sentence(self) -> str:
        """All reasons."""
        return " ".join(self.reasons)


def gate(comparison: Comparison) -> Verdict:
    """The verdict on a candidate.

    It passes where the lower end of the 95 % interval of the difference (mAP50 of detectors, top-1 of
    classifiers) is above -0.5 points, and no class with 20 or more holdout boxes loses over 5 points.

    Where the interval holds -0.5, the photos cannot tell. ``photos_needed`` is then how many it would take:
    an interval's half-width falls with the square root of the number of photos n, so for the half that
    reaches over the margin to be as short as the difference's distance from it,

        photos_needed = n * (half-width / |difference + 0.005|)**2,

    if the difference stays what it is now; at least 20, at most a million. With fewer than 20 photos no
    verdict is given at all: of one photo, all resamples are the same, and the interval has no width.
    """
    main, losers = comparison.main, losing_classes(comparison)
    losses = tuple(
        f"{entry.name} loses {points(-(entry.metric.difference or 0.0))} points over {entry.boxes} boxes, "
        f"and {points(MAX_CLASS_LOSS)} are allowed."
        for entry in losers
    )
    loss_codes = (Reason.CLASS_LOSS,) if losers else ()
    interval = main.difference_interval
    if main.difference is None or interval is None:
        said = "The holdout has no annotated boxes that could tell."
        return Verdict(False, (Reason.NOTHING_MEASURED, *loss_codes), (said, *losses), MIN_PHOTOS)
    said = _main_sentence(comparison, main, main.difference, interval)
    if comparison.photos < MIN_PHOTOS:
        few = f"The holdout of {_photos(comparison.photos)} is too small to tell: it takes {MIN_PHOTOS}."
        return Verdict(False, (Reason.TOO_FEW_PHOTOS, *loss_codes), (said, few, *losses), MIN_PHOTOS)
    if interval[0] > -NON_INFERIORITY_MARGIN:
        return Verdict(not losers, (Reason.NOT_WORSE, *loss_codes), (said, *losses))
    if interval[1] < -NON_INFERIORITY_MARGIN:
        return Verdict(False, (Reason.WORSE, *loss_codes), (f"{said} It is worse.", *losses))
    needed = photos_needed(comparison.photos, main.difference, interval)
    small = (
        f"It may be worse by up to {points(-interval[0])} points, and {points(NON_INFERIORITY_MARGIN)} are "
        f"allowed: the holdout of {_photos(comparison.photos)} is too small to tell, it would take about "
        f"{needed:,}."
    )
    return Verdict(False, (Reason.INCONCLUSIVE, *loss_codes), (said, small, *losses), needed)


def photos_needed(photos: int, difference: float, interval: Interval) -> int:
    """How many photos would tell on which side of the margin the difference is; see :func:`gate`."""
    above = difference > -NON_INFERIORITY_MARGIN
    half_width = difference - interval[0] if above else interval[1] - difference
    distance = max(abs(difference + NON_INFERIORITY_MARGIN), _ROUNDING)
    needed = float(np.ceil(photos * (half_width / distance) ** 2))
    return int(min(max(needed, MIN_PHOTOS, photos + 1), MAX_PHOTOS_NEEDED))


def has_enough_boxes(entry: ClassComparison) -> bool:
    """Whether a class has so many holdout boxes that its difference counts."""
    return entry.boxes >= MIN_CLASS_BOXES


def loses_too_much(entry: ClassComparison) -> bool:
    """Whether a class with enough boxes loses more than is allowed."""
    return has_enough_boxes(entry) and (entry.metric.difference or 0.0) < -MAX_CLASS_LOSS - _ROUNDING


def losing_classes(comparison: Comparison) -> tuple[ClassComparison, ...]:
    """The classes that lose too much, the worst first."""
    found = [entry for entry in comparison.classes if loses_too_much(entry)]
    return tuple(sorted(found, key=lambda entry: entry.metric.difference or 0.0))


def points(share: float) -> str:
    """A share as points: 0.0125 is "1.2"."""
    return f"{100 * share:.1f}"


def _main_sentence(comparison: Comparison, main: PairedMetric, difference: float, interval: Interval) -> str:
    name = _NAMES.get(comparison.kind, MAIN_METRIC[comparison.kind])
    ends = f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
    return (
        f"{name} {points(main.champion or 0.0)} → {points(main.candidate or 0.0)}: {100 * difference:+.1f} "
        f"points, 95 % interval {ends}, on {_photos(comparison.photos)}."
    )


def _photos(count: int) -> str:
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"
