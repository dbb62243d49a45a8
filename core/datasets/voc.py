"""Pascal VOC, as LabelImg writes it: one XML a photo, corners in whole pixels from 0, categories by name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from xml.etree import ElementTree as Xml

from core.boxes import BOX_FLAGS, FINE_LABEL, BoxFlags
from core.datasets.attributes import attribute_values, box_flags, by_attribute, first_text
from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    merged_categories,
    read_class_names,
)
from core.datasets.folder_files import files_below
from core.datasets.listed_photos import (
    ANNOTATION_FOLDERS,
    FRACTIONS,
    FRACTIONS_WH,
    TURNED,
    UNKNOWN_WH,
    are_fractions,
    in_pixels,
    rotated_box,
    whole_size,
)
from core.datasets.parsing import MOST_BOXES, read_xml
from core.datasets.photo_index import ListedName, PhotoIndex
from core.datasets.report import ReadReport
from core.datasets.single_photo_files import place_own
from core.errors import DatasetError
from core.images.decode import upright_size

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

POSE, NO_POSE = "pose", "Unspecified"
"""An attribute with an element of its own, and its text where there is none."""

MOST_VOC_ELEMENTS = 60_000
"""Of one photo's file: as many objects as a photo may have, with parts and attributes."""

NamedRow = tuple[float, float, float, float, str, str | None, BoxFlags]
"""x0, y0, x1, y1 in pixels, the category's name, the fine label, some of BOX_FLAGS."""


def read_voc(
    path: Path,
    photos: Path | None = None,
    report: ReadReport | None = None,
    index: PhotoIndex | None = None,
) -> DetectionDataset:
    """Read a folder of VOC files, or a single one; photos are looked for in ``photos``, else in the folder.

    A file belongs to the photo of its own name, as LabelImg goes by; only where there is none, to the one
    that ``<filename>``, or else ``<path>``, names. Categories follow ``classes.txt`` where there is one, then
    the alphabet. An attribute ``fine_label`` or ``label``, as CVAT writes attributes, becomes the fine label;
    ``BOX_FLAGS``, a pose and other attributes are kept (``box_flags``), and evaluation ignores objects that
    are ``difficult``. A file that is no VOC annotation raises ``DatasetError``, or goes to the ``report``.
    """
    path = Path(path)
    files = [path] if path.is_file() else [file for file in files_below(path) if is_xml(file)]
    if not files:
        raise DatasetError(f"{path}: a folder with VOC's XML files is expected, there is none in it")
    if index is None:
        index = PhotoIndex(_root(path) if photos is None else Path(photos))
    return voc_dataset(files, index, report or ReadReport(strict=True))


def voc_dataset(files: Sequence[Path], index: PhotoIndex, report: ReadReport) -> DetectionDataset:
    """Several VOC files as one dataset, with the photos of an index."""
    parsed: list[_Annotation] = []
    for file in files:
        try:
            parsed.append(_read(file, report))
        except DatasetError as error:
            report.lose_file(file, str(error))
    if not parsed:
        return DetectionDataset((), (), index.root)
    listed = [ListedName(annotation.listed, annotation.file, True) for annotation in parsed]
    placed, folder = place_own(listed, index, report)
    names, place_of = _categories(files, parsed, report)
    boxed: list[BoxedPhoto] = []
    dropped = 0
    for annotation, named, name in zip(parsed, listed, placed, strict=True):
        if name is None:
            continue
        rows = [BoxRow(*row[:4], place_of[row[4]], row[5], row[6]) for row in annotation.rows]
        fractions = are_fractions(rows)
        size_wh = annotation.size_wh or _own_size(annotation, folder, name, fractions, report)
        if size_wh is None:
            continue
        if fractions:
            rows = in_pixels(rows, size_wh)
            report.remark(annotation.file, FRACTIONS)
        photo, lost = boxed_photo(name, *size_wh, rows, lost=annotation.lost, listed=named)
        report.drop_boxes(annotation.file, name, lost)
        boxed.append(photo)
        dropped += lost
    return DetectionDataset(names, tuple(boxed), folder, dropped)


@dataclass(frozen=True)
class _Annotation:
    """What one file says; ``listed`` is its ``<filename>`` with its folder, where it has them."""

    file: Path
    listed: str
    size_wh: tuple[int, int] | None
    size_error: str
    rows: tuple[NamedRow, ...]
    lost: bool


