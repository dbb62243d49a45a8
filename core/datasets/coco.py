"""COCO detection files: one JSON of ``images``, ``annotations``, ``categories``; boxes are x, y, w, h."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from core.boxes import FINE_LABEL
from core.datasets.attributes import attribute_values, parse_tags
from core.datasets.coco_annotations import PhotoRows, add_annotation, entry_id
from core.datasets.detection import (
    BoxedPhoto,
    DetectionDataset,
    boxed_photo,
    merged_categories,
    photos_folder,
)
from core.datasets.listed_photos import (
    FRACTIONS,
    FRACTIONS_WH,
    UNKNOWN_WH,
    are_fractions,
    in_pixels,
    photos_root,
    place_photos,
    whole_size,
)
from core.datasets.parsing import MOST_BOXES, read_json
from core.datasets.photo_index import ListedName, PhotoIndex
from core.datasets.report import ReadReport, in_one_form, named
from core.errors import DatasetError
from core.files import atomic_write
from core.images.decode import upright_size

LABELED_KEY = "labeled_categories"
COCO_INFO = {"description": "Garments labeled with Lapel"}
COCO_LICENSES = ({"id": 1, "name": "Unknown: see where the photos come from", "url": ""},)
"""Some readers look every image's license up; Lapel knows none of its photos'."""

MOST_ODD = 1000
"""Entries that are no objects, from the first on; then a list is none of images or categories."""


def read_coco(
    path: Path,
    photos: Path | None = None,
    report: ReadReport | None = None,
    index: PhotoIndex | None = None,
) -> DetectionDataset:
    """Read a COCO detection file; its photos are looked for in ``photos``, else beside the file and below.

    Boxes that reach over the photo's edge are cut to it; boxes without area or outside the photo are dropped
    and counted. Rotated boxes (CVAT's ``attributes.rotation``) become the upright ones around them; a file
    whose boxes are all fractions of the photo is scaled to pixels. ``iscrowd`` makes a region that evaluation
    ignores, apart from the boxes; ``ignore`` a difficult box. ``attributes.fine_label``, or ``label``, is the
    fine label, other ``attributes`` are the flags (``box_flags``). Categories keep the file's order;
    ``info.labeled_categories`` names those of which every garment is boxed, where not all are.
    Raises ``DatasetError`` where a section is missing, and for a row that cannot be read; with a ``report``
    that is not strict, such a row is left out alone.
    """
    path = Path(path)
    return coco_dataset(read_json(path), path, photos, report, index)


def coco_dataset(
    document: Any,
    path: Path,
    photos: Path | None = None,
    report: ReadReport | None = None,
    index: PhotoIndex | None = None,
) -> DetectionDataset:
    """``read_coco`` for a document that was parsed already; ``path`` is where it lies."""
    report = report or ReadReport(strict=True)
    sections = [_section(document, key, path) for key in ("images", "annotations", "categories")]
    images, annotations, categories = sections
    category_of, names = _categories(categories, path, report)
    rows = {image_id: PhotoRows(image) for image_id, image in _by_id(images, "image", path, report).items()}
    for annotation in annotations:
        add_annotation(annotation, category_of, rows, path, report)
    if annotations and not any(row.annotations for row in rows.values()):  # whose they are is not known
        for row in rows.values():
            row.lost = len(annotations)
    fractions = are_fractions([box for row in rows.values() for box in (*row.boxes, *row.crowds)])
    if fractions:
        report.remark(path, FRACTIONS)
    listed, index = list(rows.values()), index or PhotoIndex(photos_root(path, photos))
    placed, folder = place_photos([_file_name(row.image) for row in listed], path, index, report)
    if folder is None:
        first = next((name for name in placed if name), None)
        folder = photos_folder(path.parent, first) if photos is None else Path(photos)
    _merge_forms(listed, placed, report)
    boxed: list[BoxedPhoto] = []
    dropped = 0
    for row, name in zip(listed, placed, strict=True):
        if name is not None and (built := _photo(row, name, folder, fractions, path, report)) is not None:
            boxed.append(built[0])
            dropped += built[1]
    _report_regions(listed, path, report)
    boxed = _without_doubles(boxed, path, report)
    return DetectionDataset(names, tuple(boxed), folder, dropped, _labeled_categories(document, path))


def is_coco(document: Any) -> bool:
    """Whether a JSON document has COCO's list of images, and another of its lists."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("images"), list)
        and any(isinstance(document.get(key), list) for key in ("annotations", "categories"))
    )


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
    with atomic_write(Path(path)) as file:
        file.write((json.dumps(coco_document(dataset), ensure_ascii=False) + "\n").encode())


def coco_document(dataset: DetectionDataset) -> dict[str, Any]:
    """The dataset as COCO's dictionary, ready for ``json``."""
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
        attributes = ({} if label is None else {FINE_LABEL: label}) | attribute_values(flags)
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


def _section(document: Any, key: str, path: Path) -> list[Any]:
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise DatasetError(f"{path.name}: a COCO file has a list {key!r} of entries, this one has not")
    if sum(not isinstance(entry, dict) for entry in entries[:MOST_ODD]) == MOST_ODD:
        raise DatasetError(
            f"{path.name}: the entries of {key!r} are objects, got {shown(entries[0])} and so on"
        )
    return entries


