"""The fit of the joint decision, on answers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.inference.joint import JointWeights, label_matrix
from tools.fit_joint import at_temperature, fit_logistic, fit_powers, fit_temperature, single_garment
from tools.joint_cases import Case, alone, decided, hits_of

MATRIX = label_matrix(("Shirt", "Skirt"), ("top", "skirt"), {"Shirt": ("top",)})
PLACE = [0.0, 0.0, 10.0, 10.0]


def case(scores: list[list[float]], labels: list[list[float]], truth: int = 1, **changes) -> Case:  # type: ignore[no-untyped-def]
    values = {
        "dataset": "street", "fold": 0, "boxes_xyxy": np.array([PLACE] * len(scores)),
        "class_scores": np.array(scores), "labels": np.array(labels),
        "truth": GroundTruth(np.array([PLACE]), np.array([truth])), "ignored": (), "renamed": {},
        "photo_wh": (20, 10),
    }  # fmt: skip
    return Case(**{**values, **changes})


def test_a_temperature_is_found_again() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 5))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (true.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    assert fit_temperature(at_temperature(true, 2.0), targets) == pytest.approx(0.5, rel=0.1)


def test_a_logistic_regression_is_found_again() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (20000, 1))
    hits = rng.random(20000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))
    slope, intercept = fit_logistic(x, hits, np.ones(20000))
    assert slope == pytest.approx(2, abs=0.15) and intercept == pytest.approx(-1, abs=0.15)


def test_the_model_that_is_right_gets_the_power() -> None:
    """The detector says top, the classifier skirt, and it is a skirt nine times out of ten."""
    cases = [case([[0.5, 0.3]], [[0.2, 0.8]], truth=1 if n % 10 else 0) for n in range(50)]
    detector, classifier = fit_powers(cases, MATRIX)
    assert classifier > detector


def test_one_garment_is_left_of_a_place_and_a_category_that_is_never_boxed_is_not_counted() -> None:
    twice = case([[0.5, 0.3], [0.4, 0.3]], [[0.1, 0.9], [0.1, 0.9]])
    detections, features, kept = decided(twice, MATRIX, JointWeights())
    assert detections.category_ids.tolist() == [1] and kept.tolist() == [0] and features.shape == (1, 4)
    assert hits_of(detections, twice.truth).tolist() == [True]
    assert len(decided(case([[0.5, 0.3]], [[0.1, 0.9]], ignored=(1,)), MATRIX, JointWeights())[0]) == 0
    renamed = decided(case([[0.5, 0.3]], [[0.1, 0.9]], renamed={1: 0}), MATRIX, JointWeights())[0]
    assert renamed.category_ids.tolist() == [0]


def test_the_detector_alone_keeps_the_best_box_of_each_category() -> None:
    found = alone(case([[0.5, 0.3], [0.4, 0.35]], [[0.5, 0.5]] * 2), 1.0, 0.0)
    assert sorted(zip(found.category_ids.tolist(), found.scores.round(2).tolist(), strict=True)) == [
        (0, 0.5), (1, 0.35)
    ]  # fmt: skip


def test_single_garments_are_counted_as_found_and_as_named_rightly() -> None:
    right = Detections(np.array([PLACE, [50.0, 50, 60, 60]]), np.array([0.9, 0.8]), np.array([1, 0]))
    wrong = Detections(np.array([PLACE]), np.array([0.9]), np.array([0]))
    none = Detections(np.array([PLACE]), np.array([0.2]), np.array([1]))
    cases = [case([[0.5, 0.5]], [[0.5, 0.5]])] * 3
    assert single_garment([right, wrong, none], cases, 0.5) == pytest.approx(
        {"found": 2 / 3, "right_category": 1 / 3, "other_boxes": 1 / 3}
    )
