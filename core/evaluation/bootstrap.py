"""The bootstrap (Efron and Tibshirani 1993): resamples of units (photos, senders), and their intervals.

A resample is a row of weights: how often each unit was drawn. Any metric on a resample is then a weighted
count, so nothing is matched or ranked again. Two models measured with the same weights are a paired
bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
CONFIDENCE = 0.95


def bootstrap_weights(
    units: int, n_bootstrap: int, seed: int, rows_at_once: int | None = None
) -> Iterator[NDArray[np.float64]]:
    """Weights of ``n_bootstrap`` draws, ``rows_at_once`` at most in a block; a row of ``units`` sums to them.

    The same seed gives the same draws, however they are cut into blocks.
    """
    generator = np.random.default_rng(seed)
    step = max(1, n_bootstrap if rows_at_once is None else rows_at_once)
    for start in range(0, n_bootstrap, step):
        rows = min(step, n_bootstrap - start)
        yield generator.multinomial(units, np.full(units, 1.0 / units), size=rows).astype(np.float64)


def bootstrap_interval(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval | None:
    """The middle ``confidence`` share of resamples (N,); None where none could be measured (all NaN)."""
    measured = values[~np.isnan(values)]
    if measured.size == 0:
        return None
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(measured, [tail, 100.0 - tail])
    return float(low), float(high)


def basic_interval(
    estimate: float, values: NDArray[np.float64], confidence: float = CONFIDENCE
) -> Interval | None:
    """The basic (reverse percentile) bootstrap interval of a metric in 0..1, from its resamples (N,).

    (2 e - q_high, 2 e - q_low), cut to 0..1. AP is biased upwards in resamples, whose repeated photos repeat
    their hits: the percentile interval of mAP then lies too high and covers too seldom, the basic one turns
    the bias around. None where nothing could be measured.
    """
    percentiles = bootstrap_interval(values, confidence)
    if percentiles is None or np.isnan(estimate):
        return None
    low, high = np.clip([2 * estimate - percentiles[1], 2 * estimate - percentiles[0]], 0.0, 1.0)
    return float(low), float(high)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Elementwise quotient of counts; NaN where nothing was counted."""
    counted, total = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    quotient = np.full(np.broadcast_shapes(counted.shape, total.shape), np.nan)
    np.divide(counted, total, out=quotient, where=total > 0)
    return quotient


def as_json(value: float | None) -> float | None:
    """A metric rounded for JSON, which has no NaN: what could not be measured is None."""
    return None if value is None or np.isnan(value) else round(float(value), 6)


def interval_as_json(interval: Interval | None) -> list[float] | None:
    """An interval as a JSON list ``[low, high]``."""
    return None if interval is None else [round(bound, 6) for bound in interval]
