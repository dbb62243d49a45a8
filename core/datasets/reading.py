"""Reads a detection dataset in whichever format a path holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from core.datasets import coco, cvat, deepfashion, via_labelme, voc, yolo
from core.datasets.csv_boxes import read_box_csv
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.folder_files import files_below
from core.datasets.listed_photos import photos_root
from core.datasets.parsing import MOST_TEXT_BYTES, read_json, read_lines
from core.datasets.photo_index import PhotoIndex
from core.datasets.report import ReadReport, log, named
from core.datasets.sizes import FittedDataset, fit_to_photos
from core.datasets.splits import NAMED, photos_of_part
from core.errors import DatasetError

KINDS = (
    "a COCO file, VIA's or labelme's JSON, Pascal VOC's or CVAT's XML, YOLO's YAML or class list, a CSV of "
    "boxes, or DeepFashion's or DeepFashion2's annotations"
)


def read_detection(
    path: Path, photos: Path | None = None, *, report: ReadReport | None = None, part: str | None = None
) -> DetectionDataset:
    """Read boxed photos in whichever format ``path`` holds; ``photos`` is their folder where it is elsewhere.

    ``part`` is "train", "val" or "test": of DeepFashion and DeepFashion2, whose folder holds all parts, and
    of datasets that name splits (see :func:`photos_of_part`), so that no training learns from a holdout.
    Raises ``DatasetError`` with one sentence where nothing known is found, where a folder holds several
    datasets of one format, or for an annotation that cannot be read. Given a ``report`` that is not strict,
    such an annotation is left out, and the rest is read.
    """
    path = Path(path)
    report = report or ReadReport(strict=True)
    readers: dict[str, Callable[..., DetectionDataset]] = {
        ".json": _read_json_file,
        ".xml": _read_xml_file,
        ".yaml": yolo.read_yolo,
        ".yml": yolo.read_yolo,
        ".csv": _read_csv_file,
    }
    if path.is_file() and path.suffix.lower() in readers:
        dataset = readers[path.suffix.lower()](path, photos, report)
        return _of_part(dataset, path, part, report)
    if path.is_dir():
        path = path if part is None else deepfashion.part_folder(path, part)
        if deepfashion.has_category_list(path):
            return deepfashion.read_deepfashion(path, photos, report, part)
        reader = folder_reader(path)
        if reader is not None:
            return _of_part(reader(path, photos, report), path, part, report)
    raise DatasetError(
        f"{path}: {KINDS} is expected, got {'none of these' if path.exists() else 'nothing there'}"
    )


def read_fitted(path: Path, photos: Path | None = None, part: str | None = None) -> FittedDataset:
    """Read boxed photos to measure or train on: boxes in pixels of the photos as they are.

    ``part`` is as for :func:`read_detection`.

    Raises ``DatasetError`` as ``read_detection`` does, and where no photo has the shape that the file says.
    """
    return fit_to_photos(read_detection(path, photos, part=part), Path(path).name)


def _of_part(dataset: DetectionDataset, path: Path, part: str | None, report: ReadReport) -> DetectionDataset:
    """The photos that a part reads; what is left out is told. Raises DatasetError where nothing is left."""
    if part is None:
        return dataset
    listed = _listed_splits(path)
    is_yolo = path.suffix.lower() in (".yaml", ".yml") or path.is_dir()

    def split_of(photo: BoxedPhoto) -> str | None:
        name = PurePosixPath(photo.file_name)
        folders = [folder for folder in name.parent.parts if folder.lower() in NAMED] if is_yolo else []
        known = (report.splits.get(photo.listed.name) if photo.listed else None) or report.splits.get(
            photo.file_name
        )
        return known or listed.get(name.with_suffix("").as_posix()) or next(iter(folders), None)

    splits = [split_of(photo) for photo in dataset.photos]
    places = photos_of_part(splits, part)
    if len(places) == len(splits):
        return dataset
    left = Counter(splits[place] for place in set(range(len(splits))) - set(places))
    told = ", ".join(f"{count} of {split or 'no split'}" for split, count in sorted(left.items(), key=str))
    if not places:
        raise DatasetError(f"{path.name}: photos to learn from are expected, all are set apart: {told}")
    log.warning("%s: %d photos are read for %s, left out are %s", path.name, len(places), part, told)
    return replace(dataset, photos=tuple(dataset.photos[place] for place in places))


def _listed_splits(path: Path) -> dict[str, str]:
    """The splits that Pascal VOC's ``ImageSets/Main`` lists, by photos' names without ending."""
    found: dict[str, str] = {}
    for split in ("val", "test", "holdout"):
        file = path / "ImageSets" / "Main" / f"{split}.txt"
        if file.is_file():
            found |= {line.strip(): split for line in read_lines(file, MOST_TEXT_BYTES) if line.strip()}
    return found


Reader = Callable[[Path, Path | None, ReadReport], DetectionDataset]


def folder_reader(folder: Path) -> Reader | None:
    """What reads a folder that is one dataset, by the files in it; None where nothing does.

    Raises ``DatasetError`` where it holds several COCO files, as of splits.
    """
    if _holds(folder, "annos/*.json") or (folder.name == "annos" and _holds(folder, "*.json")):
        return deepfashion.read_deepfashion2
    if deepfashion.has_category_list(folder):
        return deepfashion.read_deepfashion
    names = sorted(path.name for path in folder.iterdir())
    below = [path for path in folder.iterdir() if path.is_dir() and path.name.lower() == "annotations"]
    nested = [path.name for path in below[0].iterdir()] if below else []
    if any(name.lower().endswith(".xml") for name in (*names, *nested)):
        return _read_xml_folder
    if any(name.lower().endswith(yolo.YAML_SUFFIXES) for name in names) or any(
        (folder / name).is_file() for name in yolo.CLASS_LISTS
    ):
        return yolo.read_yolo
    documents = [folder / name for name in names if name.lower().endswith(".json")]
    documents = documents or [below[0] / name for name in nested if name.lower().endswith(".json")]
    if len(documents) == 1:
        return lambda _, photos, report: _read_json_file(documents[0], photos, report)
    if documents and all(via_labelme.is_labelme(read_json(file)) for file in documents):
        return lambda _, photos, report: via_labelme.read_labelme(
            ((file, read_json(file)) for file in documents), report, PhotoIndex(photos or folder)
        )
    if documents:
        raise DatasetError(
            f"{folder.name}: one JSON file is expected, got {named([d.name for d in documents])}"
        )
    return None


def _holds(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def _read_json_file(path: Path, photos: Path | None, report: ReadReport) -> DetectionDataset:
    document = read_json(path)
    index = PhotoIndex(photos_root(path, photos))
    return read_document(document, path, photos, report, index) or coco.coco_dataset(document, path)


def read_document(
    document: Any, path: Path, photos: Path | None, report: ReadReport, index: PhotoIndex
) -> DetectionDataset | None:
    """A JSON document that is a dataset by itself; None for another."""
    if coco.is_coco(document):
        return coco.coco_dataset(document, path, photos, report, index)
    if via_labelme.is_via(document):
        return via_labelme.read_via(document, path, report, index)
    if via_labelme.is_labelme(document):
        return via_labelme.read_labelme([(path, document)], report, index)
    return None


def _read_xml_file(path: Path, photos: Path | None, report: ReadReport) -> DetectionDataset:
    if root_tag(path) == "annotations":
        return cvat.read_cvat(path, photos, report)
    return voc.read_voc(path, photos, report)


def _read_xml_folder(path: Path, photos: Path | None, report: ReadReport) -> DetectionDataset:
    files = [file for file in files_below(path) if voc.is_xml(file)]
    if len(files) == 1 and root_tag(files[0]) == "annotations":
        return cvat.read_cvat(files[0], photos, report)
    return voc.read_voc(path, photos, report)


def _read_csv_file(path: Path, photos: Path | None, report: ReadReport) -> DetectionDataset:
    return read_box_csv(path, report, PhotoIndex(photos_root(path, photos)))


def root_tag(path: Path) -> str:
    """The name of an XML file's first element, from its beginning; empty where there is none."""
    try:
        start = _beginning(path)
    except OSError:
        return ""
    found = re.search(r"<\s*([A-Za-z_][\w.-]*)", re.sub(r"<[?!][^>]*+>?", "", start))
    return found.group(1) if found else ""


def _beginning(path: Path, most: int = 8192) -> str:
    """The beginning of a file as a text, whatever is in it."""
    with path.open("rb") as file:
        data = file.read(most)
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "ignore")
