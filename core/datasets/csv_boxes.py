"""Boxes in CSV: Lapel's exports, of a revision and of a preview, and Roboflow's and TensorFlow's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.boxes import BOX_FLAGS
from core.csv_cells import unescape_formula
from core.datasets.attributes import box_flags, parse_tags, usual_name
from core.datasets.detection import BoxRow, DetectionDataset
from core.datasets.export import COLUMNS
from core.datasets.listed_photos import ListedPhoto, NamedRow, by_name, dataset_of, whole_size
from core.datasets.parsing import FREE_ROWS, MOST_BOXES, read_rows
from core.datasets.photo_index import PhotoIndex
from core.datasets.report import ReadReport, named
from core.errors import DatasetError
from core.file_names import safe_name

Row = Mapping[str, str]

CORNERS = (
    *(("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax")),
    *(("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2")),
)
PHOTO_COLUMNS = ("photo", "filename", "file_name", "image", "image_path", "image_name")
CATEGORY_COLUMNS = ("category", "class", "class_name", "label_name", "label")
"""Of these, the first that is there; a ``label`` beside another of them is the fine label."""
KNOWN_COLUMNS = frozenset(
    (*PHOTO_COLUMNS, *CATEGORY_COLUMNS, *(side for corners in CORNERS for side in corners))
    + (
        *BOX_FLAGS,
        *COLUMNS,
        "width",
        "height",
        "flags",
        "tags",
        "comments",
        "split",
        "holdout",
        "digest",
        "deleted",
    )
    + ("version", "author", "box", "origin", "changed", "id", "image_id", "imageid", "depth")
)
"""Columns that are read, or that Lapel's exports and other tools have for themselves."""


SIZES_DIFFER = "rows of one photo say different sizes of it, and each was read in its own"


def is_box_csv(columns: Iterable[str]) -> bool:
    """Whether the columns of a CSV hold photos, corners and categories."""
    given = {column.lower() for column in columns}
    return (
        any(set(corners) <= given for corners in CORNERS)
        and bool(given & set(PHOTO_COLUMNS))
        and bool(given & set(CATEGORY_COLUMNS))
    )


def read_box_csv(path: Path, report: ReadReport, index: PhotoIndex) -> DetectionDataset:
    """Read a CSV with a row a box; a row without corners lists a photo that shows nothing.

    Columns: photo, x0, y0, x1, y1, category, and where they are there width, height, label, flags and tags,
    as Lapel writes them; or filename, width, height, class, xmin, ymin, xmax, ymax, and other usual names of
    these, in upper or lower case. Corners are pixels of the upright photo. Raises ``DatasetError`` where the
    columns are missing.
    """
    rows_of: dict[str, list[tuple[int, Row]]] = {}
    known: list[str] | None = None
    for line, written, error in read_rows(path):
        row = {column.lower(): cell for column, cell in written.items()}
        if known is None:
            known = list(row)
            if not is_box_csv(known):
                break
            others = [safe_name(name)[:60] for name in written if name and name.lower() not in KNOWN_COLUMNS]
            if others:
                report.remark(path, f"these columns are not read: {named(others)}")
        if error:
            report.lose_box(path, f"{path.name} line {line}: {error}")
            continue
        if line > max(FREE_ROWS, MOST_BOXES * len(rows_of)):
            raise DatasetError(
                f"{path.name}: at most {MOST_BOXES:,} rows of a photo are read, got over {line - 2:,} of "
                f"{len(rows_of):,} {'photo' if len(rows_of) == 1 else 'photos'}"
            )
        name = unescape_formula(_of(row, PHOTO_COLUMNS))
        if name:
            rows_of.setdefault(name, []).append((line, row))
        else:
            report.lose_box(path, f"{path.name} line {line}: a photo's name is expected, there is none")
    if known is None or not is_box_csv(known):
        raise DatasetError(
            f"{path.name}: boxes are expected, as in a COCO file or a CSV with the columns photo, x0, y0, "
            f"x1, y1 and category, got {', '.join(known or ()) or 'no rows'}"
        )
    listed = [_photo(name, rows, path, report) for name, rows in rows_of.items()]
    return dataset_of(listed, *by_name(listed, path, report), path, report, index)


def _photo(name: str, rows: list[tuple[int, Row]], path: Path, report: ReadReport) -> ListedPhoto:
    first = rows[0][1]
    sides = [_side(first.get(key, "")) for key in ("width", "height")]
    size_wh = (sides[0], sides[1]) if sides[0] and sides[1] else None
    report.note_holdout(name, first)
    if len(rows) > MOST_BOXES:
        report.lose_box(path, f"{path.name}: {name}: at most {MOST_BOXES:,} rows are read, got {len(rows):,}")
        return ListedPhoto(name, size_wh, (), True)
    boxes: list[NamedRow] = []
    lost = False
    for line, row in rows:
        try:
            if (box := _row(row, path, report)) is not None:
                boxes.append(_scaled(box, row, size_wh, path, report))
        except DatasetError as error:
            lost = True
            report.lose_box(path, f"{path.name} line {line}: {error}")
    written = dict.fromkeys(
        text for text in unescape_formula(first.get("tags", "")).split(";") if text.strip()
    )
    tags = parse_tags(list(written), name, path, report)
    return ListedPhoto(name, size_wh, tuple(boxes), lost, tags=tags)


def _scaled(
    box: NamedRow, row: Row, size_wh: tuple[int, int] | None, path: Path, report: ReadReport
) -> NamedRow:
    """A box of a row that says another size of its photo than the first one, in pixels of that."""
    width, height = (_side(row.get(key, "")) for key in ("width", "height"))
    if size_wh is None or not width or not height or (width, height) == size_wh:
        return box
    report.remark(path, f"{SIZES_DIFFER}: {size_wh[0]} x {size_wh[1]} and {width} x {height}")
    across, down = size_wh[0] / width, size_wh[1] / height
    x0, y0, x1, y1 = box[0][:4]
    return box[0]._replace(x0=x0 * across, y0=y0 * down, x1=x1 * across, y1=y1 * down), box[1]


def _row(row: Row, path: Path, report: ReadReport) -> NamedRow | None:
    """The row's box; None where it lists a photo without one."""
    keys = next(corners for corners in CORNERS if set(corners) <= row.keys())
    texts = [row[key].strip() for key in keys]
    category = " ".join(unescape_formula(_of(row, CATEGORY_COLUMNS)).split())
    if not any(texts) and not category:
        return None
    if not any(texts):
        raise DatasetError(f"four corners in pixels are expected of {category[:60]!r}, there are none")
    try:
        x0, y0, x1, y1 = (float(text) for text in texts)
    except ValueError as error:
        raise DatasetError(f"four corners in pixels are expected, got {', '.join(texts)[:60]!r}") from error
    if not category:
        raise DatasetError("a category is expected, there is none")
    written = list(filter(None, re.split(r"[\s;,|]+", unescape_formula(row.get("flags", "")))))
    for name in written:
        if not usual_name(name):
            report.leave_attribute(path, name)
    usual = box_flags({key: row.get(key) for key in BOX_FLAGS}, source=path, report=report)
    flags = frozenset(filter(None, map(usual_name, written))) | usual
    label = unescape_formula(row.get("label", "")) if any(key in row for key in CATEGORY_COLUMNS[:-1]) else ""
    return BoxRow(x0, y0, x1, y1, 0, label or None, flags), category


def _of(row: Row, columns: Iterable[str]) -> str:
    return next((row[column].strip() for column in columns if column in row), "")


def _side(text: str) -> int | None:
    try:
        return whole_size(float(text))
    except ValueError:
        return None
