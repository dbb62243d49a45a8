"""Import sources: photos, zips of them, or a data set with boxes, listed as one item a file.

Zips are unpacked to a folder, so that an import can continue in the middle of one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from core.datasets.coco import read_json
from core.datasets.detection import PHOTO_FOLDERS, PHOTO_SUFFIXES, DetectionDataset, named
from core.datasets.reading import read_detection, reader_of
from core.errors import ArchiveError, DatasetError, PhotoError, StoreError, StoreFullError
from core.file_names import relative_name
from core.files import disk_errors
from core.garments import Refusal
from core.images.archives import ZipLimits, is_zip, unpack
from core.images.containers import kind_of

Row = tuple[float, float, float, float, str, str | None, tuple[str, ...]]
"""x0, y0, x1, y1 in pixels, the category's name, the fine label, some of BOX_FLAGS."""

_MOST_WRAPPERS = 4
LIMITS = ZipLimits(entries=200_000, entry_bytes=512 * 2**20)
"""A data set's zip holds more entries than a batch of photos, and one large file of annotations."""


@dataclass(frozen=True)
class Item:
    """One file to bring in, or the reason why it cannot be.

    ``name`` is how the report calls it, ``path`` where it lies below ``root``; ``boxes`` are in pixels of a
    photo of ``size_wh``. With ``whole`` off, ``error`` is a remark, and no photo was refused.
    """

    name: str
    path: str = ""
    root: str = ""
    error: str = ""
    size_wh: tuple[int, int] = (0, 0)
    boxes: tuple[Row, ...] = ()
    whole: bool = True

    def as_list(self) -> list[Any]:
        """The form in an import's manifest."""
        boxes = [list(box) for box in self.boxes]
        return [self.name, self.path, self.root, self.error, list(self.size_wh), boxes, self.whole]

    @classmethod
    def from_list(cls, entry: list[Any]) -> Item:
        """Out of that form."""
        name, path, root, error, (width, height), boxes, whole = entry
        rows = tuple((*box[:6], tuple(box[6])) for box in boxes)
        return cls(name, path, root, error, (width, height), rows, whole)


@dataclass(frozen=True)
class SourceScanner:
    """Lists the files of paths; zips are unpacked into folders of ``work``.

    ``everything`` says that all files are meant to be photos, as in an upload or a zip, and not only those
    that look like it, as in a folder of the server.
    """

    work: Path
    everything: bool = False

    def items(self, source: Path) -> Iterator[Item]:
        """All that is to be brought in, in an order that stays. Raises StoreFullError without room."""
        yield from self._items(source, source.name, self.everything, count(1))

    def _items(self, source: Path, name: str, everything: bool, numbers: Iterator[int]) -> Iterator[Item]:
        if is_zip(source):
            yield from self._unpacked(source, name, numbers)
        elif source.is_dir():
            yield from self._files(source, everything, zips=numbers if everything else None)
        elif reader_of(source) is not None:
            yield from boxed_items(source, None, source.parent)
        else:
            yield Item(name, str(source), str(source.parent))

    def _unpacked(self, source: Path, name: str, numbers: Iterator[int]) -> Iterator[Item]:
        folder = self.work / "unpacked" / str(next(numbers))
        try:
            refused = list(unpack_to(source, folder))
        except ArchiveError as error:
            yield Item(name, error=str(error))
            return
        yield from map(_refused, refused)
        if folder.is_dir():
            yield from self._files(folder, everything=True, zips=None)

    def _files(self, folder: Path, everything: bool, zips: Iterator[int] | None) -> Iterator[Item]:
        """A folder's data sets; else all of its photos. Zips in it are opened where ``zips`` numbers them."""
        boxed = annotations_in(folder)
        for place, photos in boxed:
            yield from boxed_items(place, photos, folder)
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            if zips is not None and is_zip(path):
                yield from self._unpacked(path, name, zips)
            elif not boxed and (everything or looks_like_photo(path)):
                yield Item(name, str(path), str(folder))


def annotations_in(folder: Path) -> list[tuple[Path, Path | None]]:
    """The data sets of a folder: what to read, and the folder of its photos where that has to be said.

    Looked for are the folder itself, a single folder in it, its folders side by side (as one a split), and
    every COCO file among them.
    """
    root = _unwrapped(folder)
    if reader_of(root) is not None:
        return [(root, None)]
    below = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]
    found: list[tuple[Path, Path | None]] = [(path, None) for path in below if reader_of(path) is not None]
    taken = {path for path, _ in found}
    for place in (root, *(path for path in below if path not in taken)):
        files = [file for file in sorted(place.glob("*.json")) if is_coco(file)]
        found += [(file, _photos_of(file, root)) for file in files]
    return found


