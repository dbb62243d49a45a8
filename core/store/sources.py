"""Import sources: photos, zips of them, or data sets with boxes, listed as one item a file.

Zips are unpacked to a folder, so that an import can continue in the middle of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from core.datasets.detection import DetectionDataset
from core.datasets.discovery import DatasetFinder, FoundDataset
from core.datasets.listed import UNKNOWN_WH, photos_root
from core.datasets.photo_index import PLAIN_FOLDERS, PhotoIndex, files_below, folded, is_picture
from core.datasets.report import ReadReport, named
from core.errors import ArchiveError, DatasetError, PhotoError, StoreError, StoreFullError
from core.file_names import relative_name, safe_path
from core.files import disk_errors
from core.garments import Refusal
from core.images.archives import ZipLimits, is_zip, unpack
from core.images.containers import kind_of
from core.taxonomy import category_key

Row = tuple[float, float, float, float, str, str | None, tuple[str, ...]]
"""x0, y0, x1, y1 in pixels, the category's name, the fine label, some of BOX_FLAGS."""

_MOST_WRAPPERS = 4
LIMITS = ZipLimits(entries=200_000, entry_bytes=512 * 2**20)
"""A data set's zip holds more entries than a batch of photos, and one large file of annotations."""

ANNOTATION_SUFFIXES = (".json", ".xml", ".yaml", ".yml", ".csv")
NOTES = (".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".log", ".py", ".sh", ".ini", ".toml", ".cfg")
"""Files that accompany data sets, and are neither photos nor annotations."""

SPLIT_FOLDERS = ("train", "val", "valid", "test", "holdout", "trainval")

CROPS, PREVIEW_LINES = "crops", "labels.jsonl"
"""What tells the zip of a preview, and holds parts of photos."""

StoredIds = Callable[[Iterable[str]], Mapping[str, int]]
"""The ids of the stored photos with these names or base names, where each fits only one."""


@dataclass(frozen=True)
class Item:
    """One photo to bring in, or a sentence for the report.

    ``name`` is how the report calls it, ``path`` where it lies below ``root``, ``stored_name`` what the store
    is to call the photo; ``boxes`` are in pixels of a photo of ``size_wh``. ``is_annotated`` says that the
    boxes are all there are, also where there are none. A ``photo_id`` is that of a photo that is stored
    already, and has no path. ``error`` says what did not come, and ``loss`` what kind of thing it was: photo,
    file, box, or nothing (a remark); ``count`` is how many of them.
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

    def as_list(self) -> list[Any]:
        """The form in an import's manifest."""
        boxes = [list(box) for box in self.boxes]
        start = [self.name, self.path, self.root, self.error, list(self.size_wh), boxes]
        return [*start, self.is_annotated, self.photo_id, self.loss, self.count, self.stored_name]

    @classmethod
    def from_list(cls, entry: list[Any]) -> Item:
        """Out of that form; also of an older one, which an update of Lapel may meet half done."""
        name, path, root, error, (width, height), boxes, *rest = entry
        rows = tuple((*box[:6], tuple(box[6]) if len(box) > 6 else ()) for box in boxes)
        if len(rest) == 1:  # whether an error was about a whole photo
            rest = [bool(boxes), 0, "photo" if error and rest[0] else ""]
        return cls(name, path, root, error, (width, height), rows, *rest)


@dataclass(frozen=True)
class SourceScanner:
    """Lists the files of paths; zips are unpacked into folders of ``work``.

    ``everything`` says that all files are meant to be photos, as in an upload or a zip, and not only those
    that look like it, as in a folder of the server. ``stored_ids`` finds photos of the store by name, for
    annotations that come without theirs. ``may_read`` says which folders a single annotation file's photos
    may be looked for in, besides its own.
    """

    work: Path
    everything: bool = False
    stored_ids: StoredIds = lambda names: {}
    may_read: Callable[[Path], bool] = lambda folder: True

    def items(self, source: Path) -> Iterator[Item]:
        """All that is to be brought in, in an order that stays. Raises StoreFullError without room."""
        yield from self._items(source, source.name, self.everything, count(1))

    def _items(self, source: Path, name: str, everything: bool, numbers: Iterator[int]) -> Iterator[Item]:
        if is_zip(source):
            yield from self._unpacked(source, name, numbers)
        elif source.is_dir():
            yield from self._files(source, everything, zips=numbers if everything else None)
        elif source.suffix.lower() in ANNOTATION_SUFFIXES:
            yield from self._single(source)
        else:
            yield Item(name, str(source), str(source.parent), stored_name=safe_path(source.name))

    def _unpacked(self, source: Path, name: str, numbers: Iterator[int]) -> Iterator[Item]:
        folder = self.work / "unpacked" / str(next(numbers))
        try:
            refused = list(unpack_to(source, folder))
        except ArchiveError as error:
            yield Item(name, error=str(error), loss="photo")
            return
        yield from (Item(refusal.photo, error=refusal.error, loss="photo") for refusal in refused)
        if folder.is_dir():
            yield from self._files(folder, everything=True, zips=None)

    def _single(self, source: Path) -> Iterator[Item]:
        """The photos that one annotation file lists, with their boxes."""
        root = photos_root(source, None)
        if root != source.parent and not self.may_read(root):
            root = source.parent
        scan = _FolderScan(root, self.stored_ids)
        is_yaml = source.suffix.lower() in (".yaml", ".yml")
        files = [file for file in files_below(root) if not is_picture(file)] if is_yaml else [source]
        yield from scan.datasets(DatasetFinder(root, files, PhotoIndex(root), scan.report))
        yield from scan.reported()

    def _files(self, folder: Path, everything: bool, zips: Iterator[int] | None) -> Iterator[Item]:
        """A folder's photos, with the boxes of its data sets; zips are opened where ``zips`` is given."""
        root = _unwrapped(folder)
        photos: list[Path] = []
        others: list[Path] = []
        skipped: list[tuple[Path, str]] = []
        for path in files_below(root, lambda path, reason: skipped.append((path, reason))):
            if zips is not None and is_zip(path):
                yield from self._unpacked(path, path.relative_to(folder).as_posix(), zips)
            else:
                (photos if looks_like_photo(path) else others).append(path)
        scan = _FolderScan(root, self.stored_ids, stored_names(photos, root))
        outside = {path for path in (*photos, *others) if path.is_symlink() and leads_out(path, root)}
        for path, reason in skipped:
            name = path.relative_to(root).as_posix() if path != root else root.name
            scan.report.lose_file(name, reason)
        for path in others:
            if path in outside:
                name = path.relative_to(root).as_posix()
                scan.report.lose_file(name, f"{path.name} is a link that leads out of the folder")
        inside = [path for path in others if path not in outside]
        index = PhotoIndex(root, [path for path in photos if path not in outside])
        finder = DatasetFinder(root, inside, index, scan.report)
        yield from scan.datasets(finder)
        yield from scan.unlisted(photos)
        yield from scan.rest(finder.left, everything)
        yield from scan.reported()


class _FolderScan:
    """The items of one folder: photos of its data sets, those that no annotation lists, and the report."""

    def __init__(self, root: Path, stored_ids: StoredIds, names: Mapping[Path, str] | None = None) -> None:
        self.report = ReadReport()
        self._root, self._stored_ids, self._names = root, stored_ids, names
        self._listed_by: dict[Path, str] = {}
        self._boxes: dict[Path, set[_Corners]] = {}
        self._formats: list[str] = []
        self._unlisted: set[str] = set()

    def datasets(self, finder: DatasetFinder) -> Iterator[Item]:
        """The annotated photos of all data sets; a photo that several list has the boxes of the first."""
        for found in finder.datasets():
            self._formats.append(found.name)
            self._remark_on(found)
            yield from self._annotated(found)

    def _annotated(self, found: FoundDataset) -> Iterator[Item]:
        again: list[Item] = []
        missing: list[Item] = []
        for item in self._named(found.dataset):
            path = Path(item.path)
            if not path.is_file():
                missing.append(item)
            elif path in self._listed_by:
                again.append(item)
            elif item.is_annotated:
                self._listed_by[path] = found.name
                self._boxes[path] = {_rounded(row) for row in item.boxes}
                yield item
        self._compare(found.name, again)
        yield from self._stored(missing)

    def _compare(self, name: str, again: Sequence[Item]) -> None:
        """Photos that were listed before have the boxes from there; others of theirs are lost."""
        if not again:
            return
        first = self._listed_by[Path(again[0].path)]
        self.report.remark(
            name,
            f"photos that {first} lists as well have the boxes from there: {named([i.name for i in again])}",
        )
        for item in again:
            known = self._boxes[Path(item.path)]
            others = [row for row in item.boxes if not _is_near(_rounded(row), known)]
            for row in others:
                self.report.lose_box(
                    name, f"{item.name} has the boxes of {first}; a {row[4][:60]!r} of {name} was left out"
                )

    def _named(self, dataset: DetectionDataset) -> Iterator[Item]:
        """The data set's photos, with the names that they are to have in the store."""
        names = self._names
        if names is None:
            names = stored_names(
                [(dataset.folder or self._root) / p.file_name for p in dataset.photos], self._root
            )
        for item in _boxed(dataset, self._root):
            name = names.get(Path(item.path)) or without_plain_folders(item.name)
            yield replace(item, stored_name=name)

    def _stored(self, missing: list[Item]) -> Iterator[Item]:
        """Items of photos that did not come along: with the store's, where it has one of that name."""
        ids = self._stored_ids([item.stored_name for item in missing]) if missing else {}
        for item in missing:
            id = ids.get(item.stored_name, 0)
            yield replace(item, path="", photo_id=id) if id and item.is_annotated else item

    def _remark_on(self, found: FoundDataset) -> None:
        photos = found.dataset.photos
        crowded = {photo.file_name: len(photo.crowd_ids) for photo in photos if len(photo.crowd_ids)}
        if crowded:
            count = sum(crowded.values())
            regions = (
                "1 crowd region (iscrowd) was" if count == 1 else f"{count} crowd regions (iscrowd) were"
            )
            self.report.remark(
                found.name,
                f"{regions} left out, as each covers several garments: in {named(list(crowded))}",
            )

    def unlisted(self, photos: Iterable[Path]) -> Iterator[Item]:
        """The photos that no data set annotates: they come without boxes."""
        names: list[str] = []
        crops = self._root / CROPS if (self._root / PREVIEW_LINES).is_file() else None
        for path in photos:
            if crops is not None and path.is_relative_to(crops):
                continue
            if path not in self._listed_by:
                name = path.relative_to(self._root).as_posix()
                names.append(name)
                self._unlisted.add(name)
                stored = (self._names or {}).get(path, name)
                yield Item(name, str(path), str(self._root), stored_name=stored)
        if crops is not None and crops.is_dir():
            self.report.remark(CROPS, "the garments' crops of a preview are no photos, and were not read")
        if names and self._formats:
            photos_came = (
                "1 photo that no annotation lists"
                if len(names) == 1
                else f"{len(names):,} photos that no annotation lists"
            )
            self.report.remark(
                "Photos without annotations", f"{photos_came} came without boxes: {named(names)}"
            )

    def rest(self, files: Iterable[Path], everything: bool) -> Iterator[Item]:
        """Files that are neither photos nor annotations; refused where all are meant to be photos."""
        notes: list[str] = []
        for path in files:
            name = path.relative_to(self._root).as_posix()
            if everything and path.suffix.lower() not in NOTES:
                yield Item(name, str(path), str(self._root), stored_name=safe_path(name))
            else:
                notes.append(name)
        if notes:
            self.report.remark("Other files", f"neither photos nor annotations, and not read: {named(notes)}")

    def reported(self) -> Iterator[Item]:
        """What the report says, as items; those of one name with all of its sentences.

        A photo that could not be read and comes as one that no annotation lists is refused there.
        """
        entries = [e for e in self.report.entries() if e.loss != "photo" or e.name not in self._unlisted]
        sentences: dict[str, list[str]] = {}
        for entry in entries:
            sentences.setdefault(entry.name, []).append(entry.reason)
        for entry in entries:
            yield Item(entry.name, error=" ".join(sentences[entry.name]), loss=entry.loss, count=entry.count)


_Corners = tuple[int, int, int, int, str]


def _rounded(row: Row) -> _Corners:
    """A box in whole pixels with its category, to compare what two files say."""
    x0, y0, x1, y1 = (round(side) for side in row[:4])
    return x0, y0, x1, y1, category_key(row[4])


def _is_near(box: _Corners, known: set[_Corners]) -> bool:
    """Whether a box is among others, to two pixels."""
    return box in known or any(
        box[4] == other[4] and all(abs(a - b) <= 2 for a, b in zip(box[:4], other[:4], strict=True))
        for other in known
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


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path ends up outside of the folder once its links are followed."""
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return True


def looks_like_photo(path: Path) -> bool:
    """Whether a file is a picture by its name, or a photo by its first bytes."""
    if is_picture(path):
        return True
    if path.suffix.lower() in (*ANNOTATION_SUFFIXES, *NOTES):
        return False
    try:
        with path.open("rb") as file:
            return kind_of(file.read(16)) in ("JPEG", "PNG", "WEBP")
    except OSError:
        return False


def _boxed(dataset: DetectionDataset, root: Path) -> Iterator[Item]:
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
        yield Item(name, str(path), str(base), "", known_wh, rows, photo.is_annotated)


def _unwrapped(folder: Path) -> Path:
    """The folder that things really lie in, where zips and uploads wrap it into single folders."""
    for _ in range(_MOST_WRAPPERS):
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        if entries[0].is_symlink():
            return folder
        folder = entries[0]
    return folder


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
