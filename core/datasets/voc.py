"""Pascal VOC, as LabelImg writes it: one XML a photo, corners in whole pixels from 0, categories by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

from core.boxes import BOX_FLAGS, BoxFlags
from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    first_repeated,
    photos_folder,
    read_class_names,
    read_each,
)
from core.errors import DatasetError
from core.file_names import relative_name
from core.garments import Refusal

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

NamedRow = tuple[float, float, float, float, str, str | None, BoxFlags]
"""x0, y0, x1, y1 in pixels, the category's name, the fine label, some of BOX_FLAGS."""


def read_voc(
    path: Path, photos: Path | None = None, refused: list[Refusal] | None = None
) -> DetectionDataset:
    """Read a folder of VOC files (or one with ``Annotations/``, or a single file); photos by default in
    ``JPEGImages/``, ``photos/``, ``images/`` or beside the XML.

    Categories follow ``classes.txt`` where there is one, then the alphabet. An attribute ``label``, as CVAT
    writes attributes, becomes the fine label; evaluation ignores objects that are ``difficult``. A file that
    is no VOC annotation raises ``DatasetError``, or goes to ``refused``.
    """
    folder, files = _files(Path(path))
    parsed = list(read_each(files, _read, lambda file: file.name, refused))
    if not parsed:
        raise DatasetError(f"{path}: VOC's XML files are expected, all {len(files)} are something else")
    doubled = first_repeated([name for name, *_ in parsed])
    if doubled is not None:
        raise DatasetError(f"{folder.name}: every photo has one XML, {doubled!r} has two")
    categories = _categories(folder, {row[4] for *_, rows in parsed for row in rows})
    ids = {name: number for number, name in enumerate(categories)}
    built = [
        boxed_photo(
            name,
            width,
            height,
            [BoxRow(*row[:4], ids[row[4]], row[5], row[6]) for row in rows],
        )
        for name, width, height, rows in parsed
    ]
    where = _photos(folder, parsed[0][0]) if photos is None else Path(photos)
    return DetectionDataset(
        categories, tuple(photo for photo, _ in built), where, sum(dropped for _, dropped in built)
    )


def voc_document(photo: BoxedPhoto, categories: tuple[str, ...]) -> bytes:
    """One photo as VOC's XML; boxes are rounded to whole pixels and stay at least one pixel wide and high."""
    root = Xml.Element("annotation")
    _add(root, filename=photo.file_name)
    _add(Xml.SubElement(root, "size"), width=photo.width, height=photo.height, depth=3)
    _add(root, segmented=0)
    boxes = zip(photo.boxes_xyxy.tolist(), photo.category_ids, photo.labels, photo.flags, strict=True)
    for box_xyxy, category_id, label, flags in boxes:
        thing = Xml.SubElement(root, "object")
        _add(thing, name=categories[category_id], pose="Unspecified", truncated=int("truncated" in flags))
        _add(thing, difficult=int("difficult" in flags))
        if "occluded" in flags:
            _add(thing, occluded=1)
        xmin, xmax = _whole(box_xyxy[0], box_xyxy[2], photo.width)
        ymin, ymax = _whole(box_xyxy[1], box_xyxy[3], photo.height)
        _add(Xml.SubElement(thing, "bndbox"), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
        if label is not None:
            attributes = Xml.SubElement(thing, "attributes")
            _add(Xml.SubElement(attributes, "attribute"), name="label", value=label)
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _files(path: Path) -> tuple[Path, list[Path]]:
    if path.is_file():
        return path.parent, [path]
    folder = path / "Annotations" if (path / "Annotations").is_dir() else path
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise DatasetError(f"{path}: a folder with VOC's XML files is expected, there is none in it")
    return folder, files


def _photos(folder: Path, first_name: str) -> Path | None:
    for beside in (folder.parent, folder):
        if (beside / "JPEGImages").is_dir():
            return beside / "JPEGImages"
    found = photos_folder(folder, first_name)
    if found is None and folder.name == "Annotations":
        return photos_folder(folder.parent, first_name)
    return found


def _categories(folder: Path, used: set[str]) -> tuple[str, ...]:
    listed = folder / "classes.txt"
    names = read_class_names(listed) if listed.is_file() else ()
    return (*names, *sorted(used - set(names)))


def _read(path: Path) -> tuple[str, int, int, list[NamedRow]]:
    from defusedxml import ElementTree as SafeXml  # here, so that the other formats are read without it

    try:
        root = SafeXml.parse(path).getroot()
    except (SyntaxError, ValueError, LookupError, OSError) as error:  # entities are refused as ValueErrors
        raise DatasetError(f"{path.name}: VOC's XML is expected, got: {error}") from error
    if root is None or root.tag != "annotation":
        raise DatasetError(f"{path.name}: VOC's root element 'annotation' is expected, got {root.tag!r}")
    name = relative_name(_text(root, "filename", path), path.name)
    width, height = (_number(root, f"size/{side}", path) for side in ("width", "height"))
    for side in (width, height):
        if not (1 <= side <= 1_000_000 and side == int(side)):
            raise DatasetError(f"{path.name}: <size> in whole pixels is expected, got {width} x {height}")
    return name, int(width), int(height), list(_rows(root, path))


def _rows(root: Xml.Element, path: Path) -> Iterator[NamedRow]:
    for thing in root.iter("object"):
        x0, y0, x1, y1 = (_number(thing, f"bndbox/{tag}", path) for tag in ("xmin", "ymin", "xmax", "ymax"))
        labels = [a.findtext("value") for a in thing.iter("attribute") if a.findtext("name") == "label"]
        flags = frozenset(name for name in BOX_FLAGS if _is_set(thing.findtext(name)))
        yield x0, y0, x1, y1, _text(thing, "name", path), labels[0] if labels else None, flags


def _is_set(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes")


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


def _whole(low: float, high: float, limit: int) -> tuple[int, int]:
    first, last = round(low), round(high)
    if last <= first:
        first = min(int(low), limit - 1)
        last = first + 1
    return first, last
