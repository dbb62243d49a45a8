"""The replay of the queue's order: arithmetic by hand, arms on made-up features, and no photos at all."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import queue_order
from benchmarks.replay import boxed, chains, detecting, heads, places, training
from benchmarks.replay.curves import area, labels_to_reach, mean_interval, summary
from core.boxes import GroundTruth


def test_an_interval_is_students() -> None:
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)
    assert mean_interval([5.0]) == (5.0, 5.0, 5.0)


def test_the_area_is_the_mean_height() -> None:
    assert area([100, 200, 400], [0.0, 1.0, 1.0]) == pytest.approx((0.5 * 100 + 1.0 * 200) / 300)
    assert area([100], [0.7]) == 0.7


def test_labels_to_a_goal_lie_on_straight_lines() -> None:
    assert labels_to_reach([100, 200, 300], [0.2, 0.4, 0.3], 0.3) == 150
    assert labels_to_reach([100, 200], [0.2, 0.4], 0.1) == 100
    assert labels_to_reach([100, 200], [0.2, 0.4], 0.5) is None


def test_gains_are_paired_by_seed() -> None:
    random = np.array([[0.1, 0.2], [0.5, 0.6]])
    told = summary([10, 20], {"random": random, "queue": random + 0.1}, [0.25, 0.65])
    queue = told["queue"]
    assert isinstance(queue, dict)
    assert queue["gain in area"] == {"mean": 0.1, "low": 0.1, "high": 0.1}
    assert queue["labels to goal"]["mean"] == 15 and queue["seeds that never reached it"] == 0
    assert queue["labels saved"]["mean"] == 5, "random never reached it and counts with its last point"


@pytest.fixture
def split_and_features() -> tuple[heads.Split, np.ndarray]:
    """Five groups of looks, one of them rare; 300 in the pool, 100 to test on."""
    rng = np.random.default_rng(0)
    groups = rng.choice(5, 400, p=[0.4, 0.3, 0.2, 0.08, 0.02])
    features = (np.eye(5, 20)[groups] + rng.normal(0, 0.2, (400, 20))).astype(np.float32)
    tested = np.arange(400) >= 300
    return heads.Split.of(features, groups.astype(str), tested), features[~tested]


def test_all_arms_begin_alike_and_none_takes_a_photo_twice(
    split_and_features: tuple[heads.Split, np.ndarray],
) -> None:
    split, features = split_and_features
    ways = heads.ways_to_order(features)
    seen: list[list[int]] = []
    for order in ways.values():
        taken = order(np.full((250, 5), 0.2), np.arange(50, 300), np.arange(50), 3)
        seen.append(sorted(taken))
    assert all(taken == list(range(50, 300)) for taken in seen)
    curves = heads.replay_all(split, ways, heads.Schedule(20, 20, 60), [0, 1])
    starts = {name: rows[:, 0].tolist() for name, rows in curves.items()}
    assert all(start == starts["random"] for start in starts.values())
    assert curves["queue"].shape == (2, 3, 2)


def test_the_smallest_margin_comes_first() -> None:
    shares = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.6, 0.3, 0.1]])
    assert heads.by_margin(shares, np.array([7, 8, 9]), np.array([1]), 0) == [8, 9, 7]


@pytest.fixture
def made_up() -> boxed.Boxed:
    """Twelve photos of noise with a box each, on a canvas of 192 x 288."""
    rng = np.random.default_rng(0)
    shapes = [
        (channels, 288 // stride, 192 // stride)
        for channels, stride in zip(boxed.CHANNELS, boxed.STRIDES, strict=True)
    ]
    truths = [
        GroundTruth(np.array([[20.0, 30, 90, 150]], dtype=np.float32), np.array([n % 2])) for n in range(12)
    ]
    levels = [torch.from_numpy(rng.random((12, *shape), dtype=np.float32)).half() for shape in shapes]
    return boxed.Boxed(tuple(levels), tuple(truths), ("top", "dress"))


def test_mirrored_boxes_are_mirrored_on_the_canvas(made_up: boxed.Boxed) -> None:
    truths = training.padded_truths(made_up.truths, made_up.device)
    photos, mirrored = torch.tensor([3, 4]), torch.tensor([True, False])
    features, targets = training.batch_of(made_up, truths, photos, mirrored)
    assert targets.boxes_xyxy[:, 0].tolist() == [[102.0, 30.0, 172.0, 150.0], [20.0, 30.0, 90.0, 150.0]]
    assert (targets.valid.tolist(), targets.classes.tolist()) == ([[True], [True]], [[1], [0]])
    for level, found in zip(made_up.levels, features, strict=True):
        torch.testing.assert_close(found, torch.stack((level[3].flip(2), level[4])).float())


def test_every_photo_is_taken_once_before_any_is_taken_again() -> None:
    photos, mirrored = training.sampled(np.array([4, 7, 9]), 3, 2, seed=0)
    assert photos.shape == mirrored.shape == (3, 2)
    assert sorted(photos.ravel()[:3]) == sorted(photos.ravel()[3:]) == [4, 7, 9]


@pytest.fixture
def replay(
    made_up: boxed.Boxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., chains.Progress]:
    """The made-up photos replayed, two steps a training."""
    monkeypatch.setattr(detecting, "kept_folder", lambda: tmp_path)
    monkeypatch.setattr(chains.Data, "read", lambda _: (made_up, made_up))
    rounds = detecting.Rounds(start=9, batch=2, rounds=1, steps=2)
    nowhere = chains.Data(tmp_path, tmp_path, tmp_path)
    return functools.partial(chains.replay_detectors, nowhere, rounds, [0])


def test_detectors_are_replayed_and_finished_trainings_kept(
    replay: Callable[..., chains.Progress], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = replay(out=tmp_path / "out", whole=True)
    assert {arm: len(row) for arm, row in once.scores[0].items()} == dict.fromkeys(detecting.ARMS, 2)
    assert len({row[0] for row in once.scores[0].values()}) == 1, "all begin with the same detector"
    written = json.loads((tmp_path / "out" / "queue_order_detectors.json").read_text())
    assert written["scores"]["0"] == once.scores[0] and list(written["whole"]) == ["0"]
    assert written["mAP50"]["labels"] == [9, 11] and written["mAP50"]["seeds counted"] == 1
    monkeypatch.setattr(detecting, "train", lambda *_: pytest.fail("trained again"))
    assert replay().scores == once.scores


@pytest.mark.parametrize("arm", [*detecting.ARMS, *detecting.MORE_ARMS])
def test_every_arm_chooses_as_many_open_photos_as_are_wanted(made_up: boxed.Boxed, arm: str) -> None:
    rng = np.random.default_rng(0)
    found = [
        detecting.Detections(np.tile([20.0, 30, 90, 150], (3, 1)), rng.random(3), np.array([0, 1, 0]))
        for _ in range(12)
    ]
    trained = detecting.Trained(0.1, found, [rng.random((3, 8)) for _ in range(12)])
    chosen = detecting.choose(arm, made_up, trained, np.array([0, 5, 7]), 0, 4)
    assert len(set(chosen.tolist())) == 4 and not {0, 5, 7} & set(chosen.tolist())
    assert chosen.tolist() == detecting.choose(arm, made_up, trained, np.array([0, 5, 7]), 0, 4).tolist()


def test_when_the_time_is_over_what_is_done_counts(replay: Callable[..., chains.Progress]) -> None:
    nothing = replay(deadline=time.monotonic() - 1)
    assert nothing.scores == {} and nothing.failed == set() and nothing.summary() is None


def test_a_training_that_fails_takes_its_seed_out(
    replay: Callable[..., chains.Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(chains, "train_once", fail)
    assert replay().failed == {0}


def test_curves_end_where_the_slowest_chain_is() -> None:
    progress = chains.Progress(detecting.Rounds(10, 10, 2), (0, 1))
    progress.scores = {0: {arm: [0.1, 0.2, 0.3] for arm in detecting.ARMS}}
    progress.scores[1] = {arm: [0.1, 0.2] for arm in detecting.ARMS}
    told = progress.summary()
    assert told is not None and told["labels"] == [10, 20] and told["seeds counted"] == 2


def test_a_detections_feature_is_the_maps_at_its_center() -> None:
    feature_map = torch.arange(6.0).view(1, 2, 3)  # centers of cells at 8, 24, 40 pixels
    boxes = np.array([[0.0, 0, 16, 16], [0, 0, 32, 16], [32, 16, 48, 32]])
    assert detecting.features_at(feature_map, boxes).ravel() == pytest.approx([0.0, 0.5, 5.0], abs=1e-3)


def test_the_threshold_finds_as_many_garments_as_people_drew(made_up: boxed.Boxed) -> None:
    scores = np.linspace(0.9, 0.1, 5)
    found = [detecting.Detections(np.zeros((5, 4)), scores, np.zeros(5, dtype=np.int64))] * 12
    threshold = detecting.matching_threshold(found, made_up, np.arange(6))
    assert 0.65 < threshold < 0.9


def test_without_photos_it_says_so_and_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("LAPEL_TEST_DATA", str(tmp_path))
    queue_order.main(["--quick"])
    printed = capsys.readouterr()
    assert "no val.json" in json.loads(printed.out)["skipped"]
    assert "nothing measured" in printed.err


def test_an_unknown_arm_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        queue_order.main(["--detector-arms", "random,alphabet"])
    assert "expected random among arms of" in capsys.readouterr().err


def test_features_come_from_imagenet_and_are_kept(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not places.imagenet_weights().is_file():
        pytest.skip("no ImageNet weights")
    monkeypatch.setattr(places, "kept_folder", lambda: tmp_path)
    catalog = places.read_catalog(test_data / "catalog", every=1500)
    assert "Not sure" not in catalog.labels and len(catalog.paths) == 3
    features = places.features_of(catalog.paths, places.imagenet_weights())
    assert features.shape == (3, 1024) and np.isfinite(features).all()
    monkeypatch.setattr(places, "open_dataset_photo", lambda path: pytest.fail(f"{path} was opened again"))
    assert (places.features_of(catalog.paths, places.imagenet_weights()) == features).all()
