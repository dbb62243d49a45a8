"""Bootstrap intervals, and how often they cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.evaluation.bootstrap import basic_interval
from core.evaluation.detection import evaluate_detection


def made_up_photos(rng: np.random.Generator, count: int) -> tuple[list[Detections], list[GroundTruth]]:
    """Photos of one to three garments of one category; a detector finds most, with some false positives."""
    found, truths = [], []
    for _ in range(count):
        garments = int(rng.integers(1, 4))
        boxes = np.array([[100.0 * g, 0, 100.0 * g + 50, 50] for g in range(garments)])
        hits = rng.random(garments) < 0.7
        extra = np.array([[100.0 * g, 200, 100.0 * g + 50, 250] for g in range(int(rng.integers(0, 3)))])
        places = np.concatenate((boxes[hits], extra.reshape(-1, 4)))
        scores = np.concatenate((rng.beta(4, 2, hits.sum()), rng.beta(2, 3, len(extra))))
        found.append(Detections(places, scores, np.zeros(len(places), dtype=np.int64)))
        truths.append(GroundTruth(boxes, np.zeros(garments, dtype=np.int64)))
    return found, truths


def test_ninety_five_percent_intervals_of_map_cover_the_truth_about_as_often() -> None:
    """The true mAP is that of many photos; of 100 small sets the interval holds it in 90 to 98."""
    rng = np.random.default_rng(0)
    true = evaluate_detection(*made_up_photos(rng, 4000), ("top",), 0.3, n_bootstrap=0).map50
    covered = 0
    for repeat in range(100):
        report = evaluate_detection(*made_up_photos(rng, 40), ("top",), 0.3, n_bootstrap=200, seed=repeat)
        assert report.map50_interval is not None
        low, high = report.map50_interval
        covered += low <= true <= high
    assert 90 <= covered <= 98


def test_the_basic_interval_turns_the_percentiles_around_the_estimate() -> None:
    """Resamples 0.5 to 0.9 around an estimate of 0.6: 2 * 0.6 - 0.9 = 0.3 to 2 * 0.6 - 0.5 = 0.7."""
    draws = np.linspace(0.5, 0.9, 1001)
    assert basic_interval(0.6, draws, confidence=1.0) == pytest.approx((0.3, 0.7))
    assert basic_interval(0.99, draws, confidence=1.0) == pytest.approx((1.0, 1.0))
    assert basic_interval(0.5, np.array([np.nan])) is None
