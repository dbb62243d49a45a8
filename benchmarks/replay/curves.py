"""Learning curves over paired seeds: means with 95 % intervals, area, and labels to a given score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean and Student's 95 % interval over seeds; of one seed the interval is the value itself."""
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return mean, mean, mean
    half = float(student.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1))
    half *= float(numbers.std(ddof=1)) / len(numbers) ** 0.5
    return mean, mean - half, mean + half


def area(labels: Sequence[int], scores: Sequence[float] | np.ndarray) -> float:
    """The mean height of a curve between its first and last point (trapezoids)."""
    widths = np.diff(np.asarray(labels, dtype=np.float64))
    heights = np.asarray(scores, dtype=np.float64)
    if not len(widths):
        return float(heights[0])
    return float((widths * (heights[1:] + heights[:-1]) / 2).sum() / widths.sum())


def labels_to_reach(labels: Sequence[int], scores: Sequence[float] | np.ndarray, goal: float) -> float | None:
    """Where a curve first reaches ``goal``, on straight lines between points; None where it never does."""
    for number, (count, score) in enumerate(zip(labels, scores, strict=True)):
        if score >= goal:
            if number == 0:
                return float(count)
            before, start = float(scores[number - 1]), labels[number - 1]
            return start + (count - start) * (goal - before) / (float(score) - before)
    return None


def summary(
    labels: Sequence[int], curves: dict[str, np.ndarray], goals: Sequence[float] | None = None
) -> dict[str, object]:
    """Each arm's curve, area and labels to the goal with intervals, and the paired gains over ``random``.

    ``curves`` holds (seeds, points) by arm; ``goals`` a score a seed.
    """
    areas = {arm: np.array([area(labels, row) for row in rows]) for arm, rows in curves.items()}
    told: dict[str, object] = {"labels": list(labels)}
    for arm, rows in curves.items():
        entry: dict[str, object] = {
            "curve": [_rounded(mean_interval(column)) for column in rows.T],
            "area": _rounded(mean_interval(areas[arm])),
        }
        if arm != "random":
            entry["gain in area"] = _rounded(mean_interval(areas[arm] - areas["random"]))
            entry["gain"] = [_rounded(mean_interval(column)) for column in (rows - curves["random"]).T]
        told[arm] = entry | (_to_goal(labels, curves, arm, goals) if goals is not None else {})
    return told


def _to_goal(
    labels: Sequence[int], curves: dict[str, np.ndarray], arm: str, goals: Sequence[float]
) -> dict[str, object]:
    """Labels to each seed's goal; a seed that never reaches it counts with the last point, and is counted."""

    def needed(name: str) -> list[float | None]:
        return [labels_to_reach(labels, row, goal) for row, goal in zip(curves[name], goals, strict=True)]

    def filled(found: Sequence[float | None]) -> np.ndarray:
        return np.array([labels[-1] if count is None else count for count in found], dtype=np.float64)

    mine = needed(arm)
    told: dict[str, object] = {
        "labels to goal": _rounded(mean_interval(filled(mine)), 0),
        "seeds that never reached it": sum(count is None for count in mine),
    }
    if arm != "random":
        told["labels saved"] = _rounded(mean_interval(filled(needed("random")) - filled(mine)), 0)
    return told


def _rounded(values: tuple[float, float, float], digits: int = 4) -> dict[str, float]:
    return {name: round(value, digits) for name, value in zip(("mean", "low", "high"), values, strict=True)}
