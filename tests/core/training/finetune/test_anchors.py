"""Other anchors for a champion: which they are, in which places, and that its answers stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.anchors import DARKNET_ANCHORS_608, mean_best_iou
from core.errors import DatasetError
from core.models.decode import decode
from core.models.yolov4 import yolov4_gs
from core.training.finetune.anchors import Pairs, resolve_anchors, with_anchors

CHAMPIONS: Pairs = tuple((float(w), float(h)) for w, h in DARKNET_ANCHORS_608)
BOXES = np.random.default_rng(3).uniform(8, 400, (60, 2))


def test_by_default_the_champions_anchors_stay() -> None:
    found, record = resolve_anchors(None, BOXES, CHAMPIONS, 608, seed=0)
    assert found == CHAMPIONS and record["from"] == "champion"
    assert record["mean_iou"] == record["champions_mean_iou"]


def test_anchors_fitted_to_the_boxes_fit_better_and_keep_to_their_strides() -> None:
    found, record = resolve_anchors("own", BOXES, CHAMPIONS, 608, seed=0)
    assert record["mean_iou"] > record["champions_mean_iou"] + 0.02
    assert record["mean_iou"] == pytest.approx(mean_best_iou(BOXES, np.array(found)), abs=1e-4)
    areas = np.array(found).prod(axis=1).reshape(3, 3)
    assert (areas[:-1].max(axis=1) <= areas[1:].min(axis=1)).all()


def test_given_shares_take_the_place_of_the_nearest_of_the_champions() -> None:
    # The champion's own, a tenth larger and in another order: each comes back to its place.
    shares = (np.array(CHAMPIONS)[::-1] * 1.1 / 608).tolist()
    found, _ = resolve_anchors(shares, BOXES, CHAMPIONS, 608, seed=0)
    assert np.allclose(found, np.array(CHAMPIONS) * 1.1)
    turned = tuple(CHAMPIONS[place] for place in (2, 0, 1, 3, 4, 5, 6, 7, 8))
    assert np.allclose(resolve_anchors(shares, BOXES, turned, 608, seed=0)[0], np.array(turned) * 1.1)


def test_too_few_boxes_to_fit_anchors_are_told() -> None:
    with pytest.raises(DatasetError, match="fitting 9 anchors takes as many boxes .* got 3"):
        resolve_anchors("own", BOXES[:3], CHAMPIONS, 608, seed=0)


def test_a_detector_with_other_anchors_begins_with_the_same_boxes_and_scores() -> None:
    torch.manual_seed(0)
    after, _ = resolve_anchors("own", BOXES, CHAMPIONS, 608, seed=0)
    champion = yolov4_gs("pico", 2, CHAMPIONS).eval()
    changed = yolov4_gs("pico", 2, after).eval()
    changed.load_state_dict(with_anchors(champion.state_dict(), CHAMPIONS, after))
    picture = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        boxes, scores = decode(champion(picture), champion.anchors_wh)
        same_boxes, same_scores = decode(changed(picture), changed.anchors_wh)
    assert not torch.allclose(champion.anchors_wh, changed.anchors_wh, rtol=0.05)
    torch.testing.assert_close(same_boxes, boxes, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(same_scores, scores)


def test_the_champions_state_is_left_as_it_is() -> None:
    state = yolov4_gs("pico", 2, CHAMPIONS).state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    doubled = tuple((2 * w, 2 * h) for w, h in CHAMPIONS)
    moved = with_anchors(state, CHAMPIONS, doubled)
    assert all(torch.equal(state[name], before[name]) for name in state)
    bias = (moved["heads.0.1.bias"] - state["heads.0.1.bias"]).view(3, -1)
    assert torch.allclose(bias[:, 2:4], torch.tensor(0.5).log())
    assert not bias[:, [0, 1, 4, 5, 6]].any()
