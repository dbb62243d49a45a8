"""Photos and boxes as annotation files list them: places, sizes, flags, rotations, and categories by name."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    merged_categories,
)
from core.datasets.listed_paths import PHOTO_FOLDERS, SPLIT_FOLDERS
from core.datasets.name_matching import words_of
from core.datasets.photo_index import SHOWN_PARTS, ListedName, NotFound, PhotoIndex
from core.datasets.report import ReadReport, in_one_form
from core.errors import DatasetError
from core.file_names import relative_name, safe_path
from core.images.decode import upright_size

MOST_SIDE = 1_000_000
"""Of a photo, in pixels; a larger number is none."""

UNKNOWN_WH = (MOST_SIDE, MOST_SIDE)
"""Of a photo that is listed without its size, and is not there: its boxes are in its own pixels."""

FRACTIONS_WH = (1, 1)
"""Of such a photo, where its boxes are fractions of it."""

MOST_CHARACTERS = 1000
"""Of a listed path; longer ones are looked for by their last part alone."""

MOST_PARTS = 8
"""Of a path that is no file's name as it stands: more of its end tell no more photos apart."""

ANNOTATION_FOLDERS = ("annotations", "annotation", "labels")
"""Folders of annotation files, whose photos lie beside or below the folder above."""

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1."""

NamedRow = tuple[BoxRow, str]
"""A box whose category is given by name."""


@dataclass(frozen=True)
class ListedPhoto:
    """A photo as an annotation file lists it: boxes with categories' names; ``lost``: not all of them."""

    name: str
    size_wh: tuple[int, int] | None
    rows: tuple[NamedRow, ...]
    lost: bool = False
    listed: ListedName | None = None
    tags: tuple[str, ...] = ()


def dataset_of(
    listed: Sequence[ListedPhoto],
    categories: tuple[str, ...],
    places: dict[str, int],
    path: Path,
    report: ReadReport,
    index: PhotoIndex,
    placed: tuple[Sequence[str | None], Path | None] | None = None,
) -> DetectionDataset:
    """A dataset of photos that a file lists by name, with the sizes that it gives or the photos' own.

    ``placed`` are the photos' names and folder where they are known: see ``place_photos``.
    """
    names, folder = placed or place_photos([photo.name for photo in listed], path, index, report)
    listed, names = _in_one_form(listed, names, report)
    boxed: dict[str, BoxedPhoto] = {}
    dropped = 0
    fractions = are_fractions([row for photo in listed for row, _ in photo.rows])
    if fractions:
        report.remark(path, FRACTIONS)
    for photo, name in zip(listed, names, strict=True):
        if name is None:
            continue
        if name in boxed:
            report.lose_photo(name, f"{path.name}: every photo is listed once, got {name!r} twice")
            continue
        try:
            size_wh = photo.size_wh or upright_size((folder or index.root) / name)
        except DatasetError as error:
            if report.strict:
                report.lose_photo(name, f"{path.name}: {name} is listed without its size: {error}")
                continue
            size_wh = FRACTIONS_WH if fractions else UNKNOWN_WH
        rows = [row._replace(category_id=places[category]) for row, category in photo.rows]
        rows = in_pixels(rows, size_wh) if fractions else rows
        boxed[name], lost = boxed_photo(
            name, *size_wh, rows, lost=photo.lost, listed=photo.listed or ListedName(photo.name, path),
            tags=photo.tags,
        )  # fmt: skip
        report.drop_boxes(photo.listed.file if photo.listed else path, name, lost)
        dropped += lost
    return DetectionDataset(categories, tuple(boxed.values()), folder, dropped)


def _in_one_form(
    listed: Sequence[ListedPhoto], names: Sequence[str | None], report: ReadReport
) -> tuple[Sequence[ListedPhoto], Sequence[str | None]]:
    """The photos; one that is listed in NFC and in another Unicode form is one, with the boxes of both."""
    kept: list[ListedPhoto] = []
    placed: list[str | None] = []
    place_of: dict[tuple[str, str], int] = {}
    for photo, name in zip(listed, names, strict=True):
        key = (in_one_form(photo.name), name or "")
        place = len(kept) if name is None or photo.name.isascii() else place_of.setdefault(key, len(kept))
        if place < len(kept) and kept[place].name != photo.name:
            first = kept[place]
            report.one_form(first.name)
            report.one_form(photo.name)
            kept[place] = replace(first, rows=(*first.rows, *photo.rows), lost=first.lost or photo.lost)
        else:
            kept.append(photo)
            placed.append(name)
    return kept, placed


