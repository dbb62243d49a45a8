import json

import numpy as np
import pytest

from core.boxes import Detections, GroundTruth
from core.errors import DatasetError
from core.evaluation.detection import single_object_recall

GARMENT = GroundTruth(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([2]))
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int))


def detections_of(*rows):
    """Rows of x0, y0, x1, y1, score, category."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int))


def test_the_share_found_and_the_other_boxes_of_a_case_worked_out_by_hand():
    predictions = [
        detections_of([0, 0, 10, 10, 0.9, 5]),  # found, though under another name
        detections_of([0, 0, 10, 9, 0.6, 2], [0, 0, 10, 10, 0.5, 2], [50, 50, 60, 60, 0.4, 0]),  # two others
        detections_of([0, 0, 10, 10, 0.2, 2], [30, 30, 50, 50, 0.8, 2]),  # below the threshold; one other
        NOTHING,
    ]
    rate = single_object_recall(predictions, [GARMENT] * 4, score_threshold=0.3)
    assert (rate.recall, rate.other_boxes, rate.photos) == (0.5, 0.75, 4)
    low, high = rate.recall_interval
    assert 0.0 <= low < 0.5 < high <= 1.0


def test_an_overlap_of_exactly_the_iou_finds_and_less_does_not():
    half = [detections_of([0, 0, 10, 5, 0.9, 2])]
    assert single_object_recall(half, [GARMENT], 0.3).recall == 1.0
    assert single_object_recall(half, [GARMENT], 0.3, iou_threshold=0.51).recall == 0.0


def test_nothing_predicted_finds_nothing_and_adds_nothing():
    rate = single_object_recall([NOTHING, NOTHING], [GARMENT, GARMENT], 0.3)
    assert (rate.recall, rate.other_boxes) == (0.0, 0.0)


def test_the_figures_are_json():
    figures = single_object_recall([NOTHING], [GARMENT], 0.3, n_bootstrap=0).as_dict()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["intervals"] == {"found": None, "others": None}


@pytest.mark.parametrize("count", [0, 2])
def test_a_photo_without_exactly_one_box_is_refused(count):
    truth = GroundTruth(np.tile(GARMENT.boxes_xyxy, (count, 1)), np.zeros(count, dtype=int))
    with pytest.raises(DatasetError, match=f"one box a photo, got {count}"):
        single_object_recall([NOTHING], [truth], 0.3)
