"""YOLO folders: ``labels/NAME.txt``, a line ``class cx cy w h`` a box in fractions of ``images/NAME.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]

from core.datasets.detection import (
    PHOTO_SUFFIXES,
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    read_class_names,
    read_each,
)
from core.errors import DatasetError
from core.garments import Refusal
from core.images.decode import upright_size

SPLITS = ("train", "val", "test")
NO_LABELS = re.compile(r"(classes|train|val|test|readme.*)\.txt", re.IGNORECASE)
"""Texts that tools leave beside the labels."""


def read_yolo(
    path: Path, photos: Path | None = None, refused: list[Refusal] | None = None
) -> DetectionDataset:
    """Read a ``data.yaml`` or the folder that holds one, or a folder with ``classes.txt`` as LabelImg writes
    it.

    All splits are read together. The photos have to be there, since the labels do not tell their sizes; a
    photo without labels is one without boxes. Polygons become the boxes around them. Paths never leave the
    folder: the ``..`` that exporters put before them are passed over. Raises ``DatasetError`` for whatever
    does not fit; what is wrong with one photo or its text alone goes to ``refused``, where there is such a
    list.
    """
    root, setting = _setting(Path(path))
    categories = _names(root, setting)
    folders = [Path(photos)] if photos is not None else _image_folders(root, setting)
    base = folders[0] if len(folders) == 1 else root
    built: list[tuple[BoxedPhoto, int]] = []
    texts: set[Path] = set()
    for folder in folders:
        labels = _label_folder(root, folder)
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PHOTO_SUFFIXES)
        pairs = [(file, labels / file.relative_to(folder).with_suffix(".txt")) for file in files]
        texts.update(text for _, text in pairs)
        built += read_each(
            pairs,
            lambda pair: _labeled(*pair, base, len(categories)),
            lambda pair: pair[0].relative_to(base).as_posix(),
            refused,
        )
    if not texts:
        raise DatasetError(f"{root}: photos are expected in images/ or beside the labels, there are none")
    for folder in folders:
        unused = _unused(_label_folder(root, folder), texts)
        list(read_each(unused, _refuse_unused, lambda text: text.name, refused))
    boxed = tuple(photo for photo, _ in built)
    return DetectionDataset(categories, boxed, base, sum(dropped for _, dropped in built))


def yolo_lines(photo: BoxedPhoto) -> str:
    """One photo's boxes as YOLO's lines, fractions to a millionth."""
    lines = []
    for (x0, y0, x1, y1), category_id in zip(photo.boxes_xyxy.tolist(), photo.category_ids, strict=True):
        centre_x, centre_y = (x0 + x1) / 2 / photo.width, (y0 + y1) / 2 / photo.height
        width, height = (x1 - x0) / photo.width, (y1 - y0) / photo.height
        lines.append(f"{category_id} {centre_x:.6f} {centre_y:.6f} {width:.6f} {height:.6f}\n")
    return "".join(lines)


def yolo_setting(categories: tuple[str, ...], splits: Mapping[str, str] | None = None) -> str:
    """A ``data.yaml``: where ``train``, ``val`` and perhaps ``test`` lie, by default all in ``images/``.

    It has no ``path``, so that its own folder is the root; what lies elsewhere (``path: .``) depends on the
    trainer's version and on where it is started.
    """
    places = splits or {"train": "images", "val": "images"}
    setting = {**places, "names": dict(enumerate(categories))}
    return str(yaml.safe_dump(setting, sort_keys=False, allow_unicode=True))


def _setting(path: Path) -> tuple[Path, dict[str, Any]]:
    file = path
    if path.is_dir():
        found = [path / name for name in ("data.yaml", "data.yml", "dataset.yaml") if (path / name).is_file()]
        if not found:
            return path, {}
        file = found[0]
    try:
        setting = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{file.name}: YOLO's YAML is expected, got: {first_line}") from error
    if not isinstance(setting, dict):
        raise DatasetError(f"{file.name}: YOLO's YAML has entries such as 'names', this one has none")
    return file.parent, setting


def _names(root: Path, setting: dict[str, Any]) -> tuple[str, ...]:
    if not setting:
        for file in (root / "classes.txt", root / "labels" / "classes.txt"):
            if file.is_file():
                return read_class_names(file)
        raise DatasetError(f"{root}: a data.yaml or a classes.txt with the category names is expected")
    names = setting.get("names")
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise DatasetError(
            "data.yaml: 'names' lists the categories from 0 on without a gap, this one does not"
        )
    return tuple(str(name) for name in names)


def _image_folders(root: Path, setting: dict[str, Any]) -> list[Path]:
    listed: list[Path] = []
    for split in SPLITS:
        entries = setting.get(split) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            folder = _inside(root, setting.get("path"), entry)
            if folder not in listed:
                listed.append(folder)
    if listed:
        return listed
    return [root / "images" if (root / "images").is_dir() else root]


def _inside(root: Path, base: object, entry: object) -> Path:
    """The folder an entry of ``data.yaml`` means, looked for below ``root`` only."""
    if not isinstance(entry, str) or "\0" in entry:
        raise DatasetError(f"data.yaml: a folder of photos is expected, got {type(entry).__name__}")
    parts = _downward(entry)
    for folder in (root.joinpath(*_downward(base), *parts), root.joinpath(*parts)):
        if folder.is_dir():
            return folder
    raise DatasetError(f"data.yaml: {entry!r} is expected to be a folder in {root}, there is none")


def _downward(path: object) -> list[str]:
    """A path's parts that lead into folders; none for what is no text."""
    parts = PurePosixPath(path.replace("\\", "/")).parts if isinstance(path, str) else ()
    return [part for part in parts if part not in ("..", "/") and "\0" not in part]


