"""VIA's and labelme's JSON: shapes on photos, with their categories by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from core.boxes import BOX_FLAGS, FINE_LABEL
from core.datasets.attributes import attribute_tags, box_flags, is_own, parse_tags
from core.datasets.detection import BoxRow, DetectionDataset
from core.datasets.listed_photos import (
    Corners,
    ListedPhoto,
    NamedRow,
    by_name,
    dataset_of,
    enclosing_box,
    is_flagged,
    number,
    whole_size,
)
from core.datasets.parsing import MOST_BOXES
from core.datasets.photo_index import ListedName, PhotoIndex
from core.datasets.report import ReadReport, named
from core.datasets.single_photo_files import place_own
from core.errors import DatasetError
from core.file_names import safe_name

LABELME_KEYS = ("group_id", "description")
"""What labelme says of a shape beside its flags; X-AnyLabeling adds ``difficult`` and ``attributes``."""

CATEGORY_KEYS = ("category", "class", "label", "name", "type", "object", "garment")
"""Attributes of a VIA region that hold its category, where it has several."""


def is_via(document: Any) -> bool:
    """Whether a JSON document is a VGG Image Annotator's (version 1 or 2): a project, or its regions."""
    return any(True for _ in _via_entries(document))


def read_via(document: Any, path: Path, report: ReadReport, index: PhotoIndex) -> DetectionDataset:
    """Read a VIA document; the photos' sizes are their own, since the document does not tell them."""
    listed = [_via_photo(entry, path, report) for entry in _via_entries(document)]
    told = Counter(name for entry in _via_entries(document) for name in _file_attributes(entry))
    if told:
        counted = [f"{safe_name(name)[:60]} ({count:,})" for name, count in told.items()]
        report.remark(path, f"VIA's attributes of photos are not read: {named(counted)}")
    keys = dict.fromkeys(_category_keys(document))
    if set(keys) - set(CATEGORY_KEYS):
        report.remark(path, f"categories were read from the attribute {' and '.join(map(repr, keys))}")
    return dataset_of(listed, *by_name(listed, path, report), path, report, index)


def _via_entries(document: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, dict):
        return
    entries = document.get("_via_img_metadata", document)
    for entry in entries.values() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("filename"), str) and "regions" in entry:
            yield entry


def _file_attributes(entry: Mapping[str, Any]) -> list[str]:
    """The names of a photo's own attributes that say something."""
    given = entry.get("file_attributes")
    return [str(name) for name, value in given.items() if value] if isinstance(given, dict) else []


def _category_keys(document: Any) -> Iterator[str]:
    """The attributes that the regions' categories are read from."""
    for entry in _via_entries(document):
        for region in _regions(entry):
            attributes = region.get("region_attributes") if isinstance(region, dict) else None
            with suppress(DatasetError):
                yield _via_category(attributes if isinstance(attributes, dict) else {})[0]


def _regions(entry: Mapping[str, Any]) -> list[Any]:
    regions = entry["regions"]
    given = list(regions.values()) if isinstance(regions, dict) else regions
    return given if isinstance(given, list) else []


def _via_photo(entry: Mapping[str, Any], path: Path, report: ReadReport) -> ListedPhoto:
    return _photo(entry["filename"], None, _regions(entry), partial(_via_row, path, report), path, report)


def _via_row(path: Path, report: ReadReport, region: Any) -> NamedRow:
    shape, attributes = (
        region.get(key) if isinstance(region, dict) else None
        for key in ("shape_attributes", "region_attributes")
    )
    if not isinstance(shape, dict):
        raise DatasetError(f"'shape_attributes' are expected, got {shown(shape)}")
    attributes = attributes if isinstance(attributes, dict) else {}
    key, category = _via_category(attributes)
    label = _text(_choice(attributes.get(FINE_LABEL))) or None
    corners = _via_corners(shape)
    others = {name: _choice(value) or value for name, value in attributes.items() if name != key}
    flags = box_flags(others, source=path, report=report)
    return BoxRow(*corners, 0, label, flags), category


