"""Whether a candidate may take over: only what is better, or at least not worse, and loses no class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.bootstrap import MAIN, ClassPair, Comparison, Interval, Paired

MARGIN = 0.005
"""What may be lost on the main figure: half a point."""

CLASS_LOSS = 0.05
CLASS_BOXES = 20
"""A class with so many boxes may lose so much; of one with fewer, too little is known."""

LEAST_PHOTOS = 20
"""Of fewer photos a bootstrap's interval says little: resamples of one photo are all the same."""

MOST_PHOTOS = 1_000_000

_NAMES = {"detector": "mAP50", "classifier": "top-1"}
_TINY = 1e-9  # rounding of figures that are equal


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate passes, why or why not in sentences; ``photos_needed`` where too few can tell."""

    passes: bool
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
        f"{entry.name} loses {points(-(entry.figure.difference or 0.0))} points over {entry.boxes} boxes, "
        f"and {points(CLASS_LOSS)} are allowed."
        for entry in losers
    )
    interval = main.difference_interval
    if main.difference is None or interval is None:
        return Verdict(False, ("The holdout has no annotated boxes that could tell.", *losses), LEAST_PHOTOS)
    said = _said(comparison, main, main.difference, interval)
    if comparison.photos < LEAST_PHOTOS:
        few = f"The holdout of {_photos(comparison.photos)} is too small to tell: it takes {LEAST_PHOTOS}."
        return Verdict(False, (said, few, *losses), LEAST_PHOTOS)
    if interval[0] > -MARGIN:
        return Verdict(not losses, (said, *losses))
    if interval[1] < -MARGIN:
        return Verdict(False, (f"{said} It is worse.", *losses))
    needed = photos_needed(comparison.photos, main.difference, interval)
    small = (
        f"It may be worse by up to {points(-interval[0])} points, and {points(MARGIN)} are allowed: the "
        f"holdout of {_photos(comparison.photos)} is too small to tell, it would take about {needed:,}."
    )
    return Verdict(False, (said, small, *losses), needed)


def photos_needed(photos: int, difference: float, interval: Interval) -> int:
    """How many photos would tell on which side of the margin the difference is; see :func:`gate`."""
    above = difference > -MARGIN
    half_width = difference - interval[0] if above else interval[1] - difference
    distance = max(abs(difference + MARGIN), _TINY)
    needed = float(np.ceil(photos * (half_width / distance) ** 2))
    return int(min(max(needed, LEAST_PHOTOS, photos + 1), MOST_PHOTOS))


def losing_classes(comparison: Comparison) -> tuple[ClassPair, ...]:
    """The classes with enough boxes that lose more than is allowed, the worst first."""
    found = [
        entry
        for entry in comparison.classes
        if entry.boxes >= CLASS_BOXES and (entry.figure.difference or 0.0) < -CLASS_LOSS - _TINY
    ]
    return tuple(sorted(found, key=lambda entry: entry.figure.difference or 0.0))


def points(share: float) -> str:
    """A share as points: 0.0125 is "1.2"."""
    return f"{100 * share:.1f}"


def _said(comparison: Comparison, main: Paired, difference: float, interval: Interval) -> str:
    name = _NAMES.get(comparison.kind, MAIN[comparison.kind])
    ends = f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
    return (
        f"{name} {points(main.champion or 0.0)} → {points(main.candidate or 0.0)}: {100 * difference:+.1f} "
        f"points, 95 % interval {ends}, on {_photos(comparison.photos)}."
    )


def _photos(count: int) -> str:
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"
