"""Anchors fit the boxes they are made from, always alike for the same seed."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml

from core.anchors import (
    SAMPLE,
    anchors_json,
    anchors_yaml,
    darknet_anchors,
    darknet_line,
    kmeans_anchors,
    mean_best_iou,
    read_anchors,
)
from core.datasets.coco import read_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset, letterboxed_wh
from core.errors import DatasetError, RecipeError

STREET = Path(os.environ.get("LAPEL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "street"


def boxes(count: int, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal((4.0, 4.5), 0.7, (count, 2)))


def slow_mean_best_iou(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> float:
    total = 0.0
    for width, height in boxes_wh:
        ious = []
        for anchor_width, anchor_height in anchors_wh:
            shared = min(width, anchor_width) * min(height, anchor_height)
            ious.append(shared / (width * height + anchor_width * anchor_height - shared))
        total += max(ious)
    return total / len(boxes_wh)


def test_iou_of_widths_and_heights_by_hand() -> None:
    # 10 x 20 with 20 x 10 share 100 of 300; with 10 x 10 share 100 of 200
    assert mean_best_iou(np.array([[10, 20]]), np.array([[20, 10]])) == pytest.approx(1 / 3)
    assert mean_best_iou(np.array([[10, 20]]), np.array([[20, 10], [10, 10]])) == pytest.approx(1 / 2)
    assert mean_best_iou(np.array([[10, 20], [10, 10]]), np.array([[10, 10]])) == pytest.approx(3 / 4)


def test_mean_best_iou_agrees_with_a_slow_loop_over_more_than_one_chunk() -> None:
    boxes_wh, anchors_wh = boxes(20_000), boxes(9, seed=1)
    assert mean_best_iou(boxes_wh, anchors_wh) == pytest.approx(
        slow_mean_best_iou(boxes_wh, anchors_wh), abs=1e-6
    )


def test_clusters_far_apart_are_found_with_their_medians_by_rising_area() -> None:
    small = [[9, 20], [10, 20], [30, 20]]  # median width 10, mean 16.3
    wide = [[100, 30], [101, 30], [102, 31]]
    tall = [[200, 400], [200, 410], [210, 420]]
    result = kmeans_anchors(np.array(tall + small + wide), clusters=3)
    assert result.anchors.tolist() == [[10, 20], [101, 30], [200, 410]]
    assert result.mean_iou == pytest.approx(slow_mean_best_iou(np.array(tall + small + wide), result.anchors))
    assert result.iterations >= 1


def test_no_choice_of_two_boxes_as_anchors_beats_the_fit_by_much() -> None:
    boxes_wh = boxes(40)
    pairs = [(a, b) for a in range(40) for b in range(a)]
    best_pair = max(slow_mean_best_iou(boxes_wh, boxes_wh[list(pair)]) for pair in pairs)
    assert kmeans_anchors(boxes_wh, clusters=2).mean_iou > best_pair - 0.01


def test_one_cluster_is_the_median_box() -> None:
    boxes_wh = boxes(101)
    np.testing.assert_allclose(
        kmeans_anchors(boxes_wh, clusters=1).anchors, np.median(boxes_wh, axis=0)[None], rtol=0.2
    )


def test_as_many_boxes_as_clusters_are_their_own_anchors() -> None:
    boxes_wh = np.array([[10, 10], [20, 30], [50, 20], [90, 90]])
    result = kmeans_anchors(boxes_wh, clusters=4)
    assert result.anchors.tolist() == [[10, 10], [20, 30], [50, 20], [90, 90]]
    assert result.mean_iou == pytest.approx(1.0)


@pytest.mark.parametrize("count", [50, SAMPLE + 500], ids=["all boxes", "restarts on a sample"])
def test_the_same_seed_gives_the_same_anchors(count: int) -> None:
    first, second = (kmeans_anchors(boxes(count), clusters=5, seed=3) for _ in range(2))
    assert first.anchors.tolist() == second.anchors.tolist()
    assert (first.mean_iou, first.iterations) == (second.mean_iou, second.iterations)


@pytest.mark.parametrize("seeding", ["k-means++", "random"])
@pytest.mark.parametrize("count", [60, SAMPLE + 500], ids=["all boxes", "restarts on a sample"])
def test_the_order_of_the_boxes_makes_no_difference(count: int, seeding: str) -> None:
    boxes_wh = boxes(count)
    others = [np.random.default_rng(1).permutation(boxes_wh), boxes_wh[::-1]]
    first = kmeans_anchors(boxes_wh, 4, 2, seeding=seeding, restarts=2)
    for other in others:
        again = kmeans_anchors(other, 4, 2, seeding=seeding, restarts=2)
        assert again.anchors.tolist() == first.anchors.tolist()
        assert (again.mean_iou, again.iterations) == (first.mean_iou, first.iterations)


def test_the_reported_iou_is_that_of_all_boxes_not_of_the_sample() -> None:
    boxes_wh = boxes(SAMPLE + 5_000)
    result = kmeans_anchors(boxes_wh, clusters=3)
    assert result.mean_iou == pytest.approx(mean_best_iou(boxes_wh, result.anchors), abs=1e-6)


def test_anchors_scale_with_the_unit_of_the_boxes() -> None:
    pixels, fractions = (kmeans_anchors(boxes(300) * unit, clusters=4) for unit in (1.0, 1 / 1024))
    np.testing.assert_allclose(fractions.anchors * 1024, pixels.anchors, rtol=1e-5)


def test_boxes_all_alike_give_that_box_for_every_anchor() -> None:
    result = kmeans_anchors(np.full((30, 2), 33.3))
    np.testing.assert_allclose(result.anchors, np.full((9, 2), 33.3), rtol=1e-6)
    assert result.mean_iou == pytest.approx(1.0)


def test_fewer_boxes_than_clusters_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least 9 boxes, got 8"):
        kmeans_anchors(boxes(8))


@pytest.mark.parametrize("side", [0.0, -3.0, float("nan"), float("inf"), 1e-30, 1e30])
def test_boxes_without_area_are_refused(side: float) -> None:
    boxes_wh = np.vstack([boxes(20), [[10.0, side]]])
    with pytest.raises(DatasetError, match="1 of 21"):
        kmeans_anchors(boxes_wh)
    with pytest.raises(DatasetError, match="1 of 21"):
        mean_best_iou(boxes_wh, darknet_anchors(416))


@pytest.mark.parametrize("shape", [(0, 2), (4,), (4, 3)])
def test_arrays_that_hold_no_boxes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DatasetError, match=r"\(N, 2\)"):
        kmeans_anchors(np.ones(shape), clusters=1)


def test_impossible_settings_are_refused() -> None:
    for settings in ({"clusters": 0}, {"clusters": -1}, {"clusters": 100_000}, {"seed": -1}, {"restarts": 0}):
        with pytest.raises(RecipeError):
            kmeans_anchors(boxes(20), **settings)
    with pytest.raises(RecipeError):
        darknet_anchors(0)


def test_darknet_anchors_are_scaled_from_608() -> None:
    assert darknet_anchors(608)[-1].tolist() == [459, 401]
    assert darknet_anchors(304)[0].tolist() == [6, 8]
    assert darknet_anchors(416).shape == (9, 2)


def test_letterboxed_sizes_follow_the_long_side() -> None:
    wide = BoxedPhoto("w.jpg", 400, 100, np.array([[0, 0, 40, 20.0]]), np.zeros(1))
    tall = BoxedPhoto("t.jpg", 100, 200, np.array([[10, 10, 20, 30.0]]), np.zeros(1))
    assert letterboxed_wh(DetectionDataset(("top",), (wide, tall)), 200).tolist() == [[20, 10], [10, 20]]
    assert letterboxed_wh(DetectionDataset(("top",), ()), 200).shape == (0, 2)


def test_a_hundred_thousand_boxes_take_few_passes_and_little_memory() -> None:
    many = boxes(100_000)
    tracemalloc.start()
    try:
        found = kmeans_anchors(many)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.iterations <= 300
    assert peak_bytes < 20 * 9 * many.nbytes  # a few tables of boxes by anchors, none of boxes by boxes


@pytest.mark.skipif(not (STREET / "train.json").is_file(), reason="the street photos are not here")
def test_on_the_street_photos_they_beat_darknets() -> None:
    boxes_wh = letterboxed_wh(read_coco(STREET / "train.json"), 416)
    assert mean_best_iou(boxes_wh, darknet_anchors(416)) == pytest.approx(0.652, abs=0.001)
    for seed in range(3):
        assert kmeans_anchors(boxes_wh, seed=seed).mean_iou > 0.733


def test_random_seeds_give_other_anchors_which_fit_worse_on_average():
    rng = np.random.default_rng(0)
    boxes_wh = np.exp(rng.normal(3.5, 0.7, (400, 2)))
    fitted = kmeans_anchors(boxes_wh, 9, 0)
    drawn = [kmeans_anchors(boxes_wh, 9, seed, seeding="random") for seed in range(5)]
    assert np.array_equal(drawn[1].anchors, kmeans_anchors(boxes_wh, 9, 1, seeding="random").anchors)
    assert len({result.anchors.tobytes() for result in drawn}) > 1
    assert np.mean([result.mean_iou for result in drawn]) < fitted.mean_iou
    with pytest.raises(RecipeError, match=r"a seeding of k-means\+\+, random, got 'best'"):
        kmeans_anchors(boxes_wh, 9, seeding="best")


def test_anchors_are_read_from_pairs_or_from_what_the_command_prints(tmp_path):
    pairs = [[20 - n, 30 - n] for n in range(9)]
    for content in (pairs, {"anchors": pairs, "mean_iou": 0.7}):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert read_anchors(tmp_path / "a.json").tolist() == [[12 + n, 22 + n] for n in range(9)]


@pytest.mark.parametrize("content", ["rubbish", "{}", "[[1, 2]]", "[" + ", ".join(["[1, 0]"] * 9) + "]", "3"])
def test_a_file_without_nine_anchors_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(RecipeError, match="expected"):
        read_anchors(tmp_path / "a.json")


def test_files_of_anchors_are_read_back_by_their_own_tools(tmp_path: Path) -> None:
    boxes_wh = boxes(200)
    fitted = kmeans_anchors(boxes_wh, 9)
    (tmp_path / "a.json").write_text(json.dumps(anchors_json(boxes_wh, fitted, 416)))
    np.testing.assert_allclose(read_anchors(tmp_path / "a.json"), fitted.anchors, atol=0.006)
    rows = yaml.safe_load(anchors_yaml(fitted.anchors))["anchors"]
    assert [len(row) for row in rows] == [6, 6, 6]
    np.testing.assert_allclose(np.array(rows).reshape(9, 2), fitted.anchors, atol=0.051)
    key, _, values = darknet_line(fitted.anchors).partition(" = ")
    assert key == "anchors"
    pairs = np.array([float(value) for value in values.split(",")]).reshape(9, 2)
    np.testing.assert_allclose(pairs, fitted.anchors, atol=0.501)
    assert len(yaml.safe_load(anchors_yaml(fitted.anchors[:4]))["anchors"]) == 1
