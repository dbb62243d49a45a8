"""COCO detection files: one JSON of ``images``, ``annotations``, ``categories``; boxes are x, y, w, h."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from core.boxes import BOX_FLAGS
from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    first_repeated,
    photos_folder,
)
from core.errors import DatasetError
from core.file_names import relative_name

LABELED_KEY = "labeled_categories"
COCO_INFO = {"description": "Garments labeled with Lapel"}
COCO_LICENSES = ({"id": 1, "name": "Unknown: see where the photos come from", "url": ""},)
"""Some readers look every image's license up; Lapel knows none of its photos'."""


def read_coco(path: Path, photos: Path | None = None) -> DetectionDataset:
    """Read a COCO detection file; ``photos`` defaults to ``photos/`` or ``images/`` beside it.

    Boxes that reach over the photo's edge are cut to it; boxes without area or outside the photo are dropped
    and counted. ``iscrowd`` makes a region that evaluation ignores, apart from the boxes; ``ignore`` a
    difficult box. ``attributes.label`` becomes the fine label. Categories keep the file's order;
    ``info.labeled_categories`` names those of which every garment is boxed, where not all are. Raises
    ``DatasetError`` where keys are missing, of the wrong kind, or name what is not there.
    """
    path = Path(path)
    document = read_json(path)
    sections = [_section(document, key, path) for key in ("images", "annotations", "categories")]
    images, annotations, categories = sections
    names = [_text(category, "name", path) for category in categories]
    category_of = _by_id(categories, "category", path)
    rows = {image_id: _Rows() for image_id in _by_id(images, "image", path)}
    for annotation in annotations:
        row, image_id = _row(annotation, category_of, path), _known(annotation, "image_id", rows, path)
        rows[image_id].add(row, is_crowd=_flag(annotation, "iscrowd"))
    built = [_photo(image, rows[image["id"]], path) for image in images]
    boxed = tuple(photo for photo, _ in built)
    doubled = first_repeated([photo.file_name for photo in boxed])
    if doubled is not None:
        raise DatasetError(f"{path.name}: every photo is listed once, got {doubled!r} twice")
    folder = (
        photos_folder(path.parent, boxed[0].file_name if boxed else None) if photos is None else Path(photos)
    )
    dropped = sum(count for _, count in built)
    return DetectionDataset(tuple(names), boxed, folder, dropped, _labeled_categories(document, path))


def _labeled_categories(document: dict[str, Any], path: Path) -> tuple[str, ...] | None:
    """The names under ``info.labeled_categories``, None where there are none."""
    info = document.get("info")
    names = info.get(LABELED_KEY) if isinstance(info, dict) else None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path.name}: info.{LABELED_KEY} is a list of category names, got {shown(names)}")
    return tuple(names)


def write_coco(dataset: DetectionDataset, path: Path) -> None:
    """Write a COCO detection file; boxes to a ten-thousandth of a pixel, ids from 1."""
    Path(path).write_text(json.dumps(coco_document(dataset), ensure_ascii=False) + "\n", encoding="utf-8")


def coco_document(dataset: DetectionDataset) -> dict[str, Any]:
    """The data set as COCO's dictionary, ready for ``json``."""
    annotations: list[dict[str, Any]] = []
    labeled = dataset.labeled_categories
    partly = {} if labeled is None else {LABELED_KEY: list(labeled)}
    for image_id, photo in enumerate(dataset.photos, start=1):
        annotations += coco_annotations(photo, image_id, len(annotations) + 1)
    return {
        "info": COCO_INFO | partly,
        "licenses": list(COCO_LICENSES),
        "images": [coco_image(photo, image_id) for image_id, photo in enumerate(dataset.photos, start=1)],
        "annotations": annotations,
        "categories": coco_categories(dataset.categories),
    }


def coco_image(photo: BoxedPhoto, image_id: int) -> dict[str, Any]:
    """A photo's entry of ``images``."""
    size = {"width": photo.width, "height": photo.height}
    return {"id": image_id, "file_name": photo.file_name, **size, "license": COCO_LICENSES[0]["id"]}


