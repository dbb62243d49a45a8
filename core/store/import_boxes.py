"""What an import does to a photo's boxes: scales them to the photo, and compares them with the saved ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.boxes import NO_FLAGS, BoxFlags
from core.datasets.listed_photos import FRACTIONS_WH
from core.datasets.sizes import resize_factors
from core.datasets.voc import NOT_XML, whole_pixels
from core.store.boxes import MOST_LABEL, AnnotatedBox

NEAR_PIXELS = 0.011
"""Corners are saved to a hundredth of a pixel; sides and fractions round once more."""
NEAR_FRACTION = 2e-6
"""Of the photo's longer side, for files that give millionths."""


class BoxesError(Exception):
    """Boxes that do not fit their photo."""


@dataclass(frozen=True)
class FormatFields:
    """What files of a format say of a box beside its corners and category; ``whole``: corners are pixels."""

    labels: bool = True
    flags: bool = True
    whole: bool = False


FORMAT_FIELDS = {
    "YOLO": FormatFields(labels=False, flags=False),
    "VOC": FormatFields(whole=True),
    "VIA": FormatFields(labels=False, whole=True),
    "labelme": FormatFields(labels=False),
    "DeepFashion": FormatFields(flags=False, whole=True),
    "DeepFashion2": FormatFields(labels=False, flags=False, whole=True),
}
"""By what the finder calls a format; others hold all of it."""


def are_same(
    boxes: Sequence[AnnotatedBox],
    saved: Sequence[AnnotatedBox],
    format: str = "",
    photo_wh: tuple[int, int] = (0, 0),
) -> bool:
    """Whether boxes are those that were saved, as far as their format can say, whatever their order.

    What rounding leaves no area is not compared. ``photo_wh`` is the photo's size in pixels.
    """
    held = FORMAT_FIELDS.get(format, FormatFields())
    near = NEAR_PIXELS + NEAR_FRACTION * max(photo_wh)
    mine, theirs = list(_compared(boxes, held)), list(_compared(saved, held))
    if len(mine) != len(theirs):
        return False
    whole = [(key, whole_pixels(corners, *photo_wh)) for key, corners in theirs] if held.whole else []
    return _match(mine, theirs, near) or (held.whole and _match(mine, whole, 0.0))


def have_same_corners(
    boxes: Sequence[AnnotatedBox], saved: Sequence[AnnotatedBox], format: str, photo_wh: tuple[int, int]
) -> bool:
    """Whether boxes differ in what they are called or marked at most; else as ``are_same``."""
    plain = [
        [replace(box, category_id=1, label=None, flags=NO_FLAGS) for box in some] for some in (boxes, saved)
    ]
    return are_same(plain[0], plain[1], format, photo_wh)


Corners = tuple[float, ...]
Key = tuple[int, str, BoxFlags]


def _compared(boxes: Iterable[AnnotatedBox], held: FormatFields) -> Iterable[tuple[Key, Corners]]:
    """What is compared of boxes: category, label and flags, and the corners as they are saved."""
    for box in boxes:
        corners = tuple(round(side, 2) for side in box.box_xyxy)
        if corners[0] < corners[2] and corners[1] < corners[3]:
            label = " ".join(NOT_XML.sub("\ufffd", (box.label or "")[:MOST_LABEL]).split())
            flags = box.flags if held.flags else NO_FLAGS
            yield (box.category_id, label if held.labels else "", flags), corners


def _match(mine: Sequence[tuple[Key, Corners]], theirs: Sequence[tuple[Key, Corners]], near: float) -> bool:
    """Whether each box has one of its own among the others, with corners so near."""
    left: dict[Key, list[Corners]] = {}
    for key, corners in theirs:
        left.setdefault(key, []).append(corners)
    for key, corners in mine:
        fits = (
            place
            for place, other in enumerate(left.get(key, ()))
            if all(abs(a - b) <= near for a, b in zip(corners, other, strict=True))
        )
        place = next(fits, None)
        if place is None:
            return False
        left[key].pop(place)
    return True


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
