"""PPAL by hand: difficulties, weights, entropies, matching distances, k-center and k-medoids."""

from __future__ import annotations

import numpy as np
import pytest

from core.active_learning.ppal import (
    PPAL,
    Instances,
    box_qualities,
    calibrated_uncertainty,
    category_difficulties,
    category_weights,
    entropy,
    k_center,
    k_medoids,
    matching_distances,
    most_uncertain,
    representatives,
)
from core.boxes import Detections, GroundTruth

TRUTH = GroundTruth(np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]), np.array([0, 1]))
FOUND = Detections(
    np.array([[0.0, 0, 10, 5], [0, 0, 10, 10], [20, 0, 30, 10]]),
    np.array([0.81, 0.01, 0.9]),
    np.array([0, 0, 0]),
)


def instances(*rows: tuple[int, float, tuple[float, float]]) -> Instances:
    ids, scores, features = zip(*rows, strict=True) if rows else ((), (), np.zeros((0, 2)))
    return Instances(np.array(ids, dtype=np.int64), np.array(scores), np.array(features, dtype=np.float64))


def test_a_boxs_quality_is_that_of_its_best_detection_of_its_category() -> None:
    by_hand = max(0.81**0.6 * 0.5**0.4, 0.01**0.6)
    assert box_qualities(TRUTH, FOUND) == pytest.approx([by_hand, 0.0])
    assert box_qualities(TRUTH, FOUND, xi=1.0) == pytest.approx([0.81, 0.0])
    assert box_qualities(TRUTH, FOUND[:0]).tolist() == [0.0, 0.0]


def test_a_categorys_difficulty_is_one_minus_its_mean_quality() -> None:
    perfect = Detections(TRUTH.boxes_xyxy, np.ones(2), TRUTH.category_ids)
    pairs = [(TRUTH, FOUND), (TRUTH, perfect)]
    quality = 0.81**0.6 * 0.5**0.4
    assert category_difficulties(pairs, 3) == pytest.approx([1 - (quality + 1) / 2, 0.5, 1.0])


def test_weights_go_from_one_to_one_and_beta() -> None:
    assert category_weights(np.array([0.0, 1.0])) == pytest.approx([1.0, 1.2])
    gamma = np.exp(1 / 0.3) - 1
    assert category_weights(np.array([0.5])) == pytest.approx([1 + 0.3 * 0.2 * np.log(1 + gamma * 0.5)])


def test_entropy_is_greatest_at_one_half() -> None:
    assert entropy(np.array([0.5, 0.0, 1.0])) == pytest.approx([np.log(2), 0.0, 0.0], abs=1e-8)


def test_a_photos_uncertainty_is_the_weighted_sum_of_its_detections() -> None:
    weights = np.array([1.0, 1.2])
    found = calibrated_uncertainty(np.array([0, 1, 1]), np.array([0.5, 0.5, 0.04]), weights)
    assert found == pytest.approx(2.2 * np.log(2)), "a detection below 0.05 does not count"
    assert calibrated_uncertainty(np.zeros(0), np.zeros(0), weights) == 0.0


def test_photos_are_compared_category_by_category() -> None:
    one = instances((0, 0.9, (1.0, 0.0)), (1, 0.3, (0.0, 2.0)))
    same = instances((0, 0.5, (3.0, 0.0)), (1, 0.5, (0.0, 1.0)))
    other = instances((0, 0.5, (0.0, 1.0)))
    distances = matching_distances([one, same, other])
    assert distances[0, 1] == pytest.approx(0.0, abs=1e-6)
    # From one: (0.9 * 1 + 0.3 * 2) / 1.2, as the other has nothing of category 1; back: 1.
    assert distances[0, 2] == distances[2, 0] == pytest.approx((1.25 + 1.0) / 2)
    assert distances.diagonal().tolist() == [0.0] * 3


def test_a_photo_without_detections_is_far_from_all_that_have_some() -> None:
    distances = matching_distances([instances(), instances((0, 0.9, (1.0, 0.0))), instances()])
    assert distances.tolist() == [[0, 2, 0], [2, 0, 2], [0, 2, 0]]
    assert matching_distances([instances()] * 2).tolist() == [[0, 0], [0, 0]]


def line(*points: float) -> np.ndarray:
    """Distances of points on a line."""
    return np.abs(np.subtract.outer(points, points))


def test_k_center_takes_the_farthest_each_time() -> None:
    assert k_center(line(0, 1, 10, 4), 3) == [0, 2, 3]
    assert k_center(line(0, 0, 0), 3) == [0, 1, 2], "equal points are taken once each"


def test_k_medoids_settles_on_the_middle_of_each_cluster() -> None:
    assert k_medoids(line(0, 1, 2, 10, 11, 13), [0, 5]) == [1, 4]
    assert k_medoids(line(0, 0, 0), [0, 1, 2]) == [0, 1, 2], "no cluster is left empty"


def test_four_times_as_many_candidates_as_photos_the_most_uncertain_first() -> None:
    uncertainty = np.array([0.1, 0.9, 0.3, 0.9, 0.5, 0.2])
    assert most_uncertain(uncertainty, 1).tolist() == [1, 3, 4, 2]


def test_representatives_show_each_look_once() -> None:
    looks = [(1.0, 0.0), (0.9, 0.1), (1.0, 0.1), (0.0, 1.0), (0.1, 1.0)]
    chosen = representatives([instances((0, 0.5, look)) for look in looks], 2)
    assert sorted(index > 2 for index in chosen) == [False, True]
    assert representatives([instances()] * 2, 5) == [0, 1]


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="expected xi in"):
        PPAL(xi=2.0)
