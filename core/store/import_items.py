"""A photo or sentence of an import, as it stands in the manifest; names and boxes of a dataset's photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.datasets.detection import DetectionDataset
from core.datasets.listed_paths import PLAIN_FOLDERS, SPLIT_FOLDERS, folded
from core.datasets.listed_photos import UNKNOWN_WH
from core.datasets.photo_index import ListedName
from core.file_names import safe_path
from core.taxonomy import category_key

Row = tuple[float, float, float, float, str, str | None, tuple[str, ...]]
"""x0, y0, x1, y1 in pixels, the category's name, the fine label, some of BOX_FLAGS."""


@dataclass(frozen=True)
class Item:
    """One photo to bring in, or a sentence for the report.

    ``name`` is how the report calls it, ``path`` where it lies below ``root``, ``stored_name`` what the store
    is to call the photo; ``boxes`` are in pixels of a photo of ``size_wh``. ``is_annotated`` says that the
    boxes are all there are, also where there are none. A ``photo_id`` is that of a photo that is stored
    already, and has no path. ``error`` says what did not come, and ``loss`` what kind of thing it was: photo,
    file, box, or nothing (a remark); ``count`` is how many of them. ``listed`` is what its annotation file
    calls it; the manifest does not have that. ``format`` is that of the boxes, as the finder calls it.
    """

    name: str
    path: str = ""
    root: str = ""
    error: str = ""
    size_wh: tuple[int, int] = (0, 0)
    boxes: tuple[Row, ...] = ()
    is_annotated: bool = False
    photo_id: int = 0
    loss: str = ""
    count: int = 0
    stored_name: str = ""
    format: str = ""
    tags: tuple[str, ...] = ()
    listed: ListedName | None = None

    def as_list(self) -> list[Any]:
        """The form in an import's manifest."""
        boxes = [list(box) for box in self.boxes]
        start = [self.name, self.path, self.root, self.error, list(self.size_wh), boxes]
        return [
            *start,
            self.is_annotated,
            self.photo_id,
            self.loss,
            self.count,
            self.stored_name,
            self.format,
            list(self.tags),
        ]

    @classmethod
    def from_list(cls, entry: list[Any]) -> Item:
        """Out of that form; also of an older one, which an update of Lapel may meet half done."""
        name, path, root, error, (width, height), boxes, *rest = entry
        rows = tuple((*box[:6], tuple(box[6]) if len(box) > 6 else ()) for box in boxes)
        if len(rest) == 1:  # whether an error was about a whole photo
            rest = [bool(boxes), 0, "photo" if error and rest[0] else ""]
        item = cls(name, path, root, error, (width, height), rows, *rest)
        return replace(item, tags=tuple(item.tags))


def boxed_items(dataset: DetectionDataset, root: Path) -> Iterator[Item]:
    """A dataset's photos with their boxes; names are relative to ``root``."""
    folder = dataset.folder or root
    for photo in dataset.photos:
        path = folder / photo.file_name
        boxes = zip(
            photo.boxes_xyxy.tolist(), photo.category_ids.tolist(), photo.labels, photo.flags, strict=True
        )
        rows = tuple(
            (*box, dataset.categories[id], label, tuple(sorted(flags))) for box, id, label, flags in boxes
        )
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else photo.file_name
        base = root if path.is_relative_to(root) else folder
        size_wh = (photo.width, photo.height)
        known_wh = (0, 0) if size_wh == UNKNOWN_WH else size_wh
        yield Item(
            name,
            str(path),
            str(base),
            "",
            known_wh,
            rows,
            photo.is_annotated,
            listed=photo.listed,
            tags=photo.tags,
        )


def stored_names(photos: Sequence[Path], root: Path) -> dict[Path, str]:
    """What the store calls the photos of a folder: their paths, without the folders that formats add.

    A split's folder (``train``, ``val``) goes as well where the photos are told apart without it, and every
    folder stays where they are not.
    """
    full = {path: path.relative_to(root).as_posix() for path in photos if path.is_relative_to(root)}
    plain = {path: without_plain_folders(name) for path, name in full.items()}
    short = {path: _without_split(name) for path, name in plain.items()}
    for names in (short, plain):
        if len({folded(name) for name in names.values()}) == len(names):
            return names
    return {path: safe_path(name) for path, name in full.items()}


def without_plain_folders(name: str) -> str:
    """A path without the leading folders that formats put around photos, fit to be shown."""
    parts = name.split("/")
    while len(parts) > 1 and parts[0].lower() in PLAIN_FOLDERS:
        parts.pop(0)
    return safe_path("/".join(parts))


def _without_split(name: str) -> str:
    start, _, rest = name.partition("/")
    return without_plain_folders(rest) if rest and start.lower() in SPLIT_FOLDERS else name


Corners = tuple[int, int, int, int, str]


def rounded(row: Row) -> Corners:
    """A box in whole pixels with its category, to compare what two files say."""
    x0, y0, x1, y1 = (round(side) for side in row[:4])
    return x0, y0, x1, y1, category_key(row[4])


def is_near(box: Corners, known: set[Corners]) -> bool:
    """Whether a box is among others, to two pixels."""
    return box in known or any(
        box[4] == other[4] and all(abs(a - b) <= 2 for a, b in zip(box[:4], other[:4], strict=True))
        for other in known
    )
