"""Boxes of annotations: where they came from stays with them, and nothing odd gets in."""

from __future__ import annotations

import pytest

from core.errors import StoreError
from core.garments import Garment
from core.store.boxes import MOST_BOXES, AnnotatedBox, boxes_from, new_uid

ENTRY = {"uid": "a", "box": [1, 2, 3, 4], "category": 5}


def test_a_box_survives_being_saved():
    box = AnnotatedBox((1.25, 2, 3, 4.5), 5, "Coat", "abc", "model", True, False, 0.75, (("Coat", 0.5),))
    assert AnnotatedBox.from_dict(box.as_dict()) == box


def test_a_new_box_is_a_persons_and_accepted():
    box = AnnotatedBox((1, 2, 3, 4), 5)
    assert (box.origin, box.accepted, box.changed, box.score) == ("person", True, False, None)
    assert box.uid != AnnotatedBox((1, 2, 3, 4), 5).uid


def test_uids_differ():
    assert len({new_uid() for _ in range(1000)}) == 1000


def test_a_models_garment_is_a_proposal_with_its_best_label():
    garment = Garment((1, 2, 3, 4), "top", 0.5, (("Shirt", 0.75), ("Coat", 0.25)))
    box = AnnotatedBox.from_garment(garment, 7)
    assert (box.origin, box.accepted, box.label, box.category_id) == ("model", False, "Shirt", 7)
    assert (box.score, box.top5) == (0.5, garment.top5)
    assert AnnotatedBox.from_garment(Garment((1, 2, 3, 4), "top", 0.5), 7).label is None


@pytest.mark.parametrize(
    "box", [(3, 2, 1, 4), (1, 2, 1, 4), (1, 2, 3, float("nan")), (1, 2, float("inf"), 4)], ids=str
)
def test_corners_that_make_no_box_are_refused(box):
    with pytest.raises(StoreError, match="x0 < x1"):
        AnnotatedBox(box, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"box": [1, 2, 3]},
        {"box": None},
        {"box": [1, 2, "x", 4]},
        {"category": None},
        {"category": "dress"},
        {"uid": None, "origin": "robot"},
        {"score": "high"},
        {"top5": [["a"]]},
        {"top5": 5},
    ],
    ids=str,
)
def test_an_entry_that_is_no_box_is_refused_with_a_sentence(change):
    with pytest.raises(StoreError):
        AnnotatedBox.from_dict(ENTRY | change)


def test_an_entry_without_its_parts_is_refused():
    for name in ENTRY:
        with pytest.raises(StoreError, match="expected a box"):
            AnnotatedBox.from_dict({key: value for key, value in ENTRY.items() if key != name})


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((-5, -5, 30, 60), (0, 0, 20, 40)),
        ((15, 35, 25, 45), (15, 35, 20, 40)),
        ((20, 0, 30, 10), None),
        ((-9, 0, 0, 10), None),
    ],
)
def test_a_box_is_cut_to_its_photo(box, expected):
    cut = AnnotatedBox(box, 1, uid="a").inside(20, 40)
    assert cut is None if expected is None else (cut.box_xyxy, cut.uid) == (expected, "a")


def test_boxes_with_one_name_and_too_many_are_refused():
    with pytest.raises(StoreError, match="uid"):
        boxes_from([ENTRY, ENTRY])
    many = [ENTRY | {"uid": str(n)} for n in range(MOST_BOXES + 1)]
    assert len(boxes_from(many[1:])) == MOST_BOXES
    with pytest.raises(StoreError, match="at most 1000"):
        boxes_from(many)