def by_name(
    listed: Sequence[ListedPhoto], path: Path, report: ReadReport
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The categories of photos whose boxes name them, by the alphabet, and the place of each name."""
    written = sorted({category for photo in listed for _, category in photo.rows})
    categories, place_of = merged_categories(written, path, report)
    return categories, {name: place_of[number] for number, name in enumerate(written)}


def enclosing_box(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float, float]:
    """The box around points. Raises ``DatasetError`` for none."""
    if not xs or len(xs) != len(ys):
        raise DatasetError("points are expected, there are none")
    return min(xs), min(ys), max(xs), max(ys)


def photos_root(path: Path, photos: Path | None) -> Path:
    """The folder that an annotation file's photos are looked for in and below."""
    if photos is not None:
        return Path(photos)
    return path.parent.parent if path.parent.name.lower() in ANNOTATION_FOLDERS else path.parent


def whole_size(value: object) -> int | None:
    """A photo's side in whole pixels; None where it is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST_SIDE:
        return None
    return int(value) if value == int(value) else None


def number(value: object) -> float | None:
    """A finite or infinite number as it stands in JSON; None for texts, truths, and what is far too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def is_flagged(value: object) -> bool:
    """Whether a flag is set: some tools write ``"0"`` and ``"true"``."""
    return value.strip().lower() in ("1", "true", "yes") if isinstance(value, str) else value in (1, True)


FRACTIONS = "the boxes are fractions of their photos, and were read as such"


def are_fractions(rows: Sequence[BoxRow]) -> bool:
    """Whether boxes are fractions of their photos: nine of ten lie in a unit square, or nearly so.

    Whole numbers alone are pixels, of a box in the corner.
    """
    finite = [row[:4] for row in rows if all(math.isfinite(side) for side in row[:4])]
    within = [sides for sides in finite if all(-0.1 <= side <= 1.1 for side in sides)]
    has_part = any(side != int(side) for sides in within for side in sides)
    return has_part and len(within) >= 0.9 * len(finite)


def in_pixels(rows: Iterable[BoxRow], size_wh: tuple[int, int]) -> list[BoxRow]:
    """Fractions of a photo as pixels."""
    width, height = size_wh
    return [
        row._replace(x0=row.x0 * width, y0=row.y0 * height, x1=row.x1 * width, y1=row.y1 * height)
        for row in rows
    ]


TURNED = "a shape turned by {:g} degrees was read as the upright box around it"


def rotated_box(
    x0: float, y0: float, x1: float, y1: float, degrees: float
) -> tuple[float, float, float, float]:
    """The upright box around one that is turned about its center.

    >>> [round(value) for value in rotated_box(50, 100, 250, 120, 90)]
    [140, 10, 160, 210]
    """
    angle = math.radians(degrees)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = x1 - x0, y1 - y0
    half_w, half_h = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    center_x, center_y = (x0 + x1) / 2, (y0 + y1) / 2
    return center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h


def place_photos(
    names: Sequence[str], place: Path, photos: PhotoIndex, report: ReadReport
) -> tuple[list[str | None], Path | None]:
    """The photos that the annotation file ``place`` lists: names relative to one folder, and that folder.

    A photo that is not there keeps the name as it is listed; one whose name fits several photos, or none that
    a file can have, is lost (None). The folder is None where no photo was found.
    """
    whole = _folder_of_all(names, place, photos)
    if whole is not None:
        return [_plain(name) for name in names], whole
    found = photos.find(names, place)
    starts = {
        _start(photos.root, path, name)
        for name, path in zip(names, found, strict=True)
        if isinstance(path, Path)
    }
    folder = next(iter(starts)) if len(starts) == 1 else None
    if starts and (folder is None or photos.passed_over):  # a name may be that of a photo in this folder
        folder = photos.root
    placed: list[str | None] = []
    missing: set[str] = set()
    for name, path in zip(names, found, strict=True):
        if isinstance(path, Path) and folder is not None:
            placed.append(path.relative_to(folder).as_posix())
        elif isinstance(path, NotFound) and path.is_ambiguous:
            report.lose_photo(_shown(name), f"{place.name}: {_shown(name)!r}: {path.reason}")
            placed.append(None)
        else:
            placed.append(name_of_missing(name, place, report, missing))
            missing.add(placed[-1] or "")
    return placed, folder


def name_of_missing(name: str, place: Path, report: ReadReport, taken: Container[str] = ()) -> str | None:
    """The name as it is listed, else the shortest end of it that is not taken; None for what is no name."""
    try:
        return relative_name(name, place.name)
    except DatasetError as error:
        parts = () if report.strict else PurePosixPath(_plain(name)).parts[-MOST_PARTS:]
        for start in range(len(parts) - 1, -1, -1):
            with suppress(DatasetError):
                end = relative_name("/".join(parts[start:]), place.name)
                if end not in taken:
                    return end
        report.lose_photo(_shown(name) if name.strip() else place, str(error))
        return None


def _folder_of_all(names: Sequence[str], place: Path, photos: PhotoIndex) -> Path | None:
    """The first of the usual folders that holds all the photos under the names that are listed.

    Those of the split that the annotation file's name says, as ``instances_train.json``, come first.
    """
    if not names or any(len(name) > MOST_CHARACTERS or ".." in name or "\0" in name for name in names):
        return None
    bases = [photos.root, place.parent] if place.parent.is_relative_to(photos.root) else [photos.root]
    for base in dict.fromkeys(reversed(bases)):
        usual = (*(base / name for name in PHOTO_FOLDERS), base)
        splits = sorted(words_of(place) & {*SPLIT_FOLDERS})
        of_split = [folder / split for folder in usual for split in splits]
        for folder in (*filter(Path.is_dir, of_split), *usual):
            with suppress(OSError, ValueError):
                if all((folder / _plain(name)).is_file() for name in names):
                    return folder
    return None


def _plain(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _shown(name: str) -> str:
    """The end of a listed path: folders further up are those of a machine."""
    return safe_path("/".join(PurePosixPath(_plain(name)).parts[-SHOWN_PARTS:]))


def _start(root: Path, path: Path, name: str) -> Path | None:
    """The folder that a path consists of together with the listed name; None where it does not."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    own = path.relative_to(root).parts
    if not parts or own[-len(parts) :] != parts:
        return None
    return Path(root, *own[: len(own) - len(parts)])
