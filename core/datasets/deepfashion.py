"""DeepFashion's category lists (Liu et al., CVPR 2016), a category and a box a photo; and DeepFashion2.

DeepFashion has its lists in ``Anno/`` (or ``Anno_coarse/``), its photos in ``Img/``, and says in ``Eval/``
which photos are of train, val and test. DeepFashion2 (Ge et al., CVPR 2019) has ``train/`` and
``validation/``, each with ``annos/NUMBER.json`` (``item1`` and so on) beside ``image/``; the annotations of
its test photos are not published, so that its validation part is measured on as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    photos_folder,
)
from core.datasets.parsing import read_json, read_lines
from core.datasets.report import ReadReport, log, read_each
from core.errors import DatasetError
from core.file_names import relative_name
from core.images.decode import upright_size
from core.taxonomy import load_taxonomy

CATEGORIES, PHOTOS, BOXES = "list_category_cloth.txt", "list_category_img.txt", "list_bbox.txt"
PARTITION = "list_eval_partition.txt"
SUBFOLDERS = ("", "Anno", "Anno_coarse", "Anno_fine", "Eval")
"""Where the published archives unpack their lists to."""

PARTS = ("train", "val", "test")
PART_FOLDERS = {"train": "train", "val": "validation", "test": "validation"}
"""DeepFashion2's folder of each part."""


@dataclass(frozen=True, eq=False)
class CategoryList:
    """Photos with one garment category each, for a classifier.

    ``category_ids`` is (N,) int64 0-based; ``boxes_xyxy`` is (N, 4) float32 in pixels or ``None`` without a
    list of boxes; ``parts`` holds N of ``PARTS``, or ``None`` without a list of them.
    """

    categories: tuple[str, ...]
    file_names: tuple[str, ...]
    category_ids: np.ndarray
    boxes_xyxy: np.ndarray | None
    folder: Path | None
    parts: tuple[str, ...] | None = None

    def rows_of(self, part: str | None) -> list[int]:
        """The rows of a part; all of them for None. Where no list says which, all, which is logged."""
        if part is not None and self.parts is None:
            log.warning("There is no %s: all photos of %s are taken as %s", PARTITION, PHOTOS, part)
        if part is None or self.parts is None:
            return list(range(len(self.file_names)))
        return [row for row, own in enumerate(self.parts) if own == part]


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
    boxes = _boxes(path, names)
    folder = photos if photos is not None else _photos(path, names[0] if names else None)
    parts = _parts(path, names)
    return CategoryList(categories, tuple(names), np.array(ids, dtype=np.int64), boxes, folder, parts)


def read_deepfashion(
    path: Path, photos: Path | None = None, report: ReadReport | None = None, part: str | None = None
) -> DetectionDataset:
    """DeepFashion's lists as boxed photos, one garment each, of one ``part`` or all of them.

    Sizes come from the photos, which have to be there; a photo that cannot be read goes to the ``report``,
    where it is not strict.
    """
    report = report or ReadReport(strict=True)
    listed = read_category_list(path, photos)
    if listed.boxes_xyxy is None:
        raise DatasetError(f"{path.name}: a {BOXES} with the garments' boxes is expected, there is none")
    if listed.folder is None:
        raise DatasetError(f"{path.name}: the photos' sizes are needed, and there is no folder img/")
    folder = listed.folder

    def photo(row: tuple[str, int, list[float]]) -> tuple[BoxedPhoto, int]:
        name, category_id, (x0, y0, x1, y1) = row
        return boxed_photo(name, *upright_size(folder / name), [BoxRow(x0, y0, x1, y1, category_id)])

    names, ids, boxes = listed.file_names, listed.category_ids.tolist(), listed.boxes_xyxy.tolist()
    rows = [(names[row], ids[row], boxes[row]) for row in listed.rows_of(part)]
    built = list(read_each(rows, photo, lambda row, reason: report.lose_photo(row[0], reason)))
    photos_boxed = tuple(photo for photo, _ in built)
    return DetectionDataset(listed.categories, photos_boxed, folder, sum(count for _, count in built))


def has_category_list(path: Path) -> bool:
    """Whether the folder, or one of those the archives unpack to, holds DeepFashion's list of photos."""
    return any((_root(path) / name / PHOTOS).is_file() for name in SUBFOLDERS)


def has_parts(path: Path) -> bool:
    """Whether a folder says itself which of its photos train and which validate."""
    if has_category_list(path):
        return any((_root(path) / name / PARTITION).is_file() for name in SUBFOLDERS)
    return (path / PART_FOLDERS["val"] / "annos").is_dir()


def part_folder(path: Path, part: str) -> Path:
    """The folder of a part within DeepFashion2's, or the path itself where it is no folder of parts.

    Raises ``DatasetError`` where this part is missing.
    """
    there = {name for name in PART_FOLDERS.values() if (path / name / "annos").is_dir()}
    name = PART_FOLDERS[part]
    if there and name not in there:
        raise DatasetError(
            f"{path.name}: DeepFashion2's {name}/ with annos/ and image/ is expected, there is none"
        )
    return path / name if there else path


def _root(path: Path) -> Path:
    return path.parent if path.name in SUBFOLDERS else path


def _find(path: Path, name: str) -> Path:
    for folder in SUBFOLDERS:
        file = _root(path) / folder / name
        if file.is_file():
            return file
    raise DatasetError(f"{path.name}: DeepFashion's {name} is expected, there is none")


