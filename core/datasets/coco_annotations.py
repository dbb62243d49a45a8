"""The annotations of COCO files: each a box, or a crowd region, of its photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from core.boxes import FINE_LABEL
from core.datasets.attributes import box_flags
from core.datasets.detection import BoxRow
from core.datasets.listed_photos import is_flagged, number, rotated_box
from core.datasets.parsing import MOST_BOXES
from core.datasets.report import ReadReport
from core.errors import DatasetError

LABELS = (FINE_LABEL, "label")
"""Attributes that hold the fine label, the first of them that is there."""

COCO_KEYS = frozenset(
    ("id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "ignore", "attributes")
    + ("keypoints", "num_keypoints", "caption", "score", "bbox_mode", "supercategory", "category_name")
)
"""Keys of an annotation that COCO has, or that tools add and that say nothing more of a box."""


@dataclass
class PhotoRows:
    """A photo's entry, its boxes and crowd regions, and how many annotations were lost or turned upright."""

    image: dict[str, Any]
    boxes: list[BoxRow] = field(default_factory=list)
    crowds: list[BoxRow] = field(default_factory=list)
    annotations: int = 0
    lost: int = 0
    rotated: int = 0

    def take(self, other: PhotoRows) -> None:
        """Add what is of another entry of the same photo."""
        self.boxes += other.boxes
        self.crowds += other.crowds
        self.annotations += other.annotations
        self.lost += other.lost
        self.rotated += other.rotated
        other.rotated = 0


def entry_id(value: object) -> str | None:
    """An id as a text: tools mix 1 and "1"."""
    if isinstance(value, str):
        return value.strip()[:200]
    whole = number(value)
    return str(int(whole)) if whole is not None and math.isfinite(whole) and whole == int(whole) else None


def add_annotation(
    annotation: Any,
    category_of: Mapping[str, int],
    rows: Mapping[str, PhotoRows],
    path: Path,
    report: ReadReport,
) -> None:
    """Put an annotation to its photo, or lose it alone."""
    if not isinstance(annotation, dict):
        report.lose_box(path, f"{path.name}: an annotation is an object, got {shown(annotation)}")
        return
    image_id = entry_id(annotation.get("image_id"))
    row = rows.get(image_id) if image_id is not None else None
    if row is None:
        report.lose_box(
            path,
            f"{_where(annotation, path)} has an unknown image_id {shown(annotation.get('image_id'))}",
        )
        return
    row.annotations += 1
    if row.annotations > MOST_BOXES:
        return
    try:
        box = _row(annotation, category_of, path, report)
    except DatasetError as error:
        row.lost += 1
        report.lose_box(path, str(error))
        return
    row.rotated += bool(_rotation(annotation))
    # A crowd's box covers many garments and would teach a false one.
    (row.crowds if is_flagged(annotation.get("iscrowd")) else row.boxes).append(box)


def _where(annotation: Mapping[str, Any], path: Path) -> str:
    numbered = "an annotation" if annotation.get("id") is None else f"annotation {shown(annotation['id'])}"
    return f"{path.name}: {numbered}"


def _row(
    annotation: dict[str, Any], category_of: Mapping[str, int], path: Path, report: ReadReport
) -> BoxRow:
    where = _where(annotation, path)
    bbox = annotation.get("bbox")
    values = [number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(values) != 4 or None in values:
        raise DatasetError(f"{where} needs a 'bbox' of four numbers, got {shown(bbox)}")
    x, y, width, height = (value or 0.0 for value in values)
    category = entry_id(annotation.get("category_id"))
    if category is None or category not in category_of:
        raise DatasetError(f"{where} has an unknown category_id {shown(annotation.get('category_id'))}")
    corners = (x, y, x + width, y + height)
    if rotation := _rotation(annotation):
        corners = rotated_box(*corners, rotation)
    attributes = _attributes(annotation)
    text = next((attributes[name] for name in LABELS if attributes.get(name) is not None), None)
    label = str(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else None
    if text is not None and label is None:
        report.leave_attribute(path, FINE_LABEL)
    flags = box_flags(attributes, _beside(annotation), source=path, report=report)
    flags |= {"difficult"} if is_flagged(annotation.get("ignore")) else set()
    return BoxRow(*corners, category_of[category], label, flags)


def _attributes(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    given = annotation.get("attributes")
    if isinstance(given, list):  # names, or names with values
        entries = [entry if isinstance(entry, dict) else {"name": entry, "value": True} for entry in given]
        return {str(entry.get("name")): entry.get("value") for entry in entries}
    return given if isinstance(given, dict) else {"attributes": given}


def _beside(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Attributes that stand beside COCO's own keys, as FiftyOne writes them."""
    if "isbbox" in annotation:  # COCO Annotator's, which has keys for colors and clicks
        return {}
    return {name: value for name, value in annotation.items() if name not in COCO_KEYS}


def _rotation(annotation: Mapping[str, Any]) -> float:
    """CVAT's rotation in degrees; 0 for an upright box."""
    degrees = number(_attributes(annotation).get("rotation"))
    return degrees % 360 if degrees is not None and math.isfinite(degrees) else 0.0
