"""TIDE's kinds of error, the gain of mending each, and the confusion matrix, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.evaluation.detection import evaluate_detection
from core.evaluation.error_analysis import KINDS, Confusion, ap_gains, confusion_matrix, find_errors
from tests.core.evaluation.test_detection import NOTHING, detections_of, random_problem, truth_of

TOP, SKIRT = 0, 1

TRUTH = truth_of(
    [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10], ids=[TOP, TOP, SKIRT, TOP]
)
FOUND = detections_of(
    [0, 0, 10, 10, 0.9, TOP],  # right
    [0, 0, 10, 9, 0.8, TOP],  # duplicate
    [20, 0, 30, 4, 0.7, TOP],  # localization: IoU 0.4
    [40, 0, 50, 8, 0.6, TOP],  # classification: IoU 0.8 with a skirt
    [40, 0, 50, 3, 0.5, TOP],  # both: IoU 0.3 with a skirt
    [80, 80, 90, 90, 0.4, SKIRT],  # background
)


def kinds_of(errors):
    return [KINDS[kind] if kind >= 0 else "" for kind in errors.kinds]


def test_each_kind_is_told():
    errors = find_errors([FOUND], [TRUTH], 2)
    by_score = np.argsort(-errors.matches.scores)
    assert [kinds_of(errors)[row] for row in by_score] == [
        "", "duplicate", "localization", "classification", "both", "background",
    ]  # fmt: skip
    assert errors.about[by_score].tolist() == [-1, -1, 1, 2, -1, -1]
    assert [places.tolist() for places in errors.missed] == [[3]], "the other two have an error about them"
    assert errors.counts() == dict.fromkeys(KINDS, 1)


def test_the_gains_of_mending_are_worked_out_by_hand():
    """Tops: hit, then four wrong; recall 1/3 covers 34 of 101 points at precision 1. Skirts: AP 0."""
    gains = ap_gains(find_errors([FOUND], [TRUTH], 2), [TRUTH])
    third, two_thirds = 34 / 101, 33 / 101
    assert gains["localization"] == pytest.approx((two_thirds * 2 / 3) / 2)  # hit, miss, hit
    # The detection at 0.6 is a skirt now, found before the one in the background.
    assert gains["classification"] == pytest.approx(1 / 2)
    assert gains["both"] == gains["duplicate"] == gains["background"] == pytest.approx(0.0)
    half = 51 / 101  # one of two tops
    assert gains["missed"] == pytest.approx((half - third) / 2)
    assert gains["false positives"] == pytest.approx(0.0), "all of them come after the only hit"
    assert gains["false negatives"] == pytest.approx((1 - third) / 2), "skirts keep 0: none was found"


def test_of_several_errors_about_a_box_only_the_best_is_mended():
    truth = truth_of([0, 0, 10, 10], ids=[TOP])
    found = detections_of([0, 0, 10, 4, 0.9, TOP], [0, 0, 10, 9, 0.8, SKIRT], [0, 0, 10, 3, 0.7, TOP])
    gains = ap_gains(find_errors([found], [truth], 2), [truth])
    assert gains["localization"] == pytest.approx(1.0)
    assert gains["classification"] == pytest.approx(0.0), "the better localization error is about this box"


def test_without_errors_nothing_is_gained_and_without_boxes_nothing_is_known():
    assert set(ap_gains(find_errors([FOUND[:1]], [TRUTH], 2), [TRUTH]).values()) != {0.0}
    perfect = Detections(TRUTH.boxes_xyxy, np.linspace(0.9, 0.5, 4), TRUTH.category_ids)
    assert set(ap_gains(find_errors([perfect], [TRUTH], 2), [TRUTH]).values()) == {0.0}
    nothing = truth_of()
    errors = find_errors([FOUND], [nothing], 2)
    assert errors.counts()["background"] == 6 and np.isnan(ap_gains(errors, [nothing])["background"])
    assert find_errors([NOTHING], [TRUTH], 2).counts()["missed"] == 4


def test_regions_to_be_ignored_make_no_errors():
    truth = GroundTruth(TRUTH.boxes_xyxy, TRUTH.category_ids, difficult=np.array([True] * 4))
    errors = find_errors([FOUND], [truth], 2)
    assert errors.counts()["missed"] == 0 and "duplicate" not in kinds_of(errors)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_false_positive_has_a_kind(seed):
    predictions, truths = random_problem(seed)
    errors = find_errors(predictions, truths, 4)
    wrong = errors.matches.boxes[0] == -1
    assert (errors.kinds[wrong] >= 0).all() and (errors.kinds[~wrong] == -1).all()
    gains = ap_gains(errors, truths)
    assert all(gain >= -1e-12 for gain in gains.values())


def test_the_cells_of_the_confusion_matrix():
    matrix = confusion_matrix([FOUND], [TRUTH], 2, score_threshold=0.3)
    #        top skirt missed
    assert matrix.counts.tolist() == [[1, 0, 2], [1, 0, 0], [3, 1, 0]]
    assert matrix.cells[TOP, TOP] == (Confusion(0, 0, 0),)
    assert matrix.cells[SKIRT, TOP] == (Confusion(0, 2, 3),), "a skirt that was taken for a top"
    assert {entry.box for entry in matrix.cells[TOP, 2]} == {1, 3}
    assert {entry.detection for entry in matrix.cells[2, TOP]} == {1, 2, 4}
    confident = confusion_matrix([FOUND], [TRUTH], 2, score_threshold=0.85)
    assert confident.counts.tolist() == [[1, 0, 2], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_diagonal_is_that_of_precision_and_recall(seed):
    predictions, truths = random_problem(seed)
    names = ("top", "skirt", "bag", "never seen")
    report = evaluate_detection(predictions, truths, names, 0.4, n_bootstrap=0)
    counts = confusion_matrix(predictions, truths, 4, 0.4).counts
    for place, metrics in enumerate(report.categories.values()):
        if counts[place].sum():
            assert metrics.recall == pytest.approx(counts[place, place] / counts[place].sum())
        if counts[:, place].sum():
            assert metrics.precision == pytest.approx(counts[place, place] / counts[:, place].sum())
    assert counts[:4].sum() == report.boxes
