"""What changed on a photo is said in words, and counted for better or worse."""

from __future__ import annotations

import json

import numpy as np

from core.boxes import Detections, GroundTruth
from core.evaluation.photo_changes import PhotoChange, classifier_change, detector_change, match_detections

NAMES = ("top", "pants", "bag")
BOX, OTHER, FAR = (0.0, 0.0, 40.0, 40.0), (50.0, 0.0, 90.0, 40.0), (100.0, 100.0, 140.0, 140.0)
TRUTH = GroundTruth(np.array([BOX, OTHER]), np.array([0, 1]))


def found(*boxes: tuple[tuple[float, ...], int, float]) -> Detections:
    corners = np.array([box for box, _, _ in boxes], dtype=np.float64).reshape(-1, 4)
    scores = np.array([score for *_, score in boxes])
    return Detections(corners, scores, np.array([category for _, category, _ in boxes], dtype=np.int64))


def change_of(champion: Detections, candidate: Detections) -> PhotoChange | None:
    sides = [match_detections(side, TRUTH, NAMES, 0.5) for side in (champion, candidate)]
    return detector_change(7, *sides, TRUTH, NAMES)


def test_what_is_seen_alike_is_no_change():
    seen = found((BOX, 0, 0.9), (FAR, 2, 0.8))
    assert change_of(seen, found((BOX, 0, 0.6), (FAR, 2, 0.9))) is None


def test_found_and_lost_garments_and_false_boxes_are_told():
    change = change_of(found((BOX, 0, 0.9), (FAR, 2, 0.8)), found((OTHER, 1, 0.9), (FAR, 0, 0.8)))
    assert change is not None
    assert change.what == (
        "finds pants",
        "no longer finds top",
        "sees top where none is annotated",
        "no longer sees bag where none is annotated",
    )
    assert (change.gain, change.photo_id, change.weight) == (0, 7, 4)


def test_a_box_under_the_threshold_or_of_another_name_finds_nothing():
    change = change_of(found((BOX, 0, 0.9)), found((BOX, 0, 0.4), (BOX, 1, 0.9)))
    assert change is not None and change.gain == -2
    assert change.what == ("no longer finds top", "sees pants where none is annotated")


def test_a_box_is_found_once():
    matched = match_detections(found((BOX, 0, 0.9), (BOX, 0, 0.8)), TRUTH, NAMES, 0.5)
    assert matched.found == {0} and matched.false_positives == {"top": 1}


def test_labels_that_changed_are_told_with_what_is_right():
    def said(*labels: str) -> list:
        return [(*BOX, label, 0.9) for label in labels]

    before, after = said("Shirt", "Dress", "Hat", "Tie"), said("T-Shirt", "Skirt", "Cap", "Tie")
    change = classifier_change(7, before, after, ["T-Shirt", "Dress", "Bag", "Hat"])
    assert change is not None and change.gain == 0
    assert change.what == (
        "Shirt → T-Shirt (right now)",
        "Dress → Skirt (wrong now), it is Dress",
        "Hat → Cap (still wrong), it is Bag",
    )
    assert classifier_change(7, said("Hat"), said("Hat"), ["Bag"]) is None


def test_a_change_is_the_same_after_json():
    change = change_of(found((BOX, 0, 0.9)), found((OTHER, 1, 0.9)))
    assert change is not None and PhotoChange.from_dict(json.loads(json.dumps(change.as_dict()))) == change