def _photos(path: Path, first_name: str | None) -> Path | None:
    for folder in (_root(path), _root(path) / "Img"):
        found = photos_folder(folder, first_name)
        if found is not None:
            return found
        if first_name and "/" in first_name and (folder / first_name.partition("/")[0]).is_dir():
            return folder
    return None


def _table(path: Path, columns: int) -> Iterator[list[str]]:
    """The rows of a list: after a line with their number and one with the columns' names."""
    lines = [line.split() for line in read_lines(path)]
    rows = [line for line in lines[2:] if line]
    stated = lines[0] if lines else []
    if stated != [str(len(rows))]:
        said = " ".join(stated)[:40] or "nothing"
        raise DatasetError(f"{path.name}: {len(rows)} rows are there, the first line says {said}")
    for row in rows:
        if len(row) < columns:
            raise DatasetError(f"{path.name}: {columns} columns are expected, got {' '.join(row)[:80]!r}")
        name = " ".join(row[: len(row) - columns + 1])  # a photo's name may hold blanks
        yield [name, *row[len(row) - columns + 1 :]]


def _boxes(path: Path, names: list[str]) -> np.ndarray | None:
    """The boxes (N, 4) in the order of ``names``, or ``None`` where they are not listed."""
    try:
        file = _find(path, BOXES)
    except DatasetError:
        return None
    rows = {row[0]: row[1:] for row in _table(file, 5)}
    missing = next((photo for photo in names if photo not in rows), None)
    if missing is not None:
        raise DatasetError(f"{BOXES}: every photo of {PHOTOS} is expected, {missing!r} is missing")
    return np.array([_corners(rows[photo]) for photo in names], dtype=np.float32).reshape(-1, 4)


def _parts(path: Path, names: list[str]) -> tuple[str, ...] | None:
    """The parts in the order of ``names``, or ``None`` where they are not listed."""
    try:
        file = _find(path, PARTITION)
    except DatasetError:
        return None
    part_of = dict(_table(file, 2))
    for name in names:
        if part_of.get(name) not in PARTS:
            found = f"got {part_of[name][:40]!r} for it" if name in part_of else "it is missing"
            raise DatasetError(f"{PARTITION}: one of {', '.join(PARTS)} is expected for {name!r}, {found}")
    return tuple(part_of[name] for name in names)


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


def read_deepfashion2(
    path: Path, photos: Path | None = None, report: ReadReport | None = None
) -> DetectionDataset:
    """Read a DeepFashion2 split: the folder with ``annos/`` and ``image/``, or ``annos`` itself.

    The photos have to be there, since the annotations do not tell their sizes. An annotation that lacks its
    box or its photo, or names a category outside the thirteen, raises ``DatasetError`` or goes to
    the ``report``.
    """
    report = report or ReadReport(strict=True)
    path = Path(path)
    annos = path if path.name == "annos" else path / "annos"
    files = sorted(annos.glob("*.json"))
    if not files:
        raise DatasetError(
            f"{path.name}: a folder annos/ with DeepFashion2's JSON files is expected, there is none"
        )
    folder = Path(photos) if photos is not None else _photos_beside_annos(annos.parent, files[0])
    categories = load_taxonomy("deepfashion2").categories
    built = list(
        read_each(
            files,
            lambda file: _garments_of(file, folder, categories),
            lambda file, reason: report.lose_photo(file.name, reason),
        )
    )
    return DetectionDataset(
        categories, tuple(photo for photo, _ in built), folder, sum(dropped for _, dropped in built)
    )


def _photos_beside_annos(root: Path, first: Path) -> Path:
    if (root / "image").is_dir():
        return root / "image"
    found = photos_folder(root, f"{first.stem}.jpg")
    if found is None:
        raise DatasetError(
            f"{root.name}: DeepFashion2's photos are expected in image/ beside annos/, there is none"
        )
    return found


def _garments_of(file: Path, folder: Path, categories: tuple[str, ...]) -> tuple[BoxedPhoto, int]:
    document = read_json(file)
    if not isinstance(document, dict):
        raise DatasetError(
            f"{file.name}: DeepFashion2's entries item1, item2 ... are expected, there are none"
        )
    items = {key: value for key, value in document.items() if key.startswith("item")}
    rows = [_garment(items[key], key, file, categories) for key in sorted(items)]
    name = f"{file.stem}.jpg"
    width, height = upright_size(folder / name)
    return boxed_photo(name, width, height, rows)


def _garment(item: Any, key: str, file: Path, categories: tuple[str, ...]) -> BoxRow:
    where = f"{file.name}: {key}"
    if not isinstance(item, dict):
        raise DatasetError(f"{where} is expected to be a garment's entries, got {type(item).__name__}")
    box = item.get("bounding_box")
    if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
        raise DatasetError(f"{where} needs a 'bounding_box' of four numbers, got {shown(box)}")
    number, name = item.get("category_id"), item.get("category_name")
    if type(number) is not int or not 1 <= number <= len(categories):
        raise DatasetError(f"{where} needs a 'category_id' in 1..{len(categories)}, got {shown(number)}")
    if name is not None and name != categories[number - 1]:
        raise DatasetError(
            f"{where}: category {number} is {categories[number - 1]!r}, but is called {shown(name)}"
        )
    try:
        x0, y0, x1, y1 = (float(value) for value in box)
    except OverflowError as error:
        raise DatasetError(
            f"{where} needs a 'bounding_box' in pixels, got a number that is far too large"
        ) from error
    return BoxRow(x0, y0, x1, y1, number - 1)
