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


def test_boxes_scale_with_their_photo_and_not_to_another_shape() -> None:
    assert scale((200, 100), (100, 50)) == (0.5, 0.5)
    with pytest.raises(BoxesError, match="200 x 100 pixels, and the photo has 50 x 100"):
        scale((200, 100), (50, 100))
