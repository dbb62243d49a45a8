"""Calibration: whether a score of 0.8 means that four in five are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
LEAST_SCORE = 0.05
"""Detections below it are not counted: nearly all of them are wrong at any scale of scores."""


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram (Niculescu-Mizil and Caruana 2005): N scores in equally wide bins of 0..1.

    ``edges`` is (B + 1,). ``counts`` (B,) says how many scores each bin holds, ``mean_scores`` (B,) and
    ``accuracies`` (B,) their mean and the share of them that was right, NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    mean_scores: NDArray[np.float64]
    accuracies: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """ECE (Guo et al. 2017): the bins' mean |accuracy - mean score|, weighted by their counts."""
        total = self.counts.sum()
        if not total:
            return float("nan")
        gaps = np.nan_to_num(np.abs(self.accuracies - self.mean_scores))
        return float((gaps * self.counts).sum() / total)


def reliability(scores: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """The reliability diagram of scores (N,) in 0..1 against whether each was right (N,)."""
    scores, right = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    places = np.minimum((scores * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = [np.bincount(places, values, minlength=bins) for values in (scores, right)]
    means = [np.divide(total, counts, out=np.full(bins, np.nan), where=counts > 0) for total in sums]
    return Reliability(np.linspace(0.0, 1.0, bins + 1), counts, *means)


def expected_calibration_error(
    scores: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = BINS
) -> float:
    """ECE (Guo et al. 2017) of scores (N,) in 0..1 against whether each was right (N,).

    The mean over ``bins`` equally wide bins of |share that was right - mean score|, weighted by how many
    scores lie in each; NaN without scores.
    """
    return reliability(scores, correct, bins).expected_error
