"""Tracks through motion: ids stay through crossings and occlusions, and weak boxes start none."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import RecipeError
from core.inference.tracking import BoxFilter, ByteTracker, Track, TrackingSettings, matched

FRAME = 1 / 15
TOP, PANTS = (0.9, 0.0), (0.0, 0.9)


def box(x: float, y: float = 100.0, w: float = 60.0, h: float = 90.0) -> list[float]:
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def ids_through(tracker: ByteTracker, frames: list[list[tuple[list[float], tuple[float, float]]]]) -> list:
    """The ids that the boxes of each frame get, None where a box has no track or it is not confirmed."""
    told = []
    for number, garments in enumerate(frames):
        boxes = np.array([where for where, _ in garments], dtype=float).reshape(-1, 4)
        scores = np.array([scores for _, scores in garments], dtype=float).reshape(-1, 2)
        seen = tracker.update(boxes, scores, number * FRAME)
        told.append([track.id or None if track else None for track in seen])
    return told


def test_two_that_cross_keep_their_ids():
    frames = [[(box(50 + 8 * t), TOP), (box(350 - 8 * t, 110), TOP)] for t in range(38)]
    assert ids_through(ByteTracker(), frames) == [[1, 2]] * 38


def test_the_order_of_the_boxes_does_not_matter():
    frames = [[(box(100 + t), TOP), (box(300 - t), PANTS)][:: 1 if t % 2 else -1] for t in range(12)]
    told = ids_through(ByteTracker(), frames)
    assert told == [[1, 2][:: -1 if t % 2 else 1] for t in range(12)]


def test_a_garment_at_nearly_the_same_place_does_not_take_anothers_track():
    """A shirt under an open jacket: the nearer box is the other category's."""
    still = [[(box(100), TOP), (box(104), PANTS)]] * 3
    moved = [[(box(104), TOP), (box(100), PANTS)]]
    assert ids_through(ByteTracker(), still + moved)[-1] == [1, 2]


def test_a_short_occlusion_keeps_the_id_and_a_long_one_ends_the_track():
    seen, hidden = [(box(100), TOP)], []
    assert ids_through(ByteTracker(), [[*seen]] * 5 + [hidden] * 10 + [[*seen]])[-1] == [1]
    again = ids_through(ByteTracker(), [[*seen]] * 5 + [hidden] * 20 + [[*seen]] * 2)
    assert again[-2:] == [[None], [2]], "a second frame confirms the new one"


def test_one_that_moves_behind_another_comes_out_as_itself():
    frames = [[(box(100 + 6 * t), TOP)] if not 6 <= t < 10 else [] for t in range(14)]
    assert [ids for ids in ids_through(ByteTracker(), frames) if ids] == [[1]] * 10


def test_a_weak_box_keeps_a_track_and_starts_none():
    weak = (0.15, 0.0)
    assert ids_through(ByteTracker(), [[(box(100), TOP)], [(box(102), weak)]]) == [[1], [1]]
    assert ids_through(ByteTracker(), [[(box(100), weak)]] * 3) == [[None]] * 3


def test_one_frame_alone_confirms_no_track_after_the_first_frame():
    tracker = ByteTracker()
    told = ids_through(tracker, [[(box(100), TOP)], [(box(100), TOP), (box(300), TOP)], [(box(100), TOP)]])
    assert told == [[1], [1, None], [1]]
    assert len(tracker.tracks) == 1


def test_after_a_cut_ids_are_new():
    tracker = ByteTracker()
    ids_through(tracker, [[(box(100), TOP)]] * 2)
    tracker.cut()
    assert ids_through(tracker, [[(box(100), TOP)]]) == [[2]]


def test_empty_frames_are_frames():
    tracker = ByteTracker()
    assert ids_through(tracker, [[], [], [(box(100), TOP)], [(box(101), TOP)]]) == [[], [], [None], [1]]


def test_class_scores_are_a_running_mean():
    tracker = ByteTracker()
    ids_through(tracker, [[(box(100), (0.9, 0.1))], [(box(100), (0.4, 0.6))]])
    assert tracker.tracks[0].class_scores == pytest.approx([0.9 - 0.2 * 0.5, 0.1 + 0.2 * 0.5])


def test_the_filter_follows_constant_motion_and_keeps_its_size_unseen():
    following = BoxFilter(np.array(box(100.0)))
    for step in range(1, 30):
        following.predict()
        following.update(np.array(box(100.0 + 5 * step)))
    following.predict(keep_size=True)
    assert following.box_xyxy == pytest.approx(box(100.0 + 5 * 30), abs=1.5)
    assert following.velocity[:2] == pytest.approx([5.0, 0.0], abs=0.3)


def test_the_filter_smooths_what_trembles():
    rng = np.random.default_rng(0)
    measured = [np.array(box(100.0)) + rng.normal(0, 4, 4) for _ in range(60)]
    smooth, following = [], BoxFilter(measured[0])
    for boxes in measured[1:]:
        following.predict()
        following.update(boxes)
        smooth.append(following.box_xyxy)
    assert np.diff(smooth, axis=0).std() < 0.7 * np.diff(measured, axis=0).std()


def test_the_assignment_is_the_best_of_all():
    """The greedy pair (first track, first box) would leave the second track without one."""
    tracks = [Track(BoxFilter(np.array(box(x))), np.array(TOP), 0.0, id=1) for x in (100.0, 80.0)]
    boxes = np.array([box(92.0), box(125.0)])
    assert matched(tracks, boxes, np.array([TOP, TOP]), 0.2) == [(0, 1), (1, 0)]
    assert matched([], boxes, np.array([TOP, TOP]), 0.2) == []


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(RecipeError, match="low_score <= high_score"):
        TrackingSettings(high_score=0.05)
