"""Labeling of moving pictures: names that one odd frame does not change, work that stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np
import pytest

from core.errors import RecipeError
from core.images.decode import Photo
from core.inference.labeler import Labeler
from core.inference.video_labeler import VideoLabeler, VideoSettings, class_agnostic_nms
from tests.moving import CATEGORIES, ColorClassifier, moving_labeler
from tests.moving import moving_frames as frames

SECONDS = 1 / 15


def names(labeler: VideoLabeler, photos: Iterator[Photo]) -> list[dict[int, tuple[str, str]]]:
    """Each frame's garments by their tracks: category and first label."""
    told = []
    for number, photo in enumerate(photos):
        shown = labeler.label(photo, number * SECONDS).garments
        told.append({g.track: (g.garment.category, g.garment.best_label) for g in shown})
    return told


def test_garments_keep_their_track_and_their_name():
    told = names(VideoLabeler(moving_labeler()), frames(20))
    assert told == [{1: ("top", "Shirt"), 2: ("pants", "Jeans")}] * 20


def test_one_frame_that_disagrees_renames_nothing():
    labeler = moving_labeler()
    classifier = labeler.classifier
    assert isinstance(classifier, ColorClassifier)
    classifier.wrong_calls = {2}
    told = names(VideoLabeler(labeler, VideoSettings(most_crops=16)), frames(30))
    assert classifier.calls > 3
    assert {name for frame in told for name in frame.values()} == {("top", "Shirt"), ("pants", "Jeans")}


def test_a_garment_that_the_detector_misses_once_stays():
    told = names(VideoLabeler(moving_labeler(missed_frames={7, 8})), frames(12))
    assert told == [{1: ("top", "Shirt"), 2: ("pants", "Jeans")}] * 12


def test_a_garment_that_is_gone_is_not_shown_for_long():
    photos = [*frames(6), *[Photo("clip", next(frames(1, garments=())).image, "")] * 8]
    told = names(VideoLabeler(moving_labeler()), iter(photos))
    assert [len(shown) for shown in told] == [2] * 6 + [2, 2] + [0] * 6


def test_crops_are_few_a_frame_and_fewer_with_time():
    labeler = moving_labeler()
    classifier = labeler.classifier
    assert isinstance(classifier, ColorClassifier)
    names(VideoLabeler(labeler, VideoSettings(most_crops=1)), frames(120))
    assert max(classifier.batches) == 1
    assert len(classifier.batches) < 24, "of 240 crops"


def test_the_first_frames_name_garments_in_turn():
    told = names(VideoLabeler(moving_labeler(), VideoSettings(most_crops=1)), frames(3))
    assert [len(shown) for shown in told] == [1, 2, 2]


def test_a_garment_does_not_come_and_go_with_a_score_that_trembles():
    strengths = [0.55, 0.7]
    labeler = VideoLabeler(moving_labeler(strengths=strengths))
    at_first = {t.track: t.garment.score for t in labeler.label(next(frames(1)), 0.0).garments}
    shown = []
    for number, photo in enumerate(frames(40), start=1):
        strengths[0] = 0.55 + 0.2 * (-1) ** number
        found = labeler.label(photo, number * SECONDS, at_first[1]).garments
        shown.append(any(tracked.garment.category == "top" for tracked in found))
    assert sum(one != other for one, other in pairwise(shown)) <= 1


def test_another_threshold_is_obeyed_at_once():
    labeler = VideoLabeler(moving_labeler())
    scores = [t.garment.score for t in labeler.label(next(frames(1)), 0.0, 0.1).garments]
    assert len(labeler.label(next(frames(1)), SECONDS, max(scores) + 0.01).garments) == 0


def test_another_shot_has_tracks_of_its_own():
    photos = [*frames(3), *frames(3, ground="#203a20")]
    told = names(VideoLabeler(moving_labeler()), iter(photos))
    assert [set(shown) for shown in told] == [{1, 2}] * 3 + [{3, 4}] * 3


def test_a_frame_says_its_number_time_and_size():
    labeler = VideoLabeler(moving_labeler())
    labeler.label(next(frames(1)), 0.0)
    line = labeler.label(next(frames(1)), 0.25, frame=6).as_dict()
    assert list(line) == ["video", "frame", "time", "width", "height", "garments"]
    assert (line["video"], line["frame"], line["time"]) == ("clip", 6, 0.25)
    assert (line["width"], line["height"]) == (320, 240)
    assert [list(garment) for garment in line["garments"]] == [
        ["box", "category", "score", "top5", "detector", "classifier", "track"]
    ] * 2


def test_boxes_stay_in_the_frame():
    labeler = VideoLabeler(moving_labeler())
    found = [
        [tracked.garment.box_xyxy for tracked in labeler.label(photo, number * SECONDS).garments]
        for number, photo in enumerate(frames(40, step=11))
    ]
    assert all(len(boxes) >= 2 for boxes in found)
    for x0, y0, x1, y1 in chain.from_iterable(found):
        assert 0 <= x0 < x1 <= 320 and 0 <= y0 < y1 <= 240
    rightmost = max(x1 for _, _, x1, _ in chain.from_iterable(found))
    assert rightmost == 320, "where a garment went that was seen two frames ago is beyond the frame's edge"


def test_the_shipped_kind_of_networks_run_at_another_size(tiny_labeler: Labeler, drawn_scene) -> None:
    video = VideoLabeler(tiny_labeler, VideoSettings(input_size=96))
    assert tiny_labeler.detector.card.input_size == 160 and video.detector.card.input_size == 96
    for number in range(3):
        found = video.label(Photo("scene", drawn_scene.image, ""), number * SECONDS)
    assert len(found.garments) == len({tracked.track for tracked in found.garments})


def test_of_two_candidates_at_one_place_the_better_stays():
    found = moving_labeler().detector.raw_detections(next(frames(1)), 0.1)
    boxes = np.concatenate([found.boxes_xyxy, found.boxes_xyxy[:1] + 2])
    scores = np.concatenate([found.class_scores, found.class_scores[:1] / 2])
    kept = class_agnostic_nms(type(found)(boxes, scores, found.photo_wh), 0.6)
    assert kept.boxes_xyxy.tolist() == found.boxes_xyxy.tolist()
    none = type(found)(np.zeros((0, 4)), np.zeros((0, len(CATEGORIES))), (320, 240))
    assert len(class_agnostic_nms(none, 0.6)) == 0


@pytest.mark.parametrize("odd", [{"input_size": 100}, {"input_size": 0}, {"most_crops": 0}])
def test_settings_that_cannot_be_are_refused(odd):
    with pytest.raises(RecipeError):
        VideoSettings(**odd)
