"""CVAT's XML 1.1 for images: one file, an ``image`` a photo with its ``box`` and ``polygon`` elements."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as Xml

from core.boxes import BOX_FLAGS, FINE_LABEL
from core.datasets.attributes import attribute_tags, box_flags, by_attribute, first_text, parse_tags
from core.datasets.detection import BoxRow, DetectionDataset, merged_categories
from core.datasets.listed_photos import (
    TURNED,
    Corners,
    ListedPhoto,
    NamedRow,
    dataset_of,
    enclosing_box,
    photos_root,
    rotated_box,
    whole_size,
)
from core.datasets.parsing import MOST_BOXES, read_xml
from core.datasets.photo_index import PhotoIndex
from core.datasets.report import ReadReport
from core.errors import DatasetError


def read_cvat(
    path: Path,
    photos: Path | None = None,
    report: ReadReport | None = None,
    index: PhotoIndex | None = None,
) -> DetectionDataset:
    """Read CVAT's "CVAT for images 1.1"; photos are looked for in ``photos``, else beside the file.

    Rotated boxes become the upright ones around them, polygons and ellipses the boxes around them. Other
    shapes (points, lines, masks) are lost, and so are the tracks of a video. An attribute ``fine_label`` or
    ``label`` becomes the fine label; ``occluded``, and other attributes, the flags (``box_flags``). Raises
    ``DatasetError`` as the other readers do.
    """
    path, report = Path(path), report or ReadReport(strict=True)
    return cvat_dataset(read_xml(path), path, report, index or PhotoIndex(photos_root(path, photos)))


def cvat_dataset(root: Xml.Element, path: Path, report: ReadReport, index: PhotoIndex) -> DetectionDataset:
    """``read_cvat`` for a root element that was parsed already."""
    if root.tag != "annotations":
        raise DatasetError(f"{path.name}: CVAT's root element 'annotations' is expected, got {root.tag!r}")
    images = root.findall("image")
    if not images:
        what = "the tracks of a video" if root.find("track") is not None else "no 'image'"
        raise DatasetError(f"{path.name}: CVAT's annotations of images are expected, got {what}")
    if root.find("track") is not None:
        report.lose_box(path, f"{path.name}: the tracks of a video are not read")
    read = [_read(image, path, report) for image in images]
    listed = [name.text or "" for name in root.iterfind("./meta//labels/label/name")]
    written = list(dict.fromkeys([*listed, *(name for image in read for _, name in image.rows)]))
    categories, place_of = merged_categories([name or None for name in written], path, report)
    places = {name: place_of[number] for number, name in enumerate(written) if number in place_of}
    return dataset_of(read, categories, places, path, report, index)


def _read(image: Xml.Element, path: Path, report: ReadReport) -> ListedPhoto:
    name = (image.get("name") or "").strip()
    subset = (image.get("subset") or "").strip()
    if subset and subset not in name.split("/") and not name.startswith(("/", "\\")):
        name = f"{subset}/{name}"
    sides = [_side(image.get(side)) for side in ("width", "height")]
    size_wh = (sides[0], sides[1]) if sides[0] and sides[1] else None
    shapes = [shape for shape in image if shape.tag != "tag"]
    tags = image.findall("tag")
    texts = [(tag.get("label") or "").strip() for tag in tags]
    for tag in tags:
        given = by_attribute((entry.get("name"), entry.text or "") for entry in tag.findall("attribute"))
        texts += attribute_tags(given)
    named = parse_tags(texts, name, path, report)
    rows: list[NamedRow] = []
    if len(shapes) > MOST_BOXES:
        report.lose_box(
            path, f"{path.name}: {name}: at most {MOST_BOXES:,} shapes are read, got {len(shapes):,}"
        )
        return ListedPhoto(name, size_wh, (), True, tags=named)
    for number, shape in enumerate(shapes, 1):
        try:
            rows.append(_row(shape, path, report))
        except DatasetError as error:
            report.lose_box(path, f"{path.name}: {name}: {shape.tag} {number}: {error}")
    return ListedPhoto(
        name, size_wh, tuple(rows), len(rows) < len(shapes) or (bool(tags) and not rows), tags=named
    )


def _row(shape: Xml.Element, path: Path, report: ReadReport) -> NamedRow:
    category = (shape.get("label") or "").strip()
    if not category:
        raise DatasetError("a label is expected, there is none")
    if shape.tag == "box":
        x0, y0, x1, y1 = (_number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = (x0, y0, x1, y1)
    elif shape.tag == "polygon":
        corners = _around_points(shape.get("points") or "")
    elif shape.tag == "ellipse":
        x, y, rx, ry = (_number(shape, key) for key in ("cx", "cy", "rx", "ry"))
        corners = (x - rx, y - ry, x + rx, y + ry)
    else:
        raise DatasetError("boxes, polygons and ellipses are read, other shapes are not")
    rotation = _number(shape, "rotation") if shape.get("rotation") else 0.0
    if not math.isfinite(rotation):
        raise DatasetError(f"a rotation in degrees is expected, got {rotation}")
    if rotation % 360:
        corners = rotated_box(*corners, rotation)
        report.remark(path, TURNED.format(rotation))
    attributes = by_attribute((entry.get("name"), entry.text or "") for entry in shape.findall("attribute"))
    flags = box_flags(
        attributes, {name: shape.get(name) for name in (*BOX_FLAGS, "group_id")}, source=path, report=report
    )
    label = first_text(attributes.get(FINE_LABEL), attributes.get("label"))
    return BoxRow(*corners, 0, label, flags), category


def _around_points(text: str) -> Corners:
    try:
        points = [[float(value) for value in point.split(",")] for point in text.split(";") if point]
        return enclosing_box([x for x, _ in points], [y for _, y in points])
    except ValueError as error:
        raise DatasetError(f"points 'x,y;x,y' are expected, got {text[:60]!r}") from error


def _number(shape: Xml.Element, key: str) -> float:
    text = shape.get(key) or ""
    try:
        return float(text)
    except ValueError as error:
        raise DatasetError(f"a number {key!r} is expected, got {text[:40]!r}") from error


def _side(text: str | None) -> int | None:
    try:
        return whole_size(float(text or ""))
    except ValueError:
        return None
