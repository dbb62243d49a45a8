"""Calibration: whether a score of 0.8 means that four in five are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15
LEAST_SCORE = 0.05
"""Detections below it are not counted: nearly all of them are wrong at any scale of scores."""


def expected_calibration_error(
    scores: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = BINS
) -> float:
    """ECE (Guo et al. 2017) of scores (N,) in 0..1 against whether each was right (N,).

    The mean over ``bins`` equally wide bins of |share that was right - mean score|, weighted by how many
    scores lie in each; NaN without scores.
    """
    scores, correct = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(scores):
        return float("nan")
    places = np.minimum((scores * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, correct - scores, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))
