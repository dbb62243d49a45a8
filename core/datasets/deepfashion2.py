"""DeepFashion2 (Ge et al., CVPR 2019): ``annos/NUMBER.json`` with ``item1`` and so on, beside ``image/``."""

from __future__ import annotations

from pathlib import Path
from reprlib import repr as shown
from typing import Any

from core.datasets.coco import read_json
from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    photos_folder,
    read_each,
)
from core.errors import DatasetError
from core.garments import Refusal
from core.images.decode import upright_size
from core.taxonomy import load_taxonomy


def read_deepfashion2(
    path: Path, photos: Path | None = None, refused: list[Refusal] | None = None
) -> DetectionDataset:
    """Read a DeepFashion2 split: the folder with ``annos/`` and ``image/``, or ``annos`` itself.

    The photos have to be there, since the annotations do not tell their sizes. An annotation that lacks its
    box or its photo, or names a category outside the thirteen, raises ``DatasetError`` or goes to
    ``refused``.
    """
    path = Path(path)
    annos = path if path.name == "annos" else path / "annos"
    files = sorted(annos.glob("*.json"))
    if not files:
        raise DatasetError(
            f"{path}: a folder annos/ with DeepFashion2's JSON files is expected, there is none"
        )
    folder = Path(photos) if photos is not None else _photos(annos.parent, files[0])
    categories = load_taxonomy("deepfashion2").categories
    built = list(
        read_each(files, lambda file: _photo(file, folder, categories), lambda file: file.name, refused)
    )
    return DetectionDataset(
        categories, tuple(photo for photo, _ in built), folder, sum(dropped for _, dropped in built)
    )


def _photos(root: Path, first: Path) -> Path:
    if (root / "image").is_dir():
        return root / "image"
    found = photos_folder(root, f"{first.stem}.jpg")
    if found is None:
        raise DatasetError(
            f"{root}: DeepFashion2's photos are expected in image/ beside annos/, there is no such folder"
        )
    return found


def _photo(file: Path, folder: Path, categories: tuple[str, ...]) -> tuple[BoxedPhoto, int]:
    document = read_json(file)
    if not isinstance(document, dict):
        raise DatasetError(
            f"{file.name}: DeepFashion2's entries item1, item2 ... are expected, there are none"
        )
    items = {key: value for key, value in document.items() if key.startswith("item")}
    rows = [_row(items[key], key, file, categories) for key in sorted(items)]
    name = f"{file.stem}.jpg"
    width, height = upright_size(folder / name)
    return boxed_photo(name, width, height, rows)


def _row(item: Any, key: str, file: Path, categories: tuple[str, ...]) -> BoxRow:
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
    return x0, y0, x1, y1, number - 1, None
