"""Classification datasets: a CSV of ``image`` (with or without extension) and ``label``, or DeepFashion."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.datasets import deepfashion
from core.datasets.detection import matched_categories
from core.datasets.listed_paths import PHOTO_FOLDERS
from core.datasets.parsing import MOST_CSV_BYTES, read_text
from core.datasets.report import named
from core.errors import DatasetError
from core.file_names import relative_name
from core.images.containers import PHOTO_SUFFIXES

log = logging.getLogger("lapel.datasets")

SUFFIXES = ("", *PHOTO_SUFFIXES, *(suffix.upper() for suffix in PHOTO_SUFFIXES))


@dataclass(frozen=True)
class ClassificationSample:
    """A photo's path, its label, and the group (sender) that must stay on one side of a split."""

    path: Path
    label: str
    group: str = ""


@dataclass(frozen=True)
class ClassificationSet:
    """Labeled photos, and all labels that their source lists, also those that no photo has."""

    photos: tuple[ClassificationSample, ...]
    labels: tuple[str, ...]


def photos_beside(file: Path, first_name: str | None = None) -> Path:
    """The default folder of photos: ``photos/`` or ``images/`` beside the file, else the file's own.

    Where several could be meant, the one that has the first photo is.
    """
    named = [file.parent / name for name in PHOTO_FOLDERS if (file.parent / name).is_dir()]
    if first_name is not None:
        for folder in (*named, file.parent):
            if _path_in(folder, first_name) is not None:
                return folder
    return named[0] if named else file.parent


def read_labeled(path: Path, photos: Path | None = None, part: str | None = None) -> ClassificationSet:
    """Read a CSV, or the folder of DeepFashion's Category and Attribute Prediction Benchmark.

    ``part`` is "train", "val" or "test": of DeepFashion, whose folder holds all parts; None takes them all.
    ``photos`` is the folder of the images where it is elsewhere. Raises DatasetError as
    :func:`read_classification` does.
    """
    path = Path(path)
    if path.is_dir() or path.name == deepfashion.PHOTOS:
        return _read_deepfashion(path if path.is_dir() else path.parent, photos, part)
    found = read_classification(path, photos)
    return ClassificationSet(found, tuple(sorted(label_counts(found))))


def _read_deepfashion(path: Path, photos: Path | None, part: str | None) -> ClassificationSet:
    if not deepfashion.has_category_list(path):
        raise DatasetError(
            f"expected a CSV with the columns image and label, or DeepFashion's folder with Anno/, Eval/ and "
            f"Img/, at {path}, got a folder without {deepfashion.PHOTOS}"
        )
    listed = deepfashion.read_category_list(path, photos)
    rows = listed.rows_of(part)
    if not rows:
        raise DatasetError(f"{path.name}: photos of the part {part} are expected, there are none")
    if listed.folder is None:
        example = f"Img/{listed.file_names[rows[0]]}"
        raise DatasetError(f"{path.name}: the unpacked photos are expected, as {example}, there are none")
    names = [listed.file_names[row] for row in rows]
    missing = [name for name in names if not (listed.folder / name).is_file()]
    _check_missing(missing, len(names), Path(deepfashion.PHOTOS), listed.folder)
    ids = listed.category_ids.tolist()
    found = (
        ClassificationSample(listed.folder / name, listed.categories[ids[row]])
        for name, row in zip(names, rows, strict=True)
    )
    return ClassificationSet(tuple(found), listed.categories)


def read_classification(file: Path, photos: Path | None = None) -> tuple[ClassificationSample, ...]:
    """Read a CSV of image and label; a column ``sender_id`` or ``group`` becomes the group.

    ``photos`` is the folder of the images, by default that of ``photos_beside``. A photo that is listed again
    with the same label counts once, which is logged as a warning. Raises DatasetError when the file, a column
    or photos are missing, a photo has two labels, or a name leads out of the folder.
    """
    file = Path(file)
    found: dict[Path, ClassificationSample] = {}
    missing: list[str] = []
    repeated: list[str] = []
    rows = _rows(file)
    names = [_name(row, number, file.name) for number, row in enumerate(rows, start=1)]
    folder = photos_beside(file, names[0]) if photos is None else Path(photos)
    for name, row in zip(names, rows, strict=True):
        path = _path_in(folder, name)
        if path is None:
            missing.append(row["image"])
            continue
        sample = ClassificationSample(path, row["label"], row.get("sender_id") or row.get("group") or "")
        if found.setdefault(path, sample).label != sample.label:
            labels = f"{found[path].label} and {sample.label}"
            raise DatasetError(f"expected one label a photo in {file.name}, got {labels} for {row['image']}")
        if found[path] is not sample:
            repeated.append(row["image"])
    _check_missing(missing, len(rows), file, folder)
    if repeated:
        log.warning(f"{file.name}: photos that are listed again count once: {named(repeated)}")
    return tuple(found.values())


def _check_missing(missing: Sequence[str], rows: int, file: Path, folder: Path) -> None:
    """Raises DatasetError where photos are missing: how many, the first of them, and where they should be."""
    if not missing:
        return
    where = f"in {folder.name or folder}/" if folder.is_dir() else f"in {folder}/, which is no folder"
    if len(missing) == rows > 1:
        raise DatasetError(
            f"{file.name} names {rows} photos, and none of them is {where}: expected the folder of the photos"
        )
    verb = "which is" if len(missing) == 1 else f"and {len(missing)} of {rows} photos are"
    raise DatasetError(f"{file.name} names {named(missing)}, {verb} not {where}")


def _name(row: Mapping[str, str], number: int, source: str) -> str:
    """The photo's name in a row that has a label as well."""
    if not row["image"] or not row["label"]:
        raise DatasetError(f"expected an image and a label in row {number} of {source}")
    return relative_name(row["image"], source)


def _rows(file: Path) -> list[dict[str, str]]:
    """The file's rows, at least one, with the columns image and label."""
    try:
        text = read_text(file, MOST_CSV_BYTES)
        rows = list(csv.DictReader(text.splitlines(keepends=True), skipinitialspace=True))
    except (DatasetError, csv.Error) as error:
        reason = str(error).rpartition("got: ")[2]
        raise DatasetError(
            f"expected a CSV with the columns image and label at {file}, got: {reason}"
        ) from error
    if not rows or not {"image", "label"} <= rows[0].keys():
        found = ", ".join(str(name) for name in rows[0]) if rows else "no rows"
        raise DatasetError(f"expected the columns image and label in {file.name}, got {found}")
    return rows


def _path_in(folder: Path, name: str) -> Path | None:
    """The photo's path, its name given with or without ending; None where it is not there."""
    paths = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def with_known_labels(
    photos: Sequence[ClassificationSample], labels: Sequence[str]
) -> tuple[tuple[ClassificationSample, ...], int]:
    """The photos whose label is among ``labels``, under their spelling there, and how many were skipped."""
    place_of = matched_categories(sorted({photo.label for photo in photos}), labels)
    kept = tuple(
        replace(photo, label=labels[place_of[photo.label]]) for photo in photos if photo.label in place_of
    )
    return kept, len(photos) - len(kept)


def label_counts(photos: Sequence[ClassificationSample]) -> Counter[str]:
    """How often each label occurs."""
    return Counter(photo.label for photo in photos)
