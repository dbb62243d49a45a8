"""An import's boxes are scaled to the photo, and compared with what was saved."""

from __future__ import annotations

import pytest

from core.store.boxes import AnnotatedBox
from core.store.import_boxes import BoxesError, are_same, scale

BOX = AnnotatedBox((1, 2, 30.123, 40), 1, "tee", flags=frozenset({"occluded"}))


def test_boxes_are_the_same_whatever_their_order_and_rounding() -> None:
    other = AnnotatedBox((5, 6, 7, 8), 2)
    rounded = AnnotatedBox((1, 2, 30.12, 40), 1, "tee", flags=frozenset({"occluded"}))
    thin = AnnotatedBox((3.001, 2, 3.004, 9), 1)
    assert are_same([BOX, other, thin], [other, rounded])


@pytest.mark.parametrize(
    "other",
    [
        AnnotatedBox((1, 2, 30.2, 40), 1, "tee", flags=frozenset({"occluded"})),
        AnnotatedBox((1, 2, 30.123, 40), 2, "tee", flags=frozenset({"occluded"})),
        AnnotatedBox((1, 2, 30.123, 40), 1, "top", flags=frozenset({"occluded"})),
        AnnotatedBox((1, 2, 30.123, 40), 1, "tee"),
    ],
)
def test_boxes_that_differ_in_one_thing_are_not_the_same(other: AnnotatedBox) -> None:
    assert not are_same([BOX], [other])
    assert not are_same([BOX], [])


WH = (4000, 3000)


@pytest.mark.parametrize(
    ("format", "came", "is_same"),
    [
        ("YOLO", AnnotatedBox((1.004, 2.003, 30.126, 40), 1), True),
        ("YOLO", AnnotatedBox((1, 2, 30.2, 40), 1), False),
        ("YOLO", AnnotatedBox((1, 2, 30.123, 40), 2), False),
        ("VOC", AnnotatedBox((1, 2, 30, 40), 1, "tee", flags=BOX.flags), True),
        ("VOC", AnnotatedBox((1, 2, 31, 40), 1, "tee", flags=BOX.flags), False),
        ("VOC", AnnotatedBox((1, 2, 30, 40), 1, flags=BOX.flags), False),
        ("VOC", AnnotatedBox((1, 2, 30, 40), 1, "tee"), False),
        ("VIA", AnnotatedBox((1, 2, 30, 40), 1, flags=BOX.flags), True),
        ("labelme", AnnotatedBox((1, 2, 30.12, 40), 1, flags=BOX.flags), True),
        ("labelme", AnnotatedBox((1, 2, 30, 40), 1, flags=BOX.flags), False),
        ("COCO", AnnotatedBox((1, 2, 30, 40), 1, "tee", flags=BOX.flags), False),
    ],
)
def test_boxes_are_compared_as_far_as_their_format_can_say(
    format: str, came: AnnotatedBox, is_same: bool
) -> None:
    assert are_same([came], [BOX], format, WH) is is_same
    assert not are_same([came, came], [BOX], format, WH)


def test_boxes_that_a_format_cannot_tell_apart_are_counted() -> None:
    red, blue = (AnnotatedBox((1, 2, 30, 40), 1, name) for name in ("red", "blue"))
    plain = AnnotatedBox((1, 2, 30, 40), 1)
    assert are_same([plain, plain], [red, blue], "YOLO", WH)
    assert not are_same([plain, plain], [red, AnnotatedBox((1, 2, 31, 40), 1)], "YOLO", WH)


def test_boxes_scale_with_their_photo_and_not_to_another_shape() -> None:
    assert scale((200, 100), (100, 50)) == (0.5, 0.5)
    with pytest.raises(BoxesError, match="200 x 100 pixels, and the photo has 50 x 100"):
        scale((200, 100), (50, 100))
