"""Reports of comparisons that nobody had to run."""

from __future__ import annotations

from typing import Any

from core.evaluation.bootstrap import Interval
from core.evaluation.comparison import MAIN_METRIC, ClassComparison, Comparison, PairedMetric


def paired(difference: float, interval: Interval | None = None, champion: float = 0.5) -> PairedMetric:
    """A figure whose difference has an interval of two points to each side, unless told otherwise."""
    ends = interval or (difference - 0.02, difference + 0.02)
    return PairedMetric(champion, champion + difference, difference, None, None, ends)


def comparison(
    difference: float,
    interval: Interval | None = None,
    *,
    kind: str = "detector",
    photos: int = 100,
    classes: tuple[ClassComparison, ...] = (),
) -> Comparison:
    """A comparison of which the main figure is what counts."""
    return Comparison(kind, photos, 200, {MAIN_METRIC[kind]: paired(difference, interval)}, classes, 1000)


def report(difference: float, interval: Interval | None = None, **more: Any) -> dict[str, Any]:
    """The same as the store keeps it."""
    return {"comparison": comparison(difference, interval, **more).as_dict(), "changed": [], "seconds": 1.0}


BETTER = report(0.05)
WORSE = report(-0.05)
UNCLEAR = report(0.01)
