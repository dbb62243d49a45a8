"""Crowd regions and difficult boxes: detections there are neither right nor wrong, in every figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth, box_ioa
from core.errors import DatasetError
from core.evaluation.comparison import compare_detection
from core.evaluation.detection import average_precisions, evaluate_detection, single_object_recall
from core.evaluation.matching import FALSE_POSITIVE, IGNORED, match_photo, match_photos
from core.evaluation.photo_changes import match_detections
from tests.core.evaluation.oracle import WithDifficultBoxes, coco_average_precisions
from tests.core.evaluation.test_detection import CATEGORIES, detections_of, random_problem

SHIRT, CROWD = [10, 10, 90, 90], [200, 10, 380, 310]
TWO_IN_THE_CROWD = ([210, 20, 250, 80, 0.9, 0], [260, 30, 300, 90, 0.8, 0])
FOUND = [*SHIRT, 0.7, 0]


def crowded(difficult: bool = False) -> GroundTruth:
    """A shirt, and a crowd of them or a difficult one."""
    boxes = np.array([SHIRT, CROWD] if difficult else [SHIRT], dtype=float)
    ids = np.zeros(len(boxes), dtype=int)
    if difficult:
        return GroundTruth(boxes, ids, np.array([False, True]))
    return GroundTruth(boxes, ids, crowd_xyxy=np.array([CROWD], dtype=float), crowd_ids=np.array([0]))


def random_regions(seed: int, *, difficult: bool) -> tuple[list[Detections], list[GroundTruth]]:
    """Random photos with crowd regions over some of their detections, and some boxes difficult."""
    rng = np.random.default_rng(seed)
    predictions, plain = random_problem(seed)
    truths = []
    for truth in plain:
        count = int(rng.integers(0, 4))
        corners = rng.uniform(0, 200, (count, 2))
        regions = np.concatenate([corners, corners + rng.uniform(40, 150, (count, 2))], axis=1)
        hard = (rng.random(len(truth)) < 0.3) & difficult
        truths.append(
            GroundTruth(truth.boxes_xyxy, truth.category_ids, hard, regions, rng.integers(0, 3, count))
        )
    return predictions, truths


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("difficult", [False, True])
def test_every_ap_agrees_with_pycocotools(seed: int, difficult: bool) -> None:
    predictions, truths = random_regions(seed, difficult=difficult)
    plain = [GroundTruth(truth.boxes_xyxy, truth.category_ids) for truth in truths]
    evaluator = {"evaluator": WithDifficultBoxes} if difficult else {}
    oracle = coco_average_precisions(predictions, truths, CATEGORIES, **evaluator)
    assert not np.allclose(oracle, coco_average_precisions(predictions, plain, CATEGORIES)), "regions matter"
    matches = match_photos(predictions, truths, len(CATEGORIES))
    ours = average_precisions(matches, np.ones((1, len(truths))))[:, :, 0]
    assert np.allclose(np.nan_to_num(ours, nan=-1.0), oracle, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_are_those_of_what_counts_alone(seed: int) -> None:
    """The same figures come from data without the ignored detections and boxes."""
    predictions, truths = random_regions(seed, difficult=True)
    counted, found = [], []
    for detections, truth in zip(predictions, truths, strict=True):
        order, matched = match_photo(detections, truth, np.array([0.5]))
        found.append(detections[order[matched[0] != IGNORED]])
        counted.append(GroundTruth(truth.boxes_xyxy[~truth.difficult], truth.category_ids[~truth.difficult]))
    report = evaluate_detection(predictions, truths, CATEGORIES, 0.5, n_bootstrap=200)
    without = evaluate_detection(found, counted, CATEGORIES, 0.5, n_bootstrap=200)
    assert report.ignored == sum(int(t.difficult.sum()) + len(t.crowd_ids) for t in truths)
    for name in ("precision", "recall", "f1", "map50", "boxes", "map50_interval"):
        assert getattr(report, name) == pytest.approx(getattr(without, name)), name
    for name, entry in report.categories.items():
        other = without.categories[name]
        assert (entry.boxes, entry.precision) == (other.boxes, pytest.approx(other.precision, nan_ok=True))
        assert np.allclose(entry.curve.precision, other.curve.precision)
    pair = compare_detection(predictions, predictions, truths, CATEGORIES, (0.5, 0.5), n_bootstrap=20)
    assert pair.metrics["precision"].champion == pytest.approx(report.precision)
    assert pair.metrics["recall"].candidate == pytest.approx(report.recall)
    assert (pair.boxes, pair.metrics["mAP50"].difference) == (report.boxes, 0.0)


def test_detections_in_a_crowd_count_in_no_figure() -> None:
    detections = detections_of(*TWO_IN_THE_CROWD, FOUND)
    report = evaluate_detection([detections], [crowded()], ["shirt"], 0.5, n_bootstrap=20)
    figures = report.as_dict(curves=True)
    assert (figures["mAP50"], figures["precision"], figures["recall"]) == (1.0, 1.0, 1.0)
    assert (figures["boxes"], figures["ignored"]) == (1, 1)
    assert figures["classes"]["shirt"]["curve"]["scores"] == [0.7]
    assert figures["intervals"]["mAP50"] == [1.0, 1.0]


def test_a_crowd_that_nobody_finds_is_no_missed_garment() -> None:
    report = evaluate_detection([detections_of(FOUND)], [crowded()], ["shirt"], 0.5, n_bootstrap=0)
    assert (report.recall, report.boxes) == (1.0, 1)


def test_a_crowd_of_another_category_excuses_nothing() -> None:
    trousers = detections_of([*TWO_IN_THE_CROWD[0][:5], 1], FOUND)
    _, matched = match_photo(trousers, crowded(), np.array([0.5]))
    assert matched.tolist() == [[FALSE_POSITIVE, 0]]


def test_an_annotated_box_inside_a_crowd_is_found_first() -> None:
    shirt = np.array([210, 20, 250, 80], dtype=float)
    truth = replace(crowded(), boxes_xyxy=shirt[None])
    _, matched = match_photo(detections_of(*TWO_IN_THE_CROWD), truth, np.array([0.5]))
    assert matched.tolist() == [[0, IGNORED]]


def test_a_difficult_box_is_neither_missed_nor_found_however_often_it_is_seen() -> None:
    over = [*CROWD, 0.9, 0]
    for rows in ([FOUND], [FOUND, over], [FOUND, over, over]):
        report = evaluate_detection([detections_of(*rows)], [crowded(True)], ["shirt"], 0.5, n_bootstrap=0)
        assert (report.map50, report.precision, report.recall, report.boxes) == (1.0, 1.0, 1.0, 1)
    inside = evaluate_detection(
        [detections_of(FOUND, *TWO_IN_THE_CROWD)], [crowded(True)], ["shirt"], 0.5, n_bootstrap=0
    )
    assert inside.precision == pytest.approx(1 / 3), "a difficult box is one garment: IoU decides"


def test_changed_photos_say_nothing_of_regions_to_be_ignored() -> None:
    matched = match_detections(detections_of(*TWO_IN_THE_CROWD, FOUND), crowded(), ["shirt"], 0.5)
    assert matched.found == {0} and not matched.false_positives


def test_photos_with_a_crowd_are_no_photos_of_one_garment() -> None:
    with pytest.raises(DatasetError, match="or regions to ignore"):
        single_object_recall([detections_of(FOUND)], [crowded()], 0.5)


def test_a_crowds_category_has_to_be_known() -> None:
    truth = replace(crowded(), crowd_ids=np.array([4]))
    with pytest.raises(DatasetError, match=r"true category ids in 0\.\.3, got some in 0\.\.4"):
        evaluate_detection([detections_of()], [truth], CATEGORIES, 0.5)


def test_the_share_of_a_box_in_a_region_does_not_depend_on_the_regions_size() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 9]])
    assert box_ioa(boxes, np.array([[0, 0, 5, 99], [0, 0, 999, 999]])).tolist() == [[0.5, 1.0], [0.0, 0.0]]
