"""YOLO folders: ``labels/NAME.txt``, a line ``class cx cy w h`` a box in fractions of ``images/NAME.jpg``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped]

from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    merged_categories,
    read_class_names,
)
from core.datasets.folder_files import files_below
from core.datasets.listed_photos import FRACTIONS_WH
from core.datasets.parsing import MOST_BOXES, read_lines, read_yaml
from core.datasets.photo_index import ListedName, PhotoIndex
from core.datasets.report import ReadReport
from core.datasets.yolo_lines import LineStyle, rows_of, style_of
from core.datasets.yolo_texts import is_text, pair_texts
from core.errors import DatasetError
from core.images.containers import PHOTO_SUFFIXES
from core.images.decode import upright_size

SPLITS = ("train", "val", "test")
CLASS_LISTS = ("classes.txt", "obj.names", "labels/classes.txt", "data/obj.names")
USUAL_LISTS = ("classes.txt", "obj.names")
ROBOFLOW_LISTS = ("_darknet.labels", "_classes.txt")
YAML_SUFFIXES = (".yaml", ".yml")
USUAL_YAMLS = ("data", "dataset")
MOST_LABEL_BYTES = 4 * 2**20
"""Of one photo's labels; a thousand polygons of a hundred points are less."""


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
    classes = read_classes(Path(path))
    root = classes.root
    folders = [Path(photos)] if photos is not None else _image_folders(root, classes.setting, report)
    base = folders[0] if len(folders) == 1 else root
    index = index or PhotoIndex(base if photos is not None else root)
    files = [file for file in index.paths if any(file.is_relative_to(folder) for folder in folders)]
    files = [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES]
    if not files:
        raise DatasetError(
            f"{root.name}: photos are expected in images/ or beside the labels, there are none"
        )
    texts = [file for file in files_below(root) if is_text(file) and file != classes.file]
    text_of = pair_texts(files, texts, index.root, root, report)
    return yolo_dataset({file: text_of.get(file) for file in files}, classes, base, report)


@dataclass(frozen=True, eq=False)
class ClassList:
    """The categories by class id, None where a number has none; the file that lists them, and its folder."""

    names: tuple[str | None, ...]
    file: Path
    root: Path
    setting: Mapping[str, Any]


def read_classes(path: Path) -> ClassList:
    """The class list of a dataset: its YAML or ``classes.txt``, or the folder that holds one.

    Raises ``DatasetError`` where there is none.
    """
    root, file, setting = _setting(path)
    return ClassList(_names(root, file, setting), file, root, setting)


def yolo_dataset(
    text_of: Mapping[Path, Path | None],
    classes: ClassList,
    base: Path,
    report: ReadReport,
    *,
    are_stored: bool = False,
) -> DetectionDataset:
    """Photos with their texts, None for one without, as a dataset; names are relative to ``base``.

    Photos that ``are_stored`` are not among the files: their boxes are fractions of ``FRACTIONS_WH``.
    """
    categories, place_of = merged_categories(classes.names, classes.file, report)
    tables = {text: _table(text, report) for text in text_of.values() if text is not None}
    lines = (line.values for table in tables.values() for line in table.lines)
    style = style_of(lines, _key_points(classes.setting))
    boxed: list[BoxedPhoto] = []
    dropped = 0
    for file, text in text_of.items():
        table = None if text is None else tables[text]
        name = file.relative_to(base).as_posix()
        size_wh = FRACTIONS_WH if are_stored else _size(file, name, report)
        if size_wh is None:
            continue
        photo, lost = _photo(file, name, size_wh, table, style, place_of, len(classes.names), report)
        boxed.append(photo)
        dropped += lost
    return DetectionDataset(categories, tuple(boxed), base, dropped)


def stored_dataset(
    texts: Sequence[Path], classes: ClassList, root: Path, report: ReadReport
) -> DetectionDataset:
    """The texts of photos that are not among the files, as a dataset of boxes in fractions."""
    return yolo_dataset(
        {text.with_suffix(""): text for text in texts}, classes, root, report, are_stored=True
    )


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


