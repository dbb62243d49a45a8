"""What an import does to a photo's boxes: scales them to the photo, and compares them with the saved ones."""

from __future__ import annotations

from collections.abc import Iterable

from core.datasets.listed import FRACTIONS_WH
from core.datasets.sizes import resize_factors
from core.store.boxes import MOST_LABEL, AnnotatedBox


class BoxesError(Exception):
    """Boxes that do not fit their photo."""


def are_same(boxes: Iterable[AnnotatedBox], saved: Iterable[AnnotatedBox]) -> bool:
    """Whether boxes are those that were saved, whatever their order; what rounding leaves no area is not."""
    mine, theirs = (
        sorted(
            (corners, box.category_id, (box.label or "")[:MOST_LABEL], sorted(box.flags))
            for box in some
            if (corners := [round(side, 2) for side in box.box_xyxy])[0] < corners[2]
            and corners[1] < corners[3]
        )
        for some in (boxes, saved)
    )
    return mine == theirs


def scale(listed_wh: tuple[int, int], photo_wh: tuple[int, int]) -> tuple[float, float]:
    """What the boxes are to be multiplied by. Raises BoxesError where the photo has another shape."""
    if listed_wh == (0, 0):  # not listed
        return 1.0, 1.0
    if listed_wh == FRACTIONS_WH:
        return float(photo_wh[0]), float(photo_wh[1])
    factors = resize_factors(listed_wh, photo_wh)
    if factors is None:
        listed, found = ("{} x {}".format(*size) for size in (listed_wh, photo_wh))
        raise BoxesError(f"they are for {listed} pixels, and the photo has {found}.")
    return factors