def voc_document(photo: BoxedPhoto, categories: tuple[str, ...]) -> bytes:
    """One photo as VOC's XML; boxes are rounded to whole pixels and stay at least one pixel wide and high."""
    root = Xml.Element("annotation")
    _add(root, filename=photo.file_name)
    _add(Xml.SubElement(root, "size"), width=photo.width, height=photo.height, depth=3)
    _add(root, segmented=0)
    boxes = zip(photo.boxes_xyxy.tolist(), photo.category_ids, photo.labels, photo.flags, strict=True)
    for box_xyxy, category_id, label, flags in boxes:
        thing = Xml.SubElement(root, "object")
        values = attribute_values(flags - set(BOX_FLAGS))
        pose = values.pop(POSE, NO_POSE)
        _add(thing, name=categories[category_id], pose=pose, truncated=int("truncated" in flags))
        _add(thing, difficult=int("difficult" in flags))
        if "occluded" in flags:
            _add(thing, occluded=1)
        xmin, ymin, xmax, ymax = whole_pixels(box_xyxy, photo.width, photo.height)
        _add(Xml.SubElement(thing, "bndbox"), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
        named = {} if label is None else {FINE_LABEL: label}
        named |= {name: "true" if value is True else str(value) for name, value in values.items()}
        attributes = Xml.SubElement(thing, "attributes") if named else thing
        for name, value in named.items():
            _add(Xml.SubElement(attributes, "attribute"), name=name, value=value)
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def label_map(categories: Iterable[str]) -> str:
    """A ``labelmap.txt``, without which CVAT and Datumaro refuse categories that are not VOC's."""
    names = (" ".join(name.replace(":", " ").split()) for name in ("background", *categories))
    lines = dict.fromkeys(f"{name}:::\n" for name in names)
    return "".join(["# label:color_rgb:parts:actions\n", *lines])


def is_xml(file: Path) -> bool:
    """Whether a file is called like one of XML."""
    return file.suffix.lower() == ".xml"


def _root(path: Path) -> Path:
    """Where the photos lie: around the folder of annotations, where that has its own."""
    folder = path.parent if path.is_file() else path
    return folder.parent if folder.name.lower() in ANNOTATION_FOLDERS else folder


def _categories(
    files: Sequence[Path], parsed: Sequence[_Annotation], report: ReadReport
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The categories, and the place of each name that is written."""
    lists = dict.fromkeys(file.parent / "classes.txt" for file in files)
    listed = [name for path in lists if path.is_file() for name in read_class_names(path) if name]
    used = sorted({row[4] for annotation in parsed for row in annotation.rows} - set(listed))
    written = [*dict.fromkeys(listed), *used]
    names, place_of = merged_categories(written, files[0].parent.name or "VOC", report)
    return names, {name: place_of[number] for number, name in enumerate(written)}


def _read(path: Path, report: ReadReport) -> _Annotation:
    root = read_xml(path, MOST_VOC_ELEMENTS)
    if root.tag != "annotation":
        raise DatasetError(f"{path.name}: VOC's root element 'annotation' is expected, got {shown(root.tag)}")
    listed = next((text for tag in ("filename", "path") if (text := (root.findtext(tag) or "").strip())), "")
    if not listed and report.strict:
        raise DatasetError(f"{path.name}: a text in <filename> is expected, there is none")
    size_wh, size_error = None, ""
    try:
        size_wh = _size(root, path)
    except DatasetError as error:
        if report.strict:
            raise
        size_error = str(error)
    rows: list[NamedRow] = []
    things = root.findall("object")
    if len(things) > MOST_BOXES:
        report.lose_box(
            path, f"{path.name}: at most {MOST_BOXES:,} objects of a photo are read, got {len(things):,}"
        )
        return _Annotation(path, listed or path.stem, size_wh, size_error, (), True)
    for number, thing in enumerate(things, 1):
        try:
            rows.append(_row(thing, path, report))
        except DatasetError as error:
            report.lose_box(path, f"{error} (object {number})")
    return _Annotation(path, listed or path.stem, size_wh, size_error, tuple(rows), len(rows) < len(things))


def _size(root: Xml.Element, path: Path) -> tuple[int, int]:
    width, height = (_number(root, f"size/{side}", path) for side in ("width", "height"))
    if whole_size(width) is None or whole_size(height) is None:
        raise DatasetError(f"{path.name}: <size> in whole pixels is expected, got {width} x {height}")
    return int(width), int(height)


def _own_size(
    annotation: _Annotation, folder: Path | None, name: str, fractions: bool, report: ReadReport
) -> tuple[int, int] | None:
    """The photo's own size, where the file says none and it is there."""
    if not report.strict and not (folder is not None and (folder / name).is_file()):
        return FRACTIONS_WH if fractions else UNKNOWN_WH
    try:
        if folder is None:
            raise DatasetError(annotation.size_error)
        size_wh = upright_size(folder / name)
    except DatasetError:
        report.lose_file(annotation.file, annotation.size_error)
        return None
    report.remark(annotation.file, f"{annotation.size_error}; the photo's own size was taken")
    return size_wh


def _row(thing: Xml.Element, path: Path, report: ReadReport) -> NamedRow:
    x0, y0, x1, y1 = _corners(thing, path, report)
    for part in thing.findall("part"):
        report.leave_part(path, (part.findtext("name") or "").strip())
    entries = thing.iter("attribute")
    attributes = by_attribute((entry.findtext("name"), entry.findtext("value") or "") for entry in entries)
    if rotation := _rotation(first_text(attributes.get("rotation")) or ""):
        x0, y0, x1, y1 = rotated_box(x0, y0, x1, y1, rotation)
        report.remark(path, TURNED.format(rotation))
    own = {name: thing.findtext(name) for name in BOX_FLAGS}
    if (pose := (thing.findtext(POSE) or "").strip()).lower() != NO_POSE.lower():
        own[POSE] = pose
    flags = box_flags(own, attributes, source=path, report=report)
    return (
        x0,
        y0,
        x1,
        y1,
        _text(thing, "name", path),
        first_text(attributes.get(FINE_LABEL), attributes.get("label")),
        flags,
    )


def _corners(thing: Xml.Element, path: Path, report: ReadReport) -> Sequence[float]:
    """The object's box; of roLabelImg's turned ones the upright box around it."""
    if thing.find("robndbox") is None or thing.find("bndbox") is not None:
        return [_number(thing, f"bndbox/{tag}", path) for tag in ("xmin", "ymin", "xmax", "ymax")]
    x, y, width, height, angle = (
        _number(thing, f"robndbox/{tag}", path) for tag in ("cx", "cy", "w", "h", "angle")
    )
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if not math.isfinite(angle) or not math.degrees(angle) % 180:
        return corners
    report.remark(path, TURNED.format(math.degrees(angle)))
    return rotated_box(*corners, math.degrees(angle))


def _rotation(text: str) -> float:
    """CVAT's attribute in degrees; 0 for an upright box, and for what is no number."""
    try:
        degrees = float(text)
    except ValueError:
        return 0.0
    return degrees % 360 if math.isfinite(degrees) else 0.0


def _text(element: Xml.Element, tag: str, path: Path) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise DatasetError(f"{path.name}: a text in <{tag}> is expected, there is none")
    return text


def _number(element: Xml.Element, tag: str, path: Path) -> float:
    text = _text(element, tag, path)
    try:
        return float(text)
    except ValueError as error:
        raise DatasetError(f"{path.name}: a number in <{tag}> is expected, got {text[:40]!r}") from error


def _add(parent: Xml.Element, **texts: str | int) -> None:
    for tag, text in texts.items():
        Xml.SubElement(parent, tag).text = NOT_XML.sub("\ufffd", str(text))


def whole_pixels(box_xyxy: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """A box in whole pixels, as VOC's files give it: at least one wide and high, within the photo."""
    xmin, xmax = _whole(box_xyxy[0], box_xyxy[2], width)
    ymin, ymax = _whole(box_xyxy[1], box_xyxy[3], height)
    return xmin, ymin, xmax, ymax


def _whole(low: float, high: float, limit: int) -> tuple[int, int]:
    first, last = round(low), round(high)
    if last <= first:
        first = min(int(low), limit - 1)
        last = first + 1
    return first, last