def boxed_items(place: Path, photos: Path | None, root: Path) -> Iterator[Item]:
    """A data set's photos with their boxes; one that cannot be read is refused as a whole."""
    refused: list[Refusal] = []
    name = place.relative_to(root).as_posix() if place != root else root.name
    try:
        check_links(place if place.is_dir() else place.parent, root)
        dataset = read_detection(place, photos, refused=refused)
        folder = dataset.folder or (place if place.is_dir() else place.parent)
    except DatasetError as error:
        yield Item(name, error=str(error))
        return
    yield from map(_refused, refused)
    remarks = " ".join(_remarks(dataset))
    if remarks:
        yield Item(name, error=remarks, whole=False)
    yield from _boxed(dataset, folder, root)


def _remarks(dataset: DetectionDataset) -> Iterator[str]:
    """What of a data set's boxes the store does not keep, in sentences."""
    if dataset.dropped_boxes:
        boxes = _counted(dataset.dropped_boxes, "box", "boxes")
        yield f"{boxes} left out: without area or outside the photo."
    crowded = {photo.file_name: len(photo.crowd_ids) for photo in dataset.photos if len(photo.crowd_ids)}
    if crowded:
        regions = _counted(sum(crowded.values()), "crowd region (iscrowd)", "crowd regions (iscrowd)")
        yield f"{regions} left out, as each covers several garments: in {named(list(crowded))}."


def _counted(count: int, one: str, many: str) -> str:
    return f"1 {one} was" if count == 1 else f"{count} {many} were"


def is_coco(file: Path) -> bool:
    """Whether a JSON file has COCO's lists."""
    try:
        document = read_json(file)
    except DatasetError:
        return False
    return isinstance(document, dict) and all(
        isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
    )


def check_links(folder: Path, root: Path) -> None:
    """Raises DatasetError where a link in the folder leads out of ``root``; photos are judged one by one."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and path.suffix.lower() not in PHOTO_SUFFIXES and leads_out(path, root):
                raise DatasetError(f"{name} is a link that leads out of the folder")


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path ends up outside of the folder once its links are followed."""
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return True


def looks_like_photo(path: Path) -> bool:
    """Whether a file is a photo by its name or its first bytes."""
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return kind_of(file.read(16)) in ("JPEG", "PNG", "WEBP")
    except OSError:
        return False


def _boxed(dataset: DetectionDataset, folder: Path, root: Path) -> Iterator[Item]:
    for photo in dataset.photos:
        path = folder / photo.file_name
        boxes = zip(
            photo.boxes_xyxy.tolist(), photo.category_ids.tolist(), photo.labels, photo.flags, strict=True
        )
        rows = tuple(
            (*box, dataset.categories[id], label, tuple(sorted(flags))) for box, id, label, flags in boxes
        )
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else photo.file_name
        yield Item(name, str(path), str(root), "", (photo.width, photo.height), rows)


def _unwrapped(folder: Path) -> Path:
    """The folder that things really lie in, where zips and uploads wrap it into single folders."""
    for _ in range(_MOST_WRAPPERS):
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if reader_of(folder) is not None or len(entries) != 1 or not entries[0].is_dir():
            return folder
        if entries[0].is_symlink():
            return folder
        folder = entries[0]
    return folder


def _photos_of(file: Path, root: Path) -> Path | None:
    """Where a COCO file's photos lie, if not where its reader looks: in train2017/ for *_train2017.json."""
    if file.parent == root or file.parent.name != "annotations":
        return None
    named = [root / name for name in (file.stem, file.stem.rpartition("_")[2], *PHOTO_FOLDERS)]
    return next((folder for folder in named if folder.is_dir()), root)


def _walk(folder: Path) -> Iterator[Path]:
    """The folder's files in order, hidden ones left out; links are given, and judged when they are opened."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _refused(refusal: Refusal) -> Item:
    return Item(refusal.photo, error=refusal.error)


def unpack_to(source: Path, folder: Path) -> Iterator[Refusal]:
    """Write a zip's files below a new folder; yields those that cannot be.

    Raises ArchiveError before anything is written where the zip is dangerous, StoreFullError without room.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name, found in unpack(source, LIMITS):
        error = str(found) if isinstance(found, PhotoError) else _write(folder, name, found)
        if error:
            yield Refusal(name, error)


def _write(folder: Path, name: str, data: bytes) -> str:
    """Write one file; returns why it could not be."""
    try:
        path = folder / relative_name(name, "the zip")
        with disk_errors(
            "There is no room left to unpack the zip; nothing was changed.", "The file cannot be unpacked"
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return "The zip holds this name twice."
            path.write_bytes(data)
    except DatasetError as error:
        return f"{error}."
    except StoreFullError:
        raise
    except StoreError as error:
        return str(error)
    return ""
