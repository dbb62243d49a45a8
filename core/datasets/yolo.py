"""YOLO folders: ``labels/NAME.txt``, a line ``class cx cy w h`` a box in fractions of ``images/NAME.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]

from core.datasets.detection import (
    MOST_BOXES,
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    merged_categories,
    read_class_names,
)
from core.datasets.parsing import read_lines, read_yaml
from core.datasets.photo_index import PHOTO_SUFFIXES, Key, PhotoIndex, files_below
from core.datasets.report import ReadReport
from core.datasets.yolo_lines import LineStyle, rows_of, style_of
from core.errors import DatasetError
from core.images.decode import upright_size

SPLITS = ("train", "val", "test")
CLASS_LISTS = ("classes.txt", "obj.names", "labels/classes.txt", "data/obj.names")
YAML_SUFFIXES = (".yaml", ".yml")
MOST_LABEL_BYTES = 4 * 2**20
"""Of one photo's labels; a thousand polygons of a hundred points are less."""

NO_LABELS = re.compile(
    r"(classes|labels|train|val|valid|test|predefined_classes|readme.*|licen[cs]e.*|requirements|deleted|renamed)\.txt",
    re.IGNORECASE,
)
"""Texts that tools leave beside the labels."""


def read_yolo(
    path: Path,
    photos: Path | None = None,
    report: ReadReport | None = None,
    index: PhotoIndex | None = None,
) -> DetectionDataset:
    """Read YOLO's YAML (under any name), or the folder that holds it or a ``classes.txt`` or ``obj.names``.

    Ultralytics' layouts, Roboflow's, LabelImg's, Label Studio's and CVAT's YOLO 1.1: a photo's labels are the
    text of its name in ``labels/``, or beside it. All splits are read together. The photos have to be there,
    since labels do not tell their sizes; a photo without a text is one without boxes, and not annotated.
    Polygons become the boxes around them; a confidence, a track id and key points are passed over. Paths
    never leave the folder. Raises ``DatasetError`` for whatever does not fit; given a ``report`` that is not
    strict, a bad line costs itself.
    """
    report = report or ReadReport(strict=True)
    root, setting = _setting(Path(path))
    given = _names(root, setting)
    categories, place_of = merged_categories(given, root.name, report)
    folders = [Path(photos)] if photos is not None else _image_folders(root, setting, report)
    base = folders[0] if len(folders) == 1 else root
    index = index or PhotoIndex(base if photos is not None else root)
    files = [file for file in index.paths if any(file.is_relative_to(folder) for folder in folders)]
    files = [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES]
    texts = [file for file in files_below(root) if is_label_text(file)]
    text_of = _pair(files, texts, index, PhotoIndex(root, texts), report)
    if not files:
        raise DatasetError(
            f"{root.name}: photos are expected in images/ or beside the labels, there are none"
        )
    tables = {text: _table(text, report) for text in text_of.values()}
    style = style_of((line.values for table in tables.values() for line in table.lines), _key_points(setting))
    boxed: list[BoxedPhoto] = []
    dropped = 0
    for file in files:
        table = tables.get(text_of.get(file, file))
        name = file.relative_to(base).as_posix()
        built = _photo(file, name, table, style, place_of, len(given), report)
        if built is not None:
            boxed.append(built[0])
            dropped += built[1]
    return DetectionDataset(categories, tuple(boxed), base, dropped)


def is_label_text(file: Path) -> bool:
    """Whether a file is called as one with labels."""
    return file.suffix.lower() == ".txt" and not NO_LABELS.fullmatch(file.name)


def has_names(setting: object) -> bool:
    """Whether a YAML's content lists categories, as YOLO's do."""
    return isinstance(setting, dict) and isinstance(setting.get("names"), dict | list)


@dataclass(frozen=True)
class _Line:
    number: int
    values: list[float]
    texts: list[str]


@dataclass(frozen=True)
class _Table:
    """The lines of one text that are numbers, and whether others were lost."""

    file: Path
    lines: tuple[_Line, ...]
    lost: bool