def _label_folder(root: Path, images: Path) -> Path:
    if "images" in images.parts:
        at = len(images.parts) - 1 - images.parts[::-1].index("images")
        beside = Path(*images.parts[:at], "labels", *images.parts[at + 1 :])
        if beside.is_dir():
            return beside
    if (root / "labels").is_dir():
        return root / "labels"
    return images if next(images.rglob("*.txt"), None) is not None else root


def _rows(path: Path, classes: int) -> Iterator[BoxRow]:
    """The lines of a text as rows in fractions of the photo."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        table = [(number, [float(part) for part in line.split()]) for number, line in enumerate(lines, 1)]
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path.name}: lines of numbers 'class cx cy w h' are expected, got: {error}"
        ) from error
    for number, values in table:
        if not values:
            continue
        where = f"{path.name} line {number}"
        if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
            raise DatasetError(f"{where}: five numbers 'class cx cy w h' are expected, got {len(values)}")
        if values[0] not in range(classes):
            raise DatasetError(f"{where}: a class in 0..{classes - 1} is expected, got {values[0]:g}")
        if any(abs(value) > 2 for value in values[1:] if value == value):
            raise DatasetError(f"{where}: fractions of the photo are expected, got {max(values[1:]):g}")
        yield BoxRow(*_corners(values[1:]), int(values[0]))


def _corners(values: list[float]) -> tuple[float, float, float, float]:
    if len(values) == 4:
        centre_x, centre_y, width, height = values
        return centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _labeled(file: Path, text: Path, base: Path, classes: int) -> tuple[BoxedPhoto, int]:
    rows = list(_rows(text, classes)) if text.is_file() else []
    return _photo(file, file.relative_to(base).as_posix(), rows)


def _photo(file: Path, name: str, rows: list[BoxRow]) -> tuple[BoxedPhoto, int]:
    width, height = upright_size(file)
    scaled = [
        row._replace(x0=row.x0 * width, y0=row.y0 * height, x1=row.x1 * width, y1=row.y1 * height)
        for row in rows
    ]
    return boxed_photo(name, width, height, scaled)


def _unused(labels: Path, used: set[Path]) -> list[Path]:
    """Texts without a photo: photos are missing or elsewhere, better said than passed over."""
    texts = sorted(labels.rglob("*.txt"))
    return [text for text in texts if text not in used and not NO_LABELS.fullmatch(text.name)]


def _refuse_unused(text: Path) -> None:
    raise DatasetError(f"{text.name}: labels need a photo of that name, there is none")
