"""Classification data sets: a CSV with the columns ``image`` (with or without extension) and ``label``."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import DatasetError
from core.file_names import relative_name

SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG", ".WEBP")


@dataclass(frozen=True)
class ClassificationSample:
    """A photo's path, its label, and the group (sender) that must stay on one side of a split."""

    path: Path
    label: str
    group: str = ""


def photos_beside(file: Path) -> Path:
    """The default folder of photos: ``photos/`` or ``images/`` beside the file, else the file's own."""
    for name in ("photos", "images"):
        if (file.parent / name).is_dir():
            return file.parent / name
    return file.parent


def read_classification(file: Path, photos: Path | None = None) -> tuple[ClassificationSample, ...]:
    """Read a CSV of image and label; a column ``sender_id`` or ``group`` becomes the group.

    ``photos`` is the folder of the images, by default that of ``photos_beside``. Raises DatasetError when the
    file, a column or a photo is missing, or a name leads out of the folder.
    """
    file = Path(file)
    folder = photos_beside(file) if photos is None else Path(photos)
    found = []
    for number, row in enumerate(_rows(file), start=1):
        if not row["image"] or not row["label"]:
            raise DatasetError(f"expected an image and a label in row {number} of {file.name}")
        group = row.get("sender_id") or row.get("group") or ""
        found.append(ClassificationSample(_find(folder, row["image"], file.name), row["label"], group))
    return tuple(found)


def _rows(file: Path) -> list[dict[str, str]]:
    """The file's rows, at least one, with the columns image and label."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"expected a CSV with the columns image and label at {file}, got: {reason}"
        ) from error
    if not rows or not {"image", "label"} <= rows[0].keys():
        found = ", ".join(str(name) for name in rows[0]) if rows else "no rows"
        raise DatasetError(f"expected the columns image and label in {file.name}, got {found}")
    return rows


def _find(folder: Path, image: str, source: str) -> Path:
    """The photo's path, its name given with or without ending."""
    name = relative_name(image, source)
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    raise DatasetError(f"{source} names {image}, which is not in {folder.name or folder}/")


def with_known_labels(
    photos: Sequence[ClassificationSample], labels: Sequence[str]
) -> tuple[tuple[ClassificationSample, ...], int]:
    """The photos whose label is among ``labels``, and how many were skipped."""
    wanted = set(labels)
    kept = tuple(photo for photo in photos if photo.label in wanted)
    return kept, len(photos) - len(kept)


def label_counts(photos: Sequence[ClassificationSample]) -> Counter[str]:
    """How often each label occurs."""
    return Counter(photo.label for photo in photos)