def _via_corners(shape: Mapping[str, Any]) -> Corners:
    kind = shape.get("name")
    if kind == "rect":
        x, y, width, height = (_number(shape, key) for key in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    if kind in ("polygon", "polyline"):
        return enclosing_box(_numbers(shape.get("all_points_x")), _numbers(shape.get("all_points_y")))
    if kind in ("circle", "ellipse"):
        keys = ("r", "r") if kind == "circle" else ("rx", "ry")
        x, y, rx, ry = (_number(shape, key) for key in ("cx", "cy", *keys))
        return x - rx, y - ry, x + rx, y + ry
    raise DatasetError(f"rectangles, polygons, circles and ellipses are read, got {shown(kind)}")


def _via_category(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """The attribute that is called like a category, else the only one that has a value; and the value."""
    texts = {key: text for key, value in attributes.items() if (text := _choice(value))}
    named = [(key, texts[key]) for key in CATEGORY_KEYS if key in texts]
    others = [
        (key, text)
        for key, text in texts.items()
        if key not in (*BOX_FLAGS, FINE_LABEL) and not is_own(key, text)
    ]
    if not named and len(others) != 1:
        raise DatasetError(f"an attribute with the category is expected, got {shown(dict(attributes))}")
    return (named or others)[0]


def _choice(value: Any) -> str:
    """A text, or the one that is checked of several."""
    if isinstance(value, dict):
        chosen = [key for key, is_set in value.items() if is_flagged(is_set)]
        return str(chosen[0]).strip() if len(chosen) == 1 else ""
    return _text(value)


def is_labelme(document: Any) -> bool:
    """Whether a JSON document is labelme's, for one photo."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def read_labelme(
    documents: Iterable[tuple[Path, Any]], report: ReadReport, index: PhotoIndex
) -> DetectionDataset:
    """Read labelme's documents, one a photo, as one dataset.

    A document belongs to the photo of its own name, as VOC's files do; else to the one in ``imagePath``.
    """
    documents = list(documents)
    names = [
        ListedName(_text(document["imagePath"]) or path.stem, path, True) for path, document in documents
    ]
    placed, folder = place_own(names, index, report)
    listed: list[ListedPhoto] = []
    for (path, document), given, name in zip(documents, names, placed, strict=True):
        if name is not None:
            sides = [whole_size(document.get(key)) for key in ("imageWidth", "imageHeight")]
            size_wh = (sides[0], sides[1]) if sides[0] and sides[1] else None
            row = partial(_labelme_row, path, report)
            photo = _photo(name, size_wh, document["shapes"], row, path, report)
            marks = document.get("flags")  # labelme's flags of the photo
            texts = attribute_tags(marks) if isinstance(marks, dict) else []
            tags = parse_tags(texts, name, path, report)
            listed.append(replace(photo, listed=given, tags=tags))
    place = documents[-1][0] if documents else index.root / "labelme"
    categories, places = by_name(listed, place.parent if len(documents) > 1 else place, report)
    found = [name for name in placed if name is not None]
    return dataset_of(listed, categories, places, place, report, index, (found, folder))


def _text(value: Any) -> str:
    """A text, or a whole number as one: some name their categories so."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value).strip() if isinstance(value, str) or is_number else ""


def _labelme_row(path: Path, report: ReadReport, shape: Any) -> NamedRow:
    if not isinstance(shape, dict):
        raise DatasetError(f"a shape is an object, got {shown(shape)}")
    category = _text(shape.get("label"))
    if not category:
        raise DatasetError(f"a text 'label' is expected, got {shown(shape.get('label'))}")
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        raise DatasetError(f"'points' of two numbers each are expected, got {shown(points)}")
    xs, ys = _numbers([point[0] for point in points]), _numbers([point[1] for point in points])
    kind = shape.get("shape_type") or "polygon"
    if kind == "circle" and len(points) == 2:
        radius = math.hypot(xs[1] - xs[0], ys[1] - ys[0])
        xs, ys = [xs[0] - radius, xs[0] + radius], [ys[0] - radius, ys[0] + radius]
    elif kind not in ("rectangle", "oriented_rectangle", "polygon", "rotation", "linestrip", "mask"):
        raise DatasetError(f"rectangles, polygons and circles are read, got {shown(kind)}")
    corners = enclosing_box(xs, ys)
    marks, attributes = (
        given if isinstance(given := shape.get(key), dict) else {} for key in ("flags", "attributes")
    )
    beside = {name: shape.get(name) for name in (*BOX_FLAGS, *LABELME_KEYS) if name not in marks}
    flags = box_flags(marks, attributes, beside, source=path, report=report)
    return BoxRow(*corners, 0, None, flags), category


def _photo(
    name: str,
    size_wh: tuple[int, int] | None,
    entries: Sequence[Any],
    read: Any,
    path: Path,
    report: ReadReport,
) -> ListedPhoto:
    """A photo with the shapes that can be read; each of the others is lost alone."""
    if len(entries) > MOST_BOXES:
        report.lose_box(
            path, f"{path.name}: {name}: at most {MOST_BOXES:,} shapes are read, got {len(entries):,}"
        )
        return ListedPhoto(name, size_wh, (), True)
    rows: list[NamedRow] = []
    for count, entry in enumerate(entries, 1):
        try:
            rows.append(read(entry))
        except DatasetError as error:
            report.lose_box(path, f"{path.name}: {name}: shape {count}: {error}")
    return ListedPhoto(name, size_wh, tuple(rows), len(rows) < len(entries))


def _number(shape: Mapping[str, Any], key: str) -> float:
    value = number(shape.get(key))
    if value is None:
        raise DatasetError(f"a number {key!r} is expected, got {shown(shape.get(key))}")
    return value


def _numbers(values: Any) -> list[float]:
    found = [number(value) for value in values] if isinstance(values, list) else [None]
    if None in found:
        raise DatasetError(f"numbers are expected, got {shown(values)}")
    return [value for value in found if value is not None]