def yolo_lines(photo: BoxedPhoto) -> str:
    """One photo's boxes as YOLO's lines, fractions to a millionth."""
    lines = []
    for (x0, y0, x1, y1), category_id in zip(photo.boxes_xyxy.tolist(), photo.category_ids, strict=True):
        center_x, center_y = (x0 + x1) / 2 / photo.width, (y0 + y1) / 2 / photo.height
        width, height = (x1 - x0) / photo.width, (y1 - y0) / photo.height
        lines.append(f"{category_id} {center_x:.6f} {center_y:.6f} {width:.6f} {height:.6f}\n")
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
    """The folder of a data set, and its YAML's content; without a YAML there is none."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in YAML_SUFFIXES and has_names(setting := read_yaml(file)):
                return path, setting
        if not any((path / name).is_file() for name in CLASS_LISTS):
            _refuse_bad_yaml(path)
        return path, {}
    setting = read_yaml(path)
    if not isinstance(setting, dict):
        raise DatasetError(f"{path.name}: YOLO's YAML has entries such as 'names', this one has none")
    return path.parent, setting | {"names": setting.get("names")}


def _refuse_bad_yaml(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in YAML_SUFFIXES:
            raise DatasetError(f"{file.name}: YOLO's YAML has a list 'names', this one has none")


def _names(root: Path, setting: dict[str, Any]) -> tuple[str | None, ...]:
    """The categories by class id, None for a number that has none."""
    if not setting:
        for name in CLASS_LISTS:
            if (root / name).is_file():
                return read_class_names(root / name)
        raise DatasetError(f"{root.name}: a data.yaml or a classes.txt with the category names is expected")
    names = setting.get("names")
    if isinstance(names, dict):
        numbered = {int(key): name for key, name in names.items() if _is_number(key)}
        if len(numbered) != len(names) or not numbered or max(numbered) > 100_000:
            raise DatasetError("data.yaml: 'names' numbers the categories from 0 on, this one does not")
        names = [numbered.get(number) for number in range(max(numbered) + 1)]
    if not isinstance(names, list) or not names:
        raise DatasetError("data.yaml: 'names' lists the categories, this one does not")
    if not all(name is None or isinstance(name, str) for name in names):
        raise DatasetError("data.yaml: 'names' lists the categories as texts, this one does not")
    return tuple(None if name is None or not name.strip() else " ".join(name.split()) for name in names)


def _is_number(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 7


def _key_points(setting: Mapping[str, Any]) -> int | None:
    """How many numbers a pose set's key points add to each line; None where nothing is said."""
    shape = setting.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(_is_number(value) for value in shape):
        return int(shape[0]) * int(shape[1])
    return None


def _image_folders(root: Path, setting: dict[str, Any], report: ReadReport) -> list[Path]:
    """The folders of photos that a YAML names below its own; the whole folder where it names none."""
    listed: list[Path] = []
    for split in SPLITS:
        entries = setting.get(split) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, str) and entry.lower().endswith(".txt"):  # a list of the photos
                return [root]
            try:
                folder = _inside(root, setting.get("path"), entry)
            except DatasetError as error:
                if report.strict:
                    raise
                report.remark(root.name, f"{error}; all photos beside it were read")
                return [root]
            if folder not in listed:
                listed.append(folder)
    if listed and report.strict:
        return listed
    images = [path for path in root.iterdir() if path.is_dir() and path.name.lower() == "images"]
    return images if report.strict and len(images) == 1 else [root]


def _inside(root: Path, base: object, entry: object) -> Path:
    """The folder an entry of ``data.yaml`` means, looked for below ``root`` only."""
    if not isinstance(entry, str) or "\0" in entry:
        raise DatasetError(f"data.yaml: a folder of photos is expected, got {type(entry).__name__}")
    parts = _downward(entry)
    for folder in (root.joinpath(*_downward(base), *parts), root.joinpath(*parts)):
        try:
            if folder.is_dir():
                return folder
        except OSError:  # a name that no file system takes
            break
    raise DatasetError(f"data.yaml: {entry[:200]!r} is expected to be a folder in {root.name}, there is none")