def _by_id(entries: Sequence[Any], kind: str, path: Path, report: ReadReport) -> dict[str, dict[str, Any]]:
    """The entries that have an id of their own; the others are lost, photos with all that is theirs."""
    lose = report.lose_photo if kind == "image" else report.lose_category
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        id = entry_id(entry.get("id")) if isinstance(entry, dict) else None
        if id is None:
            got = shown(entry.get("id") if isinstance(entry, dict) else entry)
            lose(path, f"{path.name}: every {kind} has an id, got {got}")
        elif id in found:
            lose(path, f"{path.name}: every {kind} has an id of its own, got {shown(id)} twice")
        else:
            found[id] = entry
    return found


def _categories(
    entries: Sequence[Any], path: Path, report: ReadReport
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The place of each category's id among the names, and the names."""
    by_id = _by_id(entries, "category", path, report)
    texts: list[str | None] = []
    for id, entry in by_id.items():
        name = entry.get("name")
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
        if isinstance(name, str) and name.strip():
            texts.append(name)
        else:
            what = f"a text 'name' is expected of category {id}, got {shown(name)}"
            report.lose_category(path, f"{path.name}: {what}")
            texts.append(None)
    names, place_of = merged_categories(texts, path, report)
    return {id: place_of[place] for place, id in enumerate(by_id) if place in place_of}, names


def _file_name(image: Mapping[str, Any]) -> str:
    """The photo's name; LVIS has its address alone, COCO Annotator its path."""
    names = (image.get(key) for key in ("file_name", "path", "coco_url"))
    return next((name for name in names if isinstance(name, str) and name.strip()), "")


def _photo(
    row: PhotoRows, name: str, folder: Path | None, fractions: bool, path: Path, report: ReadReport
) -> tuple[BoxedPhoto, int] | None:
    """The photo with its boxes, and how many were dropped; None where it has no size."""
    if (size_wh := _size(row.image, name, folder, fractions, path, report)) is None:
        return None
    if fractions:
        row.boxes, row.crowds = in_pixels(row.boxes, size_wh), in_pixels(row.crowds, size_wh)
    if row.annotations > MOST_BOXES:
        most = f"at most {MOST_BOXES:,} of a photo are read"
        report.lose_box(path, f"{path.name}: {name} has {row.annotations:,} annotations, {most}")
        row.boxes, row.crowds, row.lost = [], [], row.annotations
    listed = ListedName(_file_name(row.image), path)
    tags = parse_tags(row.image.get("tags"), name, path, report)
    report.note_holdout(listed.name, row.image)
    photo, dropped = boxed_photo(
        name, *size_wh, row.boxes, crowds=row.crowds, lost=row.lost > 0, listed=listed, tags=tags
    )
    report.drop_boxes(path, name, dropped)
    return photo, dropped


def _size(
    image: Mapping[str, Any], name: str, folder: Path | None, fractions: bool, path: Path, report: ReadReport
) -> tuple[int, int] | None:
    """Width and height as listed; where they are not, those of the photo itself, if it is there."""
    width, height = (whole_size(image.get(side)) for side in ("width", "height"))
    if width is not None and height is not None:
        return width, height
    side = "width" if width is None else "height"
    reason = f"{path.name}: {name}: {side!r} in whole pixels is expected, got {shown(image.get(side))}"
    if not report.strict and not (folder is not None and (folder / name).is_file()):
        return FRACTIONS_WH if fractions else UNKNOWN_WH
    try:
        if folder is None or report.strict:
            raise DatasetError(reason)
        size_wh = upright_size(folder / name)
    except DatasetError:
        report.lose_unreadable((folder or path.parent) / name, name, reason)
        return None
    report.remark(path, f"{reason.removeprefix(path.name + ': ')}; the photo's own size was taken")
    return size_wh


def _report_regions(rows: Sequence[PhotoRows], path: Path, report: ReadReport) -> None:
    if rotated := {_file_name(row.image): row.rotated for row in rows if row.rotated}:
        count = sum(rotated.values())
        one = "1 rotated box was read as the upright one around it"
        boxes = one if count == 1 else f"{count:,} rotated boxes were read as the upright ones around them"
        report.remark(path, f"{boxes}, in {named(list(rotated))}")


def _merge_forms(rows: Sequence[PhotoRows], placed: list[str | None], report: ReadReport) -> None:
    """Give a photo that is listed in NFC and in another form as well the boxes of both; it is placed once."""
    first: dict[tuple[str, str], PhotoRows] = {}
    for place, (row, name) in enumerate(zip(rows, placed, strict=True)):
        listed = _file_name(row.image)
        if name is None or listed.isascii():
            continue
        known = first.setdefault((in_one_form(listed), name), row)
        if known is not row and (other := _file_name(known.image)) != listed:
            report.one_form(other)
            report.one_form(listed)
            known.take(row)
            placed[place] = None


def _without_doubles(boxed: Sequence[BoxedPhoto], path: Path, report: ReadReport) -> list[BoxedPhoto]:
    """One entry for each photo; the further ones are lost."""
    kept: dict[str, BoxedPhoto] = {}
    for photo in boxed:
        if photo.file_name in kept:
            report.lose_photo(
                photo.file_name, f"{path.name}: every photo is listed once, got {photo.file_name!r} twice"
            )
        else:
            kept[photo.file_name] = photo
    return list(kept.values())
