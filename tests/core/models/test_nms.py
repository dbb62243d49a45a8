"""NMS and cross-class suppression: what stays is the best, and it is what torchvision keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from core.boxes import Detections, box_iou
from core.models.decode import decode
from core.models.nms import calibrated, cross_class_suppression, nms, nms_indices
from tests.core.models.test_decode import ANCHORS_WH, random_raw


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.8])
def test_nms_keeps_what_torchvision_keeps(seed, iou_threshold):
    generator = torch.Generator().manual_seed(seed)
    corner, side = (torch.rand(400, 2, generator=generator) * size for size in (60, 40))
    boxes, scores = torch.cat((corner, corner + side), dim=1), torch.rand(400, 3, generator=generator)
    rows, categories = (scores > 0.4).nonzero(as_tuple=True)
    kept = batched_nms(boxes[rows], scores[rows, categories], categories, iou_threshold)
    found = nms_indices(boxes, scores, score_threshold=0.4, iou_threshold=iou_threshold, limit=10_000)
    assert found[0].tolist() == rows[kept].tolist() and found[1].tolist() == categories[kept].tolist()


def test_boxes_without_area_suppress_nothing():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 9, 9.0]])
    assert len(nms(boxes, np.array([[0.9], [0.8], [0.7]]), score_threshold=0.1)) == 3


def test_calibration_is_platts():
    scores = np.array([0.0, 0.2, 0.5, 0.9, 1.0], dtype=np.float32)
    np.testing.assert_array_equal(calibrated(scores, 1.0, 0.0), scores)
    # sigmoid(2 * logit(0.2) + 1): the odds 1/4 become e / 16
    assert calibrated(scores, 2.0, 1.0)[1] == pytest.approx(np.e / 16 / (1 + np.e / 16), rel=1e-5)
    wild = calibrated(scores, 1e6, -1e6)
    assert wild[0] == 0 and wild[4] == 1 and np.isfinite(wild).all()


def test_of_two_boxes_on_one_garment_the_better_stays():
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60.0]])
    scores = torch.tensor([[0.6, 0.0], [0.9, 0.0], [0.0, 0.7]])
    kept = nms(boxes, scores, score_threshold=0.1)
    assert kept.boxes_xyxy.tolist() == [[0, 0, 10, 9], [50, 50, 60, 60]]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])
    assert kept.category_ids.tolist() == [0, 1]


def test_categories_do_not_suppress_each_other():
    boxes = torch.tensor([[0, 0, 10, 10.0]])
    kept = nms(boxes, torch.tensor([[0.6, 0.9]]), score_threshold=0.1)
    assert kept.category_ids.tolist() == [1, 0]


def test_cross_class_suppression_halves_the_score_of_the_worse_box():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 7], [20, 0, 30, 10.0]])
    found = Detections(boxes, np.array([0.9, 0.8, 0.6, 0.3]), np.array([0, 1, 1, 0]))
    ours = cross_class_suppression(found)
    # Only the second has another category and IoU 0.9 with a better box; the third has 0.7, the last none.
    assert ours.scores.tolist() == pytest.approx([0.9, 0.6, 0.4, 0.3])
    assert ours.category_ids.tolist() == [0, 1, 1, 0]
    assert ours.boxes_xyxy[2].tolist() == [0, 0, 10, 9]


def test_cross_class_suppression_of_nothing_is_nothing():
    none = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
    assert len(cross_class_suppression(none)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_raising_the_threshold_afterwards_equals_a_new_run(seed):
    boxes, scores = decode(random_raw(batch=1, seed=seed), ANCHORS_WH)
    low = nms(boxes[0], scores[0], score_threshold=0.05, limit=10_000)
    for threshold in (0.2, 0.4, 0.6):
        again = nms(boxes[0], scores[0], score_threshold=threshold, limit=10_000)
        above = low.scores > threshold
        for name, values in vars(low[above]).items():
            assert np.array_equal(values, getattr(again, name))
    assert 0 < len(again) < len(low)


def test_what_is_kept_is_sorted_limited_and_apart():
    boxes, scores = decode(random_raw(batch=1), ANCHORS_WH)
    kept = nms(boxes[0], scores[0], score_threshold=0.01, iou_threshold=0.4, limit=25)
    assert len(kept.scores) == 25
    assert kept.scores.tolist() == sorted(kept.scores.tolist(), reverse=True)
    overlap = box_iou(kept.boxes_xyxy, kept.boxes_xyxy) - np.eye(25)
    same = kept.category_ids[:, None] == kept.category_ids
    assert overlap[same].max() <= 0.4


def test_a_flood_of_candidates_keeps_the_best():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(4000, 2, generator=generator) * 5000
    scores = torch.rand(4000, 1, generator=generator)
    kept = nms(torch.cat((corner, corner + 4), dim=1), scores, score_threshold=0.0, limit=50)
    assert kept.scores[0] == scores.max().item() and len(kept.scores) == 50


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_above_the_threshold_is_an_empty_result(count):
    kept = nms(torch.zeros(count, 4), torch.zeros(count, 2), score_threshold=0.5)
    assert kept.boxes_xyxy.shape == (0, 4) and kept.scores.shape == kept.category_ids.shape == (0,)