def _setting(path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """The folder of a dataset, the file of its class list, and its YAML's content; empty without a YAML."""
    if path.is_dir():
        yamls = [file for file in sorted(path.iterdir()) if file.suffix.lower() in YAML_SUFFIXES]
        for file in sorted(yamls, key=lambda file: file.stem.lower() not in USUAL_YAMLS):
            if has_names(setting := read_yaml(file)):
                return path, file, setting
        for name in CLASS_LISTS:
            if (path / name).is_file():
                return path, path / name, {}
        _refuse_bad_yaml(path)
        raise DatasetError(f"{path.name}: a data.yaml or a classes.txt with the category names is expected")
    if is_class_list(path):
        return path.parent, path, {}
    setting = read_yaml(path)
    if not isinstance(setting, dict):
        raise DatasetError(f"{path.name}: YOLO's YAML has entries such as 'names', this one has none")
    return path.parent, path, setting | {"names": setting.get("names")}


def is_class_list(file: Path) -> bool:
    """Whether a file is called like a class list, as LabelImg's, Darknet's and Roboflow's are."""
    return file.name.lower() in (*USUAL_LISTS, *ROBOFLOW_LISTS) or file.suffix.lower() == ".names"


def _refuse_bad_yaml(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in YAML_SUFFIXES:
            raise DatasetError(f"{file.name}: YOLO's YAML has a list 'names', this one has none")


def _names(root: Path, file: Path, setting: dict[str, Any]) -> tuple[str | None, ...]:
    """The categories by class id, None for a number that has none."""
    if not setting:
        return read_class_names(file)
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


def _image_folders(root: Path, setting: Mapping[str, Any], report: ReadReport) -> list[Path]:
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


def _table(text: Path, report: ReadReport) -> _Table:
    """The numbers of a text, line by line; a line of anything else is lost."""
    lines: list[_Line] = []
    lost = False
    try:
        written = read_lines(text, MOST_LABEL_BYTES)
    except DatasetError as error:
        report.lose_file(text, str(error))
        return _Table(text, (), True)
    if len(written) > MOST_BOXES:
        report.lose_box(
            text, f"{text.name}: at most {MOST_BOXES:,} lines a photo are read, got {len(written):,}"
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
                text,
                f"{text.name} line {number}: numbers 'class cx cy w h' are expected, got {line[:60]!r}",
            )
    return _Table(text, tuple(lines), lost)


def _size(file: Path, name: str, report: ReadReport) -> tuple[int, int] | None:
    """Of the upright photo in pixels; None where it cannot be read."""
    try:
        return upright_size(file)
    except DatasetError as error:
        report.lose_unreadable(file, name, str(error))
        return None


def _photo(
    file: Path,
    name: str,
    size_wh: tuple[int, int],
    table: _Table | None,
    style: LineStyle,
    place_of: Mapping[int, int],
    classes: int,
    report: ReadReport,
) -> tuple[BoxedPhoto, int]:
    """The photo with its boxes, and how many were dropped."""
    width, height = size_wh
    rows: list[BoxRow] = []
    lost = table is not None and table.lost
    source = file if table is None else table.file
    for line in table.lines if table is not None else ():
        try:
            corners = rows_of(line.values, line.texts, style)
            category_id = _category(line.values[0], place_of, classes)
        except DatasetError as error:
            lost = True
            report.lose_box(source, f"{source.name} line {line.number}: {error}")
            continue
        x0, y0, x1, y1 = corners
        rows.append(BoxRow(x0 * width, y0 * height, x1 * width, y1 * height, category_id))
    listed = ListedName(file.stem, table.file, True) if table is not None else None
    photo, dropped = boxed_photo(
        name, width, height, rows, lost=lost, is_annotated=table is not None, listed=listed
    )
    report.drop_boxes(source, name, dropped)
    return photo, dropped


def _category(value: float, place_of: Mapping[int, int], classes: int) -> int:
    if value not in range(classes) or int(value) not in place_of:
        raise DatasetError(f"a class in 0..{classes - 1} is expected, got {value:g}")
    return place_of[int(value)]