def coco_annotations(photo: BoxedPhoto, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """A photo's entries of ``annotations``, numbered from ``first_id``: boxes, then crowd regions.

    ``segmentation`` is empty, as there are boxes only, and there, as many readers expect it.
    """
    boxes = zip(photo.boxes_xyxy.tolist(), photo.category_ids.tolist(), photo.labels, strict=True)
    crowds = zip(photo.crowd_xyxy.tolist(), photo.crowd_ids.tolist(), strict=True)
    entries: list[dict[str, Any]] = []
    for (box_xyxy, category_id, label), flags in zip(boxes, photo.flags, strict=True):
        entry = _entry(first_id + len(entries), image_id, category_id, box_xyxy, is_crowd=False)
        if "difficult" in flags:
            entry["ignore"] = 1
        attributes = ({} if label is None else {"label": label}) | dict.fromkeys(sorted(flags), True)
        if attributes:
            entry["attributes"] = attributes
        entries.append(entry)
    for box_xyxy, category_id in crowds:
        entries.append(_entry(first_id + len(entries), image_id, category_id, box_xyxy, is_crowd=True))
    return entries


def _entry(
    id: int, image_id: int, category_id: int, box_xyxy: Sequence[float], *, is_crowd: bool
) -> dict[str, Any]:
    x0, y0, x1, y1 = box_xyxy
    return {
        "id": id,
        "image_id": image_id,
        "category_id": category_id + 1,
        "bbox": [round(value, 4) for value in (x0, y0, x1 - x0, y1 - y0)],
        "area": round((x1 - x0) * (y1 - y0), 2),
        "iscrowd": int(is_crowd),
        "segmentation": [],
    }


def coco_categories(names: Sequence[str]) -> list[dict[str, Any]]:
    """The entries of ``categories``, numbered from 1."""
    return [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, start=1)]


def read_json(path: Path) -> Any:
    """The JSON in a file; raises ``DatasetError`` where it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DatasetError(
            f"{path}: an annotation file is expected, got: {error.strerror or error}"
        ) from error
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors
        raise DatasetError(f"{Path(path).name}: JSON is expected, got: {error}") from error


def whole_size(entry: dict[str, Any], key: str, source: str) -> int:
    """A photo's side in pixels under ``key``; raises ``DatasetError`` where it is no such number."""
    value = _number(entry.get(key), f"{source}: a number {key!r}")
    if not (1 <= value <= 1_000_000 and value == int(value)):
        raise DatasetError(f"{source}: {key!r} in whole pixels is expected, got {value}")
    return int(value)


def _section(document: Any, key: str, path: Path) -> list[dict[str, Any]]:
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DatasetError(f"{path.name}: a COCO file has a list {key!r} of entries, this one has not")
    return entries


def _text(entry: dict[str, Any], key: str, path: Path) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DatasetError(f"{path.name}: a text {key!r} is expected, got {shown(value)}")
    return value


def _by_id(entries: Iterable[dict[str, Any]], kind: str, path: Path) -> dict[object, int]:
    positions: dict[object, int] = {}
    for position, entry in enumerate(entries):
        number = entry.get("id")
        if not isinstance(number, int | str):
            raise DatasetError(f"{path.name}: every {kind} has an id, got {shown(number)}")
        if number in positions:
            raise DatasetError(f"{path.name}: every {kind} has an id of its own, got {shown(number)} twice")
        positions[number] = position
    return positions


def _known(annotation: dict[str, Any], key: str, known: dict[object, Any], path: Path) -> object:
    value = annotation.get(key)
    if not isinstance(value, int | str) or value not in known:
        raise DatasetError(
            f"{path.name}: annotation {shown(annotation.get('id'))} has an unknown {key} {shown(value)}"
        )
    return value


def _row(annotation: dict[str, Any], category_of: dict[object, int], path: Path) -> BoxRow:
    where = f"{path.name}: annotation {shown(annotation.get('id'))}"
    bbox = annotation.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise DatasetError(f"{where} needs a 'bbox' of four numbers, got {shown(bbox)}")
    x, y, width, height = (_number(value, f"{where} needs a 'bbox' of numbers") for value in bbox)
    category_id = category_of[_known(annotation, "category_id", category_of, path)]
    given = annotation.get("attributes")
    attributes = given if isinstance(given, dict) else {}
    label = attributes.get("label")
    flags = {name for name in BOX_FLAGS if _flag(attributes, name)}
    flags |= {"difficult"} if _flag(annotation, "ignore") else set()
    corners = (x, y, x + width, y + height)
    return BoxRow(*corners, category_id, label if isinstance(label, str) else None, frozenset(flags))


def _flag(annotation: dict[str, Any], key: str) -> bool:
    value = annotation.get(key)  # some tools write texts
    return value.strip().lower() in ("1", "true", "yes") if isinstance(value, str) else value in (1, True)


def _number(value: object, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DatasetError(f"{expected} is expected, got {shown(value)}")
    try:
        return float(value)
    except OverflowError as error:
        raise DatasetError(f"{expected} is expected, got one that is far too large") from error


@dataclass
class _Rows:
    """A photo's boxes and its crowd regions."""

    boxes: list[BoxRow] = field(default_factory=list)
    crowds: list[BoxRow] = field(default_factory=list)

    def add(self, row: BoxRow, *, is_crowd: bool) -> None:
        """An annotation; a crowd's box covers many garments and would teach a false one."""
        (self.crowds if is_crowd else self.boxes).append(row)


def _photo(image: dict[str, Any], rows: _Rows, path: Path) -> tuple[BoxedPhoto, int]:
    name = relative_name(image.get("file_name"), path.name)
    where = f"{path.name}: {name}"
    size_wh = (whole_size(image, "width", where), whole_size(image, "height", where))
    return boxed_photo(name, *size_wh, rows.boxes, crowds=rows.crowds)
