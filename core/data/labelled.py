"""Photos with one label each: a CSV with the columns ``image`` (with or without extension) and ``label``."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import DatasetError

SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo's path, its label, and the group (sender) that must stay on one side of a split."""

    path: Path
    label: str
    group: str = ""


def photos_beside(file: Path) -> Path:
    """The default folder of photos: ``photos/`` or ``images/`` beside the file, else the file's own folder."""
    for name in ("photos", "images"):
        if (file.parent / name).is_dir():
            return file.parent / name
    return file.parent


def read_labelled(file: Path, photos: Path | None = None) -> tuple[LabelledPhoto, ...]:
    """Read a CSV of image and label; a column ``sender_id`` or ``group`` becomes the group.

    Raises DatasetError when the file, a column or a photo is missing.
    """
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"expected a CSV with the columns image and label at {file}: {error}") from error
    if not rows or not {"image", "label"} <= rows[0].keys():
        found = ", ".join(rows[0].keys()) if rows else "no rows"
        raise DatasetError(f"expected the columns image and label in {Path(file).name}, got {found}")
    folder = photos or photos_beside(Path(file))
    found_rows = []
    for number, row in enumerate(rows, start=2):
        if not row["image"] or not row["label"]:
            raise DatasetError(f"expected an image and a label in line {number} of {Path(file).name}")
        group = row.get("sender_id") or row.get("group") or ""
        found_rows.append(LabelledPhoto(_find(folder, row["image"], file), row["label"], group))
    return tuple(found_rows)


def _find(folder: Path, image: str, file: Path) -> Path:
    for suffix in SUFFIXES:
        path = folder / f"{image}{suffix}"
        if path.is_file():
            return path
    raise DatasetError(f"{Path(file).name} names {image}, which is not in {folder.name}/")


def known_only(
    photos: Sequence[LabelledPhoto], labels: Sequence[str]
) -> tuple[tuple[LabelledPhoto, ...], int]:
    """The photos whose label is among ``labels``, and how many were skipped."""
    wanted = set(labels)
    kept = tuple(photo for photo in photos if photo.label in wanted)
    return kept, len(photos) - len(kept)


def label_counts(photos: Sequence[LabelledPhoto]) -> Counter[str]:
    """How often each label occurs."""
    return Counter(photo.label for photo in photos)
