"""Two models on the same photos: the figures are those of each alone, the difference is paired."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.errors import DatasetError
from core.evaluation.classification import evaluate_classification
from core.evaluation.comparison import (
    UNKNOWN_LABEL,
    Comparison,
    compare_classification,
    compare_detection,
    rank_of,
)
from core.evaluation.detection import evaluate_detection

NAMES = ("top", "pants", "bag")
THRESHOLDS = (0.3, 0.5)


def scene(random: np.random.Generator) -> GroundTruth:
    corners = random.uniform(0, 60, (random.integers(1, 4), 2))
    return GroundTruth(np.hstack([corners, corners + 30]), random.integers(0, 2, len(corners)))


def detections(truth: GroundTruth, random: np.random.Generator, noise: float) -> Detections:
    """The truth, each corner off by some pixels; as many boxes that are nowhere."""
    boxes = truth.boxes_xyxy + random.normal(0, noise, truth.boxes_xyxy.shape)
    boxes = np.vstack([boxes, truth.boxes_xyxy + 200])
    ids = np.concatenate([truth.category_ids, truth.category_ids])
    return Detections(boxes, random.uniform(0.1, 1, len(boxes)), ids)


@pytest.fixture(scope="module")
def holdout():
    random = np.random.default_rng(0)
    truths = [scene(random) for _ in range(60)]
    sides = [[detections(truth, random, noise) for truth in truths] for noise in (6.0, 3.0)]
    return truths, sides


def test_each_side_has_the_figures_that_it_has_alone(holdout):
    truths, sides = holdout
    both = compare_detection(*sides, truths, NAMES, THRESHOLDS, n_bootstrap=200)
    for found, threshold, side in zip(sides, THRESHOLDS, ("champion", "candidate"), strict=True):
        alone = evaluate_detection(found, truths, NAMES, threshold, n_bootstrap=200)
        wanted = {
            "mAP50": alone.map50,
            "mAP": alone.map,
            "precision": alone.precision,
            "recall": alone.recall,
        }
        assert {name: getattr(figure, side) for name, figure in both.metrics.items()} == pytest.approx(wanted)
        assert getattr(both.main, f"{side}_interval") == pytest.approx(alone.map50_interval)
        for entry in both.classes[:2]:
            assert getattr(entry.metric, side) == pytest.approx(alone.categories[entry.name].ap50)
            assert entry.boxes == alone.categories[entry.name].boxes
    assert both.main.difference == pytest.approx(both.main.candidate - both.main.champion) and (
        both.main.difference > 0
    )


def test_a_class_without_boxes_has_no_figure(holdout):
    truths, sides = holdout
    bag = compare_detection(*sides, truths, NAMES, THRESHOLDS, n_bootstrap=20).classes[2]
    assert (bag.name, bag.boxes) == ("bag", 0)
    assert bag.metric.difference is None and bag.metric.difference_interval is None


def test_a_model_beside_itself_differs_by_nothing_at_all(holdout):
    truths, (first, _) = holdout
    same = compare_detection(first, first, truths, NAMES, (0.3, 0.3), n_bootstrap=50)
    assert all(f.difference == 0 and f.difference_interval == (0, 0) for f in same.metrics.values())


def test_pairing_makes_the_interval_of_the_difference_narrower(holdout):
    """A candidate that is the champion but for one photo in ten: apart, each varies by much more."""
    truths, (first, second) = holdout
    mostly = [b if index % 10 == 0 else a for index, (a, b) in enumerate(zip(first, second, strict=True))]
    main = compare_detection(first, mostly, truths, NAMES, (0.3, 0.3), n_bootstrap=300).main
    apart = np.hypot(np.ptp(main.champion_interval), np.ptp(main.candidate_interval))
    assert np.ptp(main.difference_interval) < 0.6 * apart


def test_the_draws_are_always_the_same(holdout):
    truths, sides = holdout
    runs = [compare_detection(*sides, truths, NAMES, THRESHOLDS, n_bootstrap=50) for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_comparison_is_the_same_after_json(holdout):
    truths, sides = holdout
    both = compare_detection(*sides, truths, NAMES, THRESHOLDS, n_bootstrap=20, skipped=3)
    again = Comparison.from_dict(json.loads(json.dumps(both.as_dict())))
    assert again.as_dict() == both.as_dict() and again.skipped == 3
    assert again.main.difference == pytest.approx(both.main.difference, abs=1e-6)


def test_photos_that_do_not_fit_together_are_refused(holdout):
    truths, (first, second) = holdout
    with pytest.raises(DatasetError):
        compare_detection(first[:-1], second, truths, NAMES, THRESHOLDS)


def test_classifiers_have_the_figures_that_they_have_alone():
    random = np.random.default_rng(1)
    labels, targets = ("a", "b", "c", "d", "e", "f"), random.integers(0, 6, 80)
    photo_of = np.repeat(np.arange(40), 2)
    shares = [random.dirichlet(np.ones(6), 80) + 0.3 * np.eye(6)[targets] * side for side in (1, 2)]
    ranks = [
        np.array([rank_of(row, labels[t], labels) for row, t in zip(side, targets, strict=True)])
        for side in shares
    ]
    both = compare_classification(*ranks, targets, labels, photo_of, n_bootstrap=200)
    assert (both.photos, both.boxes) == (40, 80)
    for side, rows in zip(("champion", "candidate"), shares, strict=True):
        alone = evaluate_classification(rows, targets, labels, groups=photo_of, n_bootstrap=200)
        for name in ("top1", "top3", "top5"):
            assert getattr(both.metrics[name], side) == pytest.approx(getattr(alone, name))
            interval = getattr(both.metrics[name], f"{side}_interval")
            assert interval == pytest.approx(alone.intervals[name])
        for entry in both.classes:
            assert getattr(entry.metric, side) == pytest.approx(alone.labels[entry.name].recall)
    assert both.main.difference > 0


def test_a_label_that_a_model_does_not_know_is_never_right():
    assert rank_of(np.array([0.9, 0.1]), "poncho", ("a", "b")) == UNKNOWN_LABEL
    ranks = np.array([UNKNOWN_LABEL, 0]), np.array([0, 0])
    both = compare_classification(*ranks, np.array([1, 0]), ("a", "poncho"), np.array([0, 1]), n_bootstrap=9)
    assert (both.metrics["top5"].champion, both.metrics["top5"].candidate) == (0.5, 1.0)


def test_equal_shares_rank_in_the_order_of_the_labels():
    assert [rank_of(np.array([0.5, 0.5]), label, ("a", "b")) for label in "ab"] == [0, 1]


def test_nothing_to_compare_on_is_refused():
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(DatasetError):
        compare_classification(nothing, nothing, nothing, (), nothing)
