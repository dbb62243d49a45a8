"""The expected calibration error, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.calibration import expected_calibration_error, reliability


def test_scores_that_mean_what_they_say_have_no_error():
    scores = np.full(10, 0.8)
    assert expected_calibration_error(scores, np.arange(10) < 8) == pytest.approx(0.0)


def test_the_gaps_of_the_bins_are_weighted_by_their_counts():
    """Three at 0.9 of which one is right, one at 0.1 that is right: (|1 - 2.7| + |1 - 0.1|) / 4 = 0.65."""
    scores, correct = np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, False, False, True])
    assert expected_calibration_error(scores, correct) == pytest.approx(0.65)


def test_over_and_underconfidence_in_one_bin_cancel():
    assert expected_calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx(0.0)


def test_a_score_of_one_lies_in_the_last_bin_and_nothing_has_no_error():
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0.0
    assert np.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_a_reliability_diagram_has_counts_means_and_accuracies():
    diagram = reliability(np.array([0.9, 0.7, 0.1]), np.array([True, False, False]), bins=2)
    assert diagram.edges.tolist() == [0.0, 0.5, 1.0] and diagram.counts.tolist() == [1, 2]
    assert diagram.mean_scores == pytest.approx([0.1, 0.8]) and diagram.accuracies == pytest.approx([0, 0.5])
    assert diagram.expected_error == pytest.approx((0.1 + 2 * 0.3) / 3)
    assert np.isnan(reliability(np.array([0.9]), np.array([True]), bins=2).accuracies[0])
