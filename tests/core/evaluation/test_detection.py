import json

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.errors import DatasetError
from core.evaluation.bootstrap import bootstrap_weights
from core.evaluation.detection import average_precisions, evaluate_detection
from core.evaluation.matching import AREA_RANGES, match_photos
from tests.core.evaluation.oracle import coco_average_precisions
from tests.effort import count_lines

CATEGORIES = ("top", "skirt", "bag", "never seen")
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int))


def truth_of(*boxes, ids=None):
    return GroundTruth(
        np.array(boxes, dtype=float).reshape(-1, 4), np.array(ids or [0] * len(boxes), dtype=int)
    )


def detections_of(*rows):
    """Rows of x0, y0, x1, y1, score, category."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int))


def perfect(truths):
    return [
        Detections(t.boxes_xyxy, np.linspace(0.9, 0.5, len(t.boxes_xyxy)), t.category_ids) for t in truths
    ]


def random_problem(seed, photos=25, crowded=False):
    """Photos with 0 to 8 boxes of the first three categories, imprecise, misnamed, doubled, invented."""
    rng = np.random.default_rng(seed)
    predictions, truths = [], []
    for _ in range(photos):
        count = int(rng.integers(0, 9))
        corners = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 80, (count, 2))], axis=1)
        ids = rng.integers(0, 3, count)
        guesses = np.concatenate(
            [np.repeat(boxes, 2, axis=0), rng.uniform(0, 100, (int(rng.integers(0, 5)), 4))]
        )
        guesses[:, :2] += rng.normal(0, 4, (len(guesses), 2))
        guesses[:, 2:] = np.maximum(guesses[:, 2:] + rng.normal(0, 4, (len(guesses), 2)), guesses[:, :2] + 1)
        guessed = np.concatenate([np.repeat(ids, 2), rng.integers(0, 4, len(guesses) - 2 * count)])
        guessed = np.where(rng.random(len(guessed)) < 0.15, rng.integers(0, 4, len(guessed)), guessed)
        if crowded:
            guesses, guessed = np.repeat(guesses, 60, axis=0), np.repeat(guessed, 60)
        order = rng.permutation(len(guesses))
        predictions.append(Detections(guesses[order], rng.random(len(guesses)), guessed[order]))
        truths.append(GroundTruth(boxes, ids))
    return predictions, truths


@pytest.mark.parametrize(("seed", "crowded"), [(0, False), (1, False), (2, False), (3, False), (4, True)])
def test_every_ap_agrees_with_pycocotools(seed, crowded):
    predictions, truths = random_problem(seed, photos=8 if crowded else 25, crowded=crowded)
    oracle = coco_average_precisions(predictions, truths, CATEGORIES)
    matches = match_photos(predictions, truths, len(CATEGORIES))
    ours = average_precisions(matches, np.ones((1, len(truths))))[:, :, 0]
    assert np.allclose(np.nan_to_num(ours, nan=-1.0), oracle, atol=1e-12)
    report = evaluate_detection(predictions, truths, CATEGORIES, 0.5, n_bootstrap=0)
    assert report.map50 == pytest.approx(oracle[:3, 0].mean())
    assert report.map == pytest.approx(oracle[:3].mean())


@pytest.mark.parametrize(("name", "area"), [("small", 1), ("medium", 2), ("large", 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_ap_by_size_agrees_with_pycocotools(seed, name, area):
    predictions, truths = random_problem(seed)
    for scaled in (*predictions, *truths):
        scaled.boxes_xyxy[:] *= 1.7  # some are large then
    oracle = coco_average_precisions(predictions, truths, CATEGORIES, area=area)
    matches = match_photos(predictions, truths, len(CATEGORIES), AREA_RANGES[name])
    ours = average_precisions(matches, np.ones((1, len(truths))))[:, :, 0]
    assert np.allclose(np.nan_to_num(ours, nan=-1.0), oracle, atol=1e-12)
    assert not np.isnan(ours[:3]).all()


def test_the_figures_of_a_case_worked_out_by_hand():
    truths = [truth_of([0, 0, 10, 10]), truth_of([0, 0, 10, 10], [50, 50, 60, 60])]
    predictions = [
        detections_of([0, 0, 10, 10, 0.9, 0], [100, 100, 110, 110, 0.8, 0]),
        detections_of([0, 0, 10, 6, 0.7, 0], [80, 80, 90, 90, 0.2, 0]),  # IoU 0.6
    ]
    report = evaluate_detection(predictions, truths, ["top"], score_threshold=0.5, n_bootstrap=0)
    # Hit, miss, hit: recall 1/3 at precision 1 (34 of the 101 points), recall 2/3 at 2/3 (33 more).
    ap50 = (34 * 1 + 33 * 2 / 3) / 101
    only_first = 34 / 101
    assert report.map50 == pytest.approx(ap50)
    assert report.map == pytest.approx((3 * ap50 + 7 * only_first) / 10)
    assert (report.precision, report.recall) == pytest.approx((2 / 3, 2 / 3))
    assert report.f1 == pytest.approx(2 / 3)
    curve = report.categories["top"].curve
    assert curve.recall == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4])
    assert curve.scores == pytest.approx([0.9, 0.8, 0.7, 0.2])


def test_a_box_is_found_once():
    twice = detections_of([0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.8, 0])
    report = evaluate_detection([twice], [truth_of([0, 0, 10, 10])], ["top"], 0.5, n_bootstrap=0)
    assert (report.precision, report.recall) == (0.5, 1.0)


def test_the_right_box_under_the_wrong_category_does_not_count():
    wrong = detections_of([0, 0, 10, 10, 0.9, 1])
    report = evaluate_detection([wrong], [truth_of([0, 0, 10, 10])], CATEGORIES, 0.5, n_bootstrap=0)
    assert (report.map50, report.precision, report.recall) == (0.0, 0.0, 0.0)


def test_the_score_threshold_keeps_scores_equal_to_it():
    detections = detections_of([0, 0, 10, 10, 0.5, 0])
    truths = [truth_of([0, 0, 10, 10])]
    assert evaluate_detection([detections], truths, ["top"], 0.5, n_bootstrap=0).recall == 1.0
    assert evaluate_detection([detections], truths, ["top"], 0.51, n_bootstrap=0).recall == 0.0


def test_perfect_predictions_have_every_figure_at_one():
    _, truths = random_problem(5)
    report = evaluate_detection(perfect(truths), truths, CATEGORIES, 0.1, n_bootstrap=50)
    figures = (report.map50, report.map, report.precision, report.recall, report.f1)
    assert figures == pytest.approx((1.0,) * 5)
    assert report.map50_interval == pytest.approx((1.0, 1.0))
    assert report.map_interval == pytest.approx((1.0, 1.0))


def test_no_predictions_are_zero_and_not_unknown():
    truths = [truth_of([0, 0, 10, 10])]
    report = evaluate_detection([NOTHING], truths, ["top"], 0.5, n_bootstrap=20)
    assert (report.map50, report.map, report.precision, report.recall, report.f1) == (0.0,) * 5
    assert report.categories["top"].curve.recall.size == 0


def test_a_category_without_boxes_is_left_out_of_the_mean():
    truths = [truth_of([0, 0, 10, 10])]
    predictions = [detections_of([0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.9, 1])]
    report = evaluate_detection(predictions, truths, CATEGORIES, 0.5, n_bootstrap=20)
    assert report.map50 == pytest.approx(1.0)
    assert np.isnan(report.categories["skirt"].ap50)
    assert report.categories["skirt"].precision == 0.0
    entry = report.as_dict()["classes"]["skirt"]
    assert (entry["boxes"], entry["AP50"], entry["AP50_interval"], entry["recall"]) == (0, None, None, None)


def test_photos_with_nothing_in_them_count_only_what_is_invented_there():
    truths = [truth_of([0, 0, 10, 10]), truth_of()]
    first = detections_of([0, 0, 10, 10, 0.8, 0])
    quiet = evaluate_detection([first, NOTHING], truths, ["top"], 0.5, n_bootstrap=0)
    assert (quiet.map50, quiet.precision) == pytest.approx((1.0, 1.0))
    invented = evaluate_detection(
        [first, detections_of([0, 0, 10, 10, 0.9, 0])], truths, ["top"], 0.5, n_bootstrap=0
    )
    assert (invented.map50, invented.precision, invented.recall) == pytest.approx((0.5, 0.5, 1.0))


def test_photos_all_without_boxes_measure_nothing():
    report = evaluate_detection([NOTHING], [truth_of()], ["top"], 0.5, n_bootstrap=10)
    figures = report.as_dict()
    assert figures["mAP50"] is figures["mAP"] is figures["recall"] is figures["intervals"]["mAP50"] is None


def test_a_weighted_resample_is_the_photos_repeated():
    predictions, truths = random_problem(6)
    matches = match_photos(predictions, truths, len(CATEGORIES))
    for weights in next(bootstrap_weights(len(truths), 3, seed=1)):
        repeated = np.repeat(np.arange(len(truths)), weights.astype(int))
        again = match_photos(
            [predictions[i] for i in repeated], [truths[i] for i in repeated], len(CATEGORIES)
        )
        expected = average_precisions(again, np.ones((1, len(repeated))))
        assert np.allclose(average_precisions(matches, weights[None]), expected, equal_nan=True)


def test_intervals_hold_the_figure_and_narrow_with_more_photos():
    predictions, truths = random_problem(7, photos=30)
    few = evaluate_detection(predictions, truths, CATEGORIES, 0.5, n_bootstrap=300)
    many = evaluate_detection(predictions * 8, truths * 8, CATEGORIES, 0.5, n_bootstrap=300)
    for report in (few, many):
        low, high = report.map50_interval
        assert low < report.map50 < high
    assert np.ptp(many.map50_interval) < 0.6 * np.ptp(few.map50_interval)


def test_the_same_seed_gives_the_same_intervals():
    predictions, truths = random_problem(8)
    first, same, other = (
        evaluate_detection(predictions, truths, CATEGORIES, 0.5, n_bootstrap=50, seed=seed)
        for seed in (3, 3, 4)
    )
    assert first.as_dict() == same.as_dict()
    assert first.map50_interval != other.map50_interval


def test_the_report_is_the_contracts_json():
    predictions, truths = random_problem(9)
    figures = evaluate_detection(predictions, truths, CATEGORIES, 0.3, n_bootstrap=20).as_dict(curves=True)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert {"mAP50", "mAP", "precision", "recall", "classes", "photos", "intervals"} <= set(figures)
    assert len(figures["classes"]["top"]["curve"]["recall"]) == len(
        figures["classes"]["top"]["curve"]["scores"]
    )


def test_a_thousand_resamples_match_no_box_again():
    rng = np.random.default_rng(0)
    names = [f"category {index}" for index in range(13)]
    predictions, truths = [], []
    for _ in range(150):
        boxes = rng.uniform(0, 200, (100, 4))
        boxes[:, 2:] = boxes[:, :2] + rng.uniform(20, 100, (100, 2))
        predictions.append(Detections(boxes, rng.random(100), rng.integers(0, 13, 100)))
        truths.append(GroundTruth(boxes[:5] + rng.normal(0, 3, (5, 4)), predictions[-1].category_ids[:5]))
    few, many = (
        count_lines(lambda n=n: evaluate_detection(predictions, truths, names, 0.5, n_bootstrap=n))
        for n in (10, 1000)
    )
    assert many < 2 * few


@pytest.mark.parametrize(
    ("predictions", "truths", "sentence"),
    [
        ([NOTHING], [], "one prediction a photo"),
        ([], [], "at least one photo"),
        ([detections_of([0, 0, 1, 1, 0.5, 4])], [truth_of()], "predicted category ids in 0..3"),
        ([NOTHING], [truth_of([0, 0, 1, 1], ids=[-1])], "true category ids in 0..3"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_sentence(predictions, truths, sentence):
    with pytest.raises(DatasetError, match=sentence):
        evaluate_detection(predictions, truths, CATEGORIES, 0.5)


def test_detections_of_different_lengths_or_without_a_score_are_refused():
    with pytest.raises(ValueError, match="of one N"):
        Detections(np.zeros((2, 4)), np.zeros(1), np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="finite scores"):
        Detections(np.zeros((1, 4)), np.array([np.nan]), np.zeros(1, dtype=int))
