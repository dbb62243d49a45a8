"""DeepFashion's category lists (Liu et al., CVPR 2016): a category, a box and a split for each photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.datasets.detection import BoxedPhoto, DetectionDataset, boxed_photo, photos_folder, read_each
from core.errors import DatasetError
from core.file_names import relative_name
from core.garments import Refusal
from core.images.decode import upright_size

CATEGORIES, PHOTOS = "list_category_cloth.txt", "list_category_img.txt"
BOXES, PARTS = "list_bbox.txt", "list_eval_partition.txt"
SUBFOLDERS = ("", "Anno", "Anno_coarse", "Eval")
"""Where the published archives unpack their lists to."""


@dataclass(frozen=True, eq=False)
class CategoryList:
    """Photos with one garment category each, for a classifier.

    ``category_ids`` is (N,) int64 0-based; ``boxes_xyxy`` is (N, 4) float32 in pixels or ``None`` without a
    list of boxes; ``parts`` holds train, val or test for each photo, empty without a list of parts.
    """

    categories: tuple[str, ...]
    file_names: tuple[str, ...]
    category_ids: np.ndarray
    boxes_xyxy: np.ndarray | None
    parts: tuple[str, ...]
    folder: Path | None

    def part(self, name: str) -> CategoryList:
        """Only the photos of train, val or test; raises ``DatasetError`` where there is no such part."""
        chosen = np.array([part == name for part in self.parts], dtype=bool)
        if not chosen.any():
            raise DatasetError(f"a part out of {sorted(set(self.parts))} is expected, got {name!r}")
        return replace(
            self,
            file_names=tuple(np.array(self.file_names, dtype=object)[chosen]),
            category_ids=self.category_ids[chosen],
            boxes_xyxy=None if self.boxes_xyxy is None else self.boxes_xyxy[chosen],
            parts=tuple(name for _ in range(int(chosen.sum()))),
        )


def read_category_list(path: Path, photos: Path | None = None) -> CategoryList:
    """Read DeepFashion's lists from the folder that holds them or its ``Anno`` folder.

    Raises ``DatasetError`` where the categories or photos are not listed, a count is wrong, or lists
    disagree.
    """
    path = Path(path)
    categories = tuple(name for name, _ in _table(_find(path, CATEGORIES), 2))
    names, ids = [], []
    for name, number in _table(_find(path, PHOTOS), 2):
        names.append(relative_name(name, PHOTOS))
        ids.append(_whole(number, PHOTOS, 1, len(categories)) - 1)
    boxes, parts = _optional(path, BOXES, 5, names), _optional(path, PARTS, 2, names)
    folder = photos if photos is not None else _photos(path, names[0] if names else None)
    return CategoryList(
        categories,
        tuple(names),
        np.array(ids, dtype=np.int64),
        None
        if boxes is None
        else np.array([_corners(row) for row in boxes], dtype=np.float32).reshape(-1, 4),
        () if parts is None else tuple(row[0] for row in parts),
        folder,
    )


def read_deepfashion(
    path: Path, photos: Path | None = None, refused: list[Refusal] | None = None
) -> DetectionDataset:
    """DeepFashion's lists as boxed photos, one garment each; sizes come from the photos, which have to be
    there; a photo that cannot be read goes to ``refused``, where there is such a list.
    """
    listed = read_category_list(path, photos)
    if listed.boxes_xyxy is None:
        raise DatasetError(f"{path}: a {BOXES} with the garments' boxes is expected, there is none")
    if listed.folder is None:
        raise DatasetError(f"{path}: the photos' sizes are needed, but there is no folder img/ with them")
    folder = listed.folder

    def photo(row: tuple[str, int, list[float]]) -> tuple[BoxedPhoto, int]:
        name, category_id, (x0, y0, x1, y1) = row
        return boxed_photo(name, *upright_size(folder / name), [(x0, y0, x1, y1, category_id, None)])

    boxes = listed.boxes_xyxy.tolist()
    rows = zip(listed.file_names, listed.category_ids.tolist(), boxes, strict=True)
    built = list(read_each(rows, photo, lambda row: row[0], refused))
    photos_boxed = tuple(photo for photo, _ in built)
    return DetectionDataset(listed.categories, photos_boxed, folder, sum(count for _, count in built))


def has_category_list(path: Path) -> bool:
    """Whether the folder, or one of those the archives unpack to, holds DeepFashion's list of photos."""
    return any((_root(path) / name / PHOTOS).is_file() for name in SUBFOLDERS)


def _root(path: Path) -> Path:
    return path.parent if path.name in SUBFOLDERS else path


def _find(path: Path, name: str) -> Path:
    for folder in SUBFOLDERS:
        file = _root(path) / folder / name
        if file.is_file():
            return file
    raise DatasetError(f"{path}: DeepFashion's {name} is expected, there is none")


def _photos(path: Path, first_name: str | None) -> Path | None:
    for folder in (_root(path), _root(path) / "Img"):
        found = photos_folder(folder, first_name)
        if found is not None:
            return found
    return None


def _table(path: Path, columns: int) -> Iterator[list[str]]:
    """The rows of a list: after a line with their number and one with the columns' names."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path.name}: a text is expected, got: {error}") from error
    rows = [line for line in lines[2:] if line]
    stated = lines[0] if lines else []
    if stated != [str(len(rows))]:
        raise DatasetError(f"{path.name}: {len(rows)} rows are there, the first line says {stated[:3]}")
    for row in rows:
        if len(row) < columns:
            raise DatasetError(f"{path.name}: {columns} columns are expected, got {' '.join(row)[:80]!r}")
        name = " ".join(row[: len(row) - columns + 1])  # a photo's name may hold blanks
        yield [name, *row[len(row) - columns + 1 :]]


def _optional(path: Path, name: str, columns: int, names: list[str]) -> list[list[str]] | None:
    """The rows of a further list in the order of ``names``, or ``None`` where there is no such list."""
    try:
        file = _find(path, name)
    except DatasetError:
        return None
    rows = {row[0]: row[1:] for row in _table(file, columns)}
    missing = next((photo for photo in names if photo not in rows), None)
    if missing is not None:
        raise DatasetError(f"{name}: every photo of {PHOTOS} is expected, {missing!r} is missing")
    return [rows[photo] for photo in names]


def _corners(row: list[str]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(_whole(text, BOXES, -1_000_000, 1_000_000)) for text in row[:4])
    return x0, y0, x1, y1


def _whole(text: str, source: str, low: int, high: int) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise DatasetError(f"{source}: a whole number is expected, got {text[:40]!r}") from error
    if not low <= number <= high:
        raise DatasetError(f"{source}: a number in {low}..{high} is expected, got {number}")
    return number