def _downward(path: object) -> list[str]:
    """A path's parts that lead into folders; none for what is no text."""
    parts = PurePosixPath(path.replace("\\", "/")).parts if isinstance(path, str) else ()
    return [part for part in parts if part not in ("..", "/") and "\0" not in part]


def _pair(
    files: Sequence[Path],
    texts: Sequence[Path],
    photos: PhotoIndex,
    labels: PhotoIndex,
    report: ReadReport,
) -> dict[Path, Path]:
    """The text of each photo: of the same name and folders, else of a name that only these two have."""
    by_key = {labels.stem_key(text): text for text in texts}
    text_of = {file: by_key[key] for file in files if (key := photos.stem_key(file)) in by_key}
    spare = _by_stem(set(texts) - set(text_of.values()), labels)
    alone = _by_stem([file for file in files if file not in text_of], photos)
    for stem, found in alone.items():
        if len(found) == 1 and len(spare.get(stem, ())) == 1:
            text_of[found[0]] = spare.pop(stem)[0]
    for left in spare.values():
        for text in left:
            report.lose_file(text.name, f"{text.name}: labels need a photo of that name, there is none")
    return text_of


def _by_stem(files: Iterable[Path], index: PhotoIndex) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in sorted(files):
        key: Key = index.stem_key(file)
        found.setdefault(key[-1], []).append(file)
    return found


def _table(text: Path, report: ReadReport) -> _Table:
    """The numbers of a text, line by line; a line of anything else is lost."""
    lines: list[_Line] = []
    lost = False
    try:
        written = read_lines(text, MOST_LABEL_BYTES)
    except DatasetError as error:
        report.lose_file(text.name, str(error))
        return _Table(text, (), True)
    if len(written) > MOST_BOXES:
        report.lose_box(
            text.name, f"{text.name}: at most {MOST_BOXES:,} lines a photo are read, got {len(written):,}"
        )
        return _Table(text, (), True)
    for number, line in enumerate(written, 1):
        texts = line.split()
        if not texts:
            continue
        try:
            lines.append(_Line(number, [float(part) for part in texts], texts))
        except ValueError:
            lost = True
            report.lose_box(
                text.name,
                f"{text.name} line {number}: numbers 'class cx cy w h' are expected, got {line[:60]!r}",
            )
    return _Table(text, tuple(lines), lost)


def _photo(
    file: Path,
    name: str,
    table: _Table | None,
    style: LineStyle,
    place_of: Mapping[int, int],
    classes: int,
    report: ReadReport,
) -> tuple[BoxedPhoto, int] | None:
    """The photo with its boxes, and how many were dropped; None where it cannot be read."""
    try:
        width, height = upright_size(file)
    except DatasetError as error:
        report.lose_photo(name, str(error))
        return None
    rows: list[BoxRow] = []
    lost = table is not None and table.lost
    for line in table.lines if table is not None else ():
        try:
            corners = rows_of(line.values, line.texts, style)
            category_id = _category(line.values[0], place_of, classes)
        except DatasetError as error:
            lost = True
            report.lose_box(file.stem + ".txt", f"{file.stem}.txt line {line.number}: {error}")
            continue
        x0, y0, x1, y1 = corners
        rows.append(BoxRow(x0 * width, y0 * height, x1 * width, y1 * height, category_id))
    photo, dropped = boxed_photo(name, width, height, rows, lost=lost, is_annotated=table is not None)
    report.drop_boxes(table.file.name if table else name, name, dropped)
    return photo, dropped


def _category(value: float, place_of: Mapping[int, int], classes: int) -> int:
    if value not in range(classes) or int(value) not in place_of:
        raise DatasetError(f"a class in 0..{classes - 1} is expected, got {value:g}")
    return place_of[int(value)]
