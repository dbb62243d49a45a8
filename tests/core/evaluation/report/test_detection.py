"""A detector's report: its figures beside those of the evaluation, and cases worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.evaluation.detection import evaluate_detection
from core.evaluation.report.detection import DetectorOutput, mean_curve, report_detector
from core.evaluation.report.photos import PHOTOS_OF_A_CELL, ReportPhoto, confusion_entry, listed_photos
from tests.core.evaluation.test_detection import random_problem
from tests.core.evaluation.test_error_analysis import FOUND, TRUTH

NAMES = ("top", "skirt")
PHOTO = ReportPhoto(7, "one.jpg", 100, 100)


@pytest.fixture(scope="module")
def by_hand() -> dict:
    """The report of one photo, whose errors are one of each kind."""
    return report_detector([PHOTO], [TRUTH], NAMES, DetectorOutput([FOUND], 0.3), n_bootstrap=5)


@pytest.fixture(scope="module")
def random_report() -> tuple[dict, object]:
    """A report of a model beside a worse one, and its evaluation."""
    predictions, truths = random_problem(0)
    names = ("top", "skirt", "bag", "never seen")
    photos = [ReportPhoto(place, f"{place}.jpg", 300, 300) for place in range(len(truths))]
    worse = [found[: len(found) // 2] for found in predictions]
    sides = (DetectorOutput(predictions, 0.4), DetectorOutput(worse, 0.5))
    report = report_detector(photos, truths, names, *sides, n_bootstrap=50)
    return report, evaluate_detection(predictions, truths, names, 0.4, n_bootstrap=0)


def test_figures_are_those_of_the_evaluation_with_intervals(random_report):
    report, measured = random_report
    figures = report["figures"]
    assert figures["mAP50"]["value"] == pytest.approx(measured.map50, abs=1e-6)
    assert figures["mAP"]["value"] == pytest.approx(measured.map, abs=1e-6)
    assert figures["f1"]["value"] == pytest.approx(measured.f1, abs=1e-6)
    low, high = figures["recall"]["interval"]
    assert low < measured.recall < high
    rows = {row["name"]: row for row in report["classes"]}
    assert rows["top"]["AP50"]["value"] == pytest.approx(measured.categories["top"].ap50, abs=1e-6)


def test_the_second_model_is_measured_on_the_same_resamples(random_report):
    figure = random_report[0]["figures"]["mAP50"]
    assert figure["difference"] == pytest.approx(figure["value"] - figure["against"], abs=2e-6)
    low, high = figure["difference_interval"]
    assert 0 < low < figure["difference"] < high, "half of the detections are clearly worse"


def test_the_mean_curves_area_is_the_map(random_report):
    report, measured = random_report
    curves = [entry.curve for entry in measured.categories.values() if entry.boxes]
    assert mean_curve(curves).mean() == pytest.approx(measured.map50, abs=1e-12)
    assert np.mean(report["precision_recall"]["mean"]["precision"]) == pytest.approx(measured.map50, abs=1e-4)


def test_a_curve_is_kept_at_its_hits(by_hand):
    tops, skirts = by_hand["precision_recall"]["classes"]
    assert tops["recall"] == [0.3333, 0.3333] and tops["precision"] == [1.0, 0.2]
    assert tops["scores"] == [0.9, 0.5], "the only hit, and the end"
    assert skirts["recall"] == [0.0] and skirts["AP50"] == 0.0


def test_figures_by_threshold_are_those_of_the_evaluation(random_report):
    report, measured = random_report
    by_threshold = report["by_threshold"]
    place = by_threshold["thresholds"].index(0.4)
    assert by_threshold["precision"][place] == pytest.approx(measured.precision, abs=1e-4)
    assert by_threshold["recall"][place] == pytest.approx(measured.recall, abs=1e-4)
    assert by_threshold["f1"][place] == pytest.approx(measured.f1, abs=1e-4)
    assert by_threshold["best"]["f1"] == pytest.approx(max(by_threshold["f1"]), abs=1e-4)


def test_above_all_scores_there_is_no_precision(by_hand):
    by_threshold = by_hand["by_threshold"]
    assert by_threshold["precision"][94] is None and by_threshold["recall"][94] == 0.0  # from 0.95 on
    assert by_threshold["precision"][84] == 1.0 and by_threshold["recall"][84] == 0.25


def test_the_overlaps_of_hits_are_counted(by_hand):
    assert by_hand["iou"]["counts"] == [0] * 9 + [1] and by_hand["iou"]["mean"] == 1.0


def test_errors_have_gains_and_counts_at_the_threshold(by_hand):
    kinds = {kind["name"]: kind for kind in by_hand["errors"]["kinds"]}
    assert [kind["count"] for kind in kinds.values()] == [1, 1, 1, 1, 1, 1]
    assert kinds["classification"]["dAP50"] == pytest.approx(0.5)
    at_half = report_detector([PHOTO], [TRUTH], NAMES, DetectorOutput([FOUND], 0.65), n_bootstrap=1)
    counts = {kind["name"]: (kind["count"], kind["count_all_scores"]) for kind in at_half["errors"]["kinds"]}
    assert counts["background"] == (0, 1) and counts["missed"] == (2, 1)


def test_boxes_are_sorted_by_size(by_hand):
    assert [size["boxes"] for size in by_hand["sizes"]] == [4, 0, 0]  # 10 x 10 pixels each
    assert by_hand["sizes"][0]["recall"] == 0.25 and by_hand["sizes"][1]["mAP50"] is None


def test_cells_open_their_photos_and_errors_are_said(by_hand):
    confusion, (photo,) = by_hand["confusion"], by_hand["photos"]
    assert confusion["rows"] == ["top", "skirt", "background"]
    assert confusion["columns"] == ["top", "skirt", "missed"]
    assert confusion["counts"] == [[1, 0, 2], [1, 0, 0], [3, 1, 0]]
    assert {(c["row"], c["column"]): c["photos"] for c in confusion["cells"]}[1, 0] == [0]
    assert photo["id"] == 7 and photo["errors"] == 7
    assert photo["said"].count("top missed") == 2 and "skirt taken for top" in photo["said"]
    assert [0.0, 0.0, 10.0, 10.0, "top", "found"] in photo["boxes"]
    assert [80.0, 80.0, 90.0, 90.0, "skirt", 0.4, "background"] in photo["detections"]


def test_detections_are_calibrated_from_a_low_score_on(by_hand):
    calibration = by_hand["calibration"]
    assert sum(calibration["counts"]) == 6
    wrong = 0.8 + 0.7 + 0.6 + 0.5 + 0.4
    assert calibration["ECE"] == pytest.approx((wrong + 0.1) / 6)


def test_the_report_is_json(by_hand, random_report):
    for report in (by_hand, random_report[0]):
        assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_worst_photos_come_first_and_every_cell_has_some():
    cells = {(0, 0): [0, 1, 2], (0, 1): [2], (1, 0): [1, 2], (1, 1): list(range(3, 100))}
    places = listed_photos(cells, 100)
    assert places[:3] == [2, 1, 0] and len(places) == 3 + PHOTOS_OF_A_CELL
    entry = confusion_entry(np.array([[3, 1], [2, 97]]), cells, places, ["a", "b"], ["a", "b"])
    assert entry["cells"][1]["photos"] == [0] and entry["cells"][3]["count"] == 97
    assert len(entry["cells"][3]["photos"]) == PHOTOS_OF_A_CELL


def test_classes_that_occur_nowhere_are_left_out():
    counts = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    entry = confusion_entry(counts, {(0, 0): [0]}, [0], ["a", "b", "background"], ["a", "b", "missed"])
    assert entry["rows"] == ["a", "background"] and entry["counts"] == [[1, 0], [0, 0]]
