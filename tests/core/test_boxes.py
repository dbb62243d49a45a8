import numpy as np
import pytest
import torch
from torchvision.ops import box_iou as torchvision_box_iou

from core.boxes import Detections, box_iou, iou

BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30], [5, 5, 15, 15]], dtype=np.float32)


def detections(*scores):
    count = len(scores)
    return Detections(BOXES[:count], np.array(scores, dtype=np.float64), np.arange(count))


def test_iou_by_hand():
    assert box_iou(BOXES[:1], BOXES).tolist() == [[1.0, 0.5, 0.0, pytest.approx(25 / 175)]]
    assert iou((0, 0, 10, 10), (5, 5, 15, 15)) == pytest.approx(25 / 175)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0


def test_iou_is_torchvisions_and_that_of_single_pairs():
    corners = np.random.default_rng(0).uniform(0, 50, (2, 40, 2))
    boxes = np.concatenate([corners[0], corners[0] + corners[1] + 1], axis=1)
    ours = box_iou(boxes, boxes)
    assert np.array_equal(ours, torchvision_box_iou(*(torch.from_numpy(boxes),) * 2).numpy())
    assert all(
        ours[i, j] == pytest.approx(iou(tuple(boxes[i]), tuple(boxes[j]))) for i, j in np.ndindex(9, 9)
    )


def test_boxes_without_area_and_no_boxes_at_all_have_no_iou():
    flat = np.zeros((1, 4))
    assert box_iou(flat, flat).tolist() == [[0.0]]
    assert box_iou(np.zeros((0, 4)), BOXES).shape == (0, 4)


def test_detections_are_chosen_sorted_and_cut_at_a_threshold():
    found = detections(0.2, 0.9, 0.5)
    assert len(found) == 3 and found.best_first().category_ids.tolist() == [1, 2, 0]
    assert found.above(0.5).category_ids.tolist() == [1, 2]
    assert found[np.array([2])].boxes_xyxy.tolist() == [[20, 20, 30, 30]]
    assert len(found.above(1.0)) == 0 and found.above(1.0).boxes_xyxy.shape == (0, 4)


def test_equal_scores_keep_their_order():
    assert detections(0.5, 0.5, 0.5).best_first().category_ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("boxes", "scores", "ids"),
    [((2, 4), (1,), (1,)), ((1, 3), (1,), (1,)), ((1, 4), (1,), (2,))],
)
def test_shapes_that_do_not_fit_are_refused(boxes, scores, ids):
    with pytest.raises(ValueError, match="of one N"):
        Detections(np.zeros(boxes), np.zeros(scores), np.zeros(ids, dtype=int))


def test_scores_are_finite():
    with pytest.raises(ValueError, match="finite"):
        detections(0.5, float("nan"))
