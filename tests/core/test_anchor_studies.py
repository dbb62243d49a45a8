"""Studies of anchors: numbers by hand, the order of boxes, refinement that never loses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.anchor_studies import (
    DARKNET,
    KMEANS,
    REFINED,
    SEEDS,
    STUDIES,
    Spread,
    cluster_rows,
    measure_fit,
    refine_anchors,
    sample_boxes,
    scale_rows,
    seeding_rows,
    seeding_spreads,
)
from core.anchors import STRIDES, kmeans_anchors, mean_best_iou
from core.errors import RecipeError
from core.models import yolov4


def boxes(count: int, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal((4.0, 4.5), 0.7, (count, 2)))


def shuffled(boxes_wh: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).permutation(boxes_wh)


def unheard(done: int, total: int) -> None:
    """Progress that nobody waits for."""


def test_recall_counts_boxes_above_one_half_by_hand():
    # with 10 x 10: 10 x 10 is 1, 10 x 15 is 2/3, 10 x 20 is 1/2 (not above), 10 x 40 is 1/4
    found = measure_fit(np.array([[10, 10], [10, 15], [10, 20], [10, 40]]), np.array([[10, 10]]))
    assert found == {"mean_iou": round((1 + 2 / 3 + 1 / 2 + 1 / 4) / 4, 4), "recall": 0.5}


def test_samples_and_studies_are_alike_in_whatever_order_boxes_come():
    boxes_wh = boxes(24)
    assert np.array_equal(sample_boxes(boxes_wh, 3, 20), sample_boxes(shuffled(boxes_wh), 3, 20))
    for study in ("clusters", "seedings"):
        first, second = (
            STUDIES[study](given, 416, 3, 0, unheard) for given in (boxes_wh, shuffled(boxes_wh))
        )
        assert first == second


def test_more_anchors_fit_better_and_darknets_stand_beside_them():
    heard: list[tuple[int, int]] = []
    rows = cluster_rows(boxes(50), 416, 9, 0, lambda done, total: heard.append((done, total)))
    ours = [row for row in rows if row["anchors"] == KMEANS]
    assert [row["clusters"] for row in ours] == list(range(1, 16))
    assert ours[-1]["mean_iou"] > ours[4]["mean_iou"] > ours[0]["mean_iou"]
    assert rows[-1]["anchors"] == DARKNET and rows[-1]["clusters"] == 9
    assert heard[-1] == (15, 15)
    few = cluster_rows(boxes(4), 416, 9, 0, unheard)
    assert [row["clusters"] for row in few] == [1, 2, 3, 4, 9]
    assert few[3]["mean_iou"] == pytest.approx(1.0)


def test_seedings_are_compared_over_twenty_seeds_each():
    rows = seeding_rows(boxes(80), 416, 4, 0, unheard)
    assert [row["seeding"] for row in rows] == ["k-means++"] * SEEDS + ["random"] * SEEDS
    assert [row["seed"] for row in rows[:SEEDS]] == list(range(SEEDS))
    spreads = seeding_spreads(rows)
    drawn = [row["mean_iou"] for row in rows[SEEDS:]]
    assert spreads[1]["mean_iou"].mean == pytest.approx(np.mean(drawn))
    assert spreads[1]["mean_iou"].least == min(drawn)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, pytest.approx(2**0.5), 1.0, 3.0)
    assert Spread.of([2.0]) == Spread(2.0, 0.0, 2.0, 2.0)


def test_refinement_raises_the_fit_of_poor_anchors_and_repeats():
    boxes_wh, poor = boxes(200), np.array([[300.0, 20.0], [10.0, 10.0]])
    before = mean_best_iou(boxes_wh, poor)
    refined = refine_anchors(boxes_wh, poor, 0, 200)
    assert refined.mean_iou > before + 0.05 and refined.kept > 5
    assert refined.mean_iou == pytest.approx(mean_best_iou(boxes_wh, refined.anchors))
    assert np.array_equal(refined.anchors, refine_anchors(shuffled(boxes_wh), poor, 0, 200).anchors)
    assert refined.anchors.prod(axis=1).tolist() == sorted(refined.anchors.prod(axis=1))


def test_refinement_of_perfect_anchors_keeps_them():
    sizes = np.array([[10.0, 20.0], [40.0, 30.0]])
    refined = refine_anchors(np.repeat(sizes, 5, axis=0), sizes, 0, 50)
    assert refined.kept == 0 and np.array_equal(refined.anchors, sizes)


def test_the_refinement_stands_beside_where_it_began():
    rows = STUDIES["refinement"](boxes(60), 416, 2, 0, unheard)
    assert [row["anchors"] for row in rows] == [
        DARKNET,
        REFINED.format(DARKNET),
        KMEANS,
        REFINED.format(KMEANS),
    ]
    assert rows[1]["mean_iou"] > rows[0]["mean_iou"] and rows[3]["mean_iou"] >= rows[2]["mean_iou"]
    assert len(rows[1]["anchors_wh"]) == 9 and len(rows[3]["anchors_wh"]) == 2


def test_boxes_fall_to_the_stride_of_their_best_anchor():
    anchors = np.array([[100.0, 100.0], [10.0, 10.0], [40.0, 40.0]])  # sorted by area within
    rows = scale_rows(np.array([[10, 10], [12, 10], [40, 20], [90, 100]]), anchors)
    assert [row["stride"] for row in rows] == [8, 16, 32]
    assert [row["boxes"] for row in rows] == [2, 1, 1]
    assert rows[0]["median"] == [11.0, 10.0] and rows[0]["mean_iou"] == round((1 + 10 / 12) / 2, 4)
    assert rows[1]["recall"] == 0.0  # an IoU of 0.5 is not above it
    empty = scale_rows(np.array([[10, 10]]), anchors)
    assert empty[2] == {
        "stride": 32, "anchors": [[100.0, 100.0]], "boxes": 0, "share": 0.0,
        "median": None, "mean_iou": None, "recall": None,
    }  # fmt: skip
    with pytest.raises(RecipeError, match="a multiple of 3, got 4"):
        scale_rows(boxes(20), kmeans_anchors(boxes(20), 4).anchors)


def test_the_strides_are_the_networks():
    with torch.no_grad():
        raw = yolov4.yolov4_gs("pico", classes=3)(torch.zeros(1, 3, 64, 96))
    assert [(64 / level.shape[2], 96 / level.shape[3]) for level in raw] == [(s, s) for s in STRIDES]
