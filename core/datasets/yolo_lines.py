"""The lines of YOLO's texts: boxes, polygons, key points, and what predictions add to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from core.errors import DatasetError

Corners = tuple[float, float, float, float]

EDGE = 0.02
"""How far a box may reach over the photo and still be one: exporters round."""


class LineStyle(Enum):
    """What follows the class in lines with more than five numbers."""

    POSE = "a box and key points"
    POLYGON = "a polygon"
    EITHER = "a polygon, or a box and key points"


def style_of(lines: Iterable[Sequence[float]], key_points: int | None) -> LineStyle:
    """What the long lines of a dataset are; ``key_points`` is how many numbers its YAML says they add.

    Without the YAML's word: polygons differ in their number of points, and some do not make sense as a box.
    """
    if key_points is not None:
        return LineStyle.POSE
    counts = set()
    for values in lines:
        if len(values) > 7:
            counts.add(len(values))
            if len(counts) > 1 or not _is_pose(values):
                return LineStyle.POLYGON
    return LineStyle.EITHER


def rows_of(values: Sequence[float], texts: Sequence[str], style: LineStyle) -> Corners:
    """The box of a line of numbers, as corners in fractions of the photo.

    Six numbers are a box and its confidence, seven a box, its confidence and a track id (a whole number), or
    a triangle. More are a polygon, with or without a confidence at the end, or a box and its key points.
    Raises ``DatasetError`` for another count, for numbers that are no fractions, and where it cannot be told.
    """
    count = len(values)
    if count < 5:
        raise DatasetError(f"five numbers 'class cx cy w h' are expected, got {count}")
    if count == 6 and not _fits(values) and 0 <= values[1] <= 1 and _fits((values[0], *values[2:6])):
        raise DatasetError("a confidence is expected behind the box, and this one seems to be before it")
    if count == 5 or count == 6 or (count == 7 and _is_tracked(values, texts)):
        return _box(values[1:5])
    if count > 7 and (style is LineStyle.POSE or _has_visibilities(values)):
        return _box(values[1:5])
    points = values[1:] if count % 2 else values[1:-1]
    if style is LineStyle.EITHER and count > 7 and _is_pose(values) and not _is_parallelogram(points):
        raise DatasetError(
            f"{count} numbers may be a polygon, or a box and its key points: kpt_shape in the data.yaml tells"
        )
    _check_fractions(points)
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])


def _box(values: Sequence[float]) -> Corners:
    _check_fractions(values)
    center_x, center_y, width, height = values
    return center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2


def _check_fractions(values: Sequence[float]) -> None:
    if any(abs(value) > 2 for value in values if value == value):
        raise DatasetError(f"fractions of the photo are expected, got {max(values, key=abs):g}")


def _is_tracked(values: Sequence[float], texts: Sequence[str]) -> bool:
    """Whether the last two of seven numbers are a confidence and an id."""
    return 0 <= values[5] <= 1 and texts[6].isdecimal() and _fits(values)


def _fits(values: Sequence[float]) -> bool:
    """Whether the first four numbers make a box in the photo."""
    center_x, center_y, width, height = values[1:5]
    sides = ((center_x, width), (center_y, height))
    return all(size > 0 and at - size / 2 >= -EDGE and at + size / 2 <= 1 + EDGE for at, size in sides)


def _is_pose(values: Sequence[float]) -> bool:
    """Whether a line makes sense as a box in the photo with its key points inside, or not seen (0, 0)."""
    if not _fits(values):
        return False
    if _has_visibilities(values):
        return True
    if len(values) % 2 == 0:
        return False
    x0, y0, x1, y1 = _box(values[1:5])
    points = zip(values[5::2], values[6::2], strict=True)
    return all(
        (x, y) == (0, 0) or (x0 - EDGE <= x <= x1 + EDGE and y0 - EDGE <= y <= y1 + EDGE) for x, y in points
    )


def _has_visibilities(values: Sequence[float]) -> bool:
    """Whether the numbers after a box are key points of three, the third of each being 0, 1 or 2."""
    rest = values[5:]
    return len(rest) >= 3 and len(rest) % 3 == 0 and all(value in (0, 1, 2) for value in rest[2::3])


def _is_parallelogram(points: Sequence[float]) -> bool:
    """Whether four corners are a rotated box's: opposite sides are equal."""
    if len(points) != 8:
        return False
    x, y = points[::2], points[1::2]
    return all(abs(side[0] + side[2] - side[1] - side[3]) < 0.005 for side in (x, y))
