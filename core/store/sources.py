"""Import sources: photos, zips of them, or datasets with boxes, listed as one item a file.

Zips are unpacked to a folder, so that an import can continue in the middle of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from core.datasets.discovery import DatasetFinder
from core.datasets.folder_files import files_below, is_picture
from core.datasets.listed_photos import photos_root
from core.datasets.photo_index import (
    NO_PHOTO,
    NotFound,
    PhotoIndex,
    StoredPhoto,
)
from core.datasets.renamed import RENAMED
from core.datasets.report import named
from core.datasets.yolo_texts import is_text
from core.errors import ArchiveError, DatasetError, PhotoError, StoreError, StoreFullError
from core.file_names import is_hidden, relative_name, safe_path
from core.files import disk_errors
from core.garments import Refusal
from core.images.archives import ZipLimits, is_zip, unpack
from core.images.containers import PHOTO_KINDS, kind_of
from core.store.folder_scan import NOTES, FindStored, FolderScan
from core.store.import_items import (
    Item,
    stored_names,
)

_MOST_WRAPPERS = 4
LIMITS = ZipLimits(entries=200_000, entry_bytes=512 * 2**20)
"""A dataset's zip holds more entries than a batch of photos, and one large file of annotations."""

ANNOTATION_SUFFIXES = (".json", ".xml", ".yaml", ".yml", ".csv")


@dataclass(frozen=True)
class SourceScanner:
    """Lists the files of paths; zips are unpacked into folders of ``work``.

    ``everything`` says that all files are meant to be photos, as in an upload or a zip, and not only those
    that look like it, as in a folder of the server. ``find_stored`` finds photos of the store by name, for
    annotations that come without theirs. ``may_read`` says which folders a single annotation file's photos
    may be looked for in, besides its own; ``stored_among`` which of some names are exactly stored photos',
    which then annotates these rather than photos elsewhere in the folder whose paths end alike; and
    ``stored_at_ends`` which stored photos some names end with, which they may mean as well.
    """

    work: Path
    everything: bool = False
    find_stored: FindStored = lambda listed, root: [NotFound(NO_PHOTO)] * len(listed)
    may_read: Callable[[Path], bool] = lambda folder: True
    stored_among: Callable[[Collection[str]], Collection[str]] = lambda names: ()
    stored_at_ends: Callable[[Sequence[str]], Sequence[Sequence[StoredPhoto]]] | None = None

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
            hidden: list[str] = []
            refused = list(unpack_to(source, folder, hidden.append))
        except ArchiveError as error:
            yield Item(name, error=str(error), loss="photo")
            return
        yield from (Item(refusal.photo, error=refusal.error, loss="photo") for refusal in refused)
        if folder.is_dir():
            yield from self._files(folder, everything=True, zips=None, hidden=hidden)

    def _single(self, source: Path) -> Iterator[Item]:
        """The photos that one annotation file lists, with their boxes."""
        root = photos_root(source, None)
        if root != source.parent and not self.may_read(root):
            root = source.parent
        beside = dict.fromkeys((source.with_name(RENAMED), root / RENAMED))
        scan = FolderScan(root, self.find_stored, renamed=[file for file in beside if file.is_file()])
        is_yaml = source.suffix.lower() in (".yaml", ".yml")
        files = [source]
        if is_yaml:  # its labels are texts of their own
            files += [file for file in files_below(root) if is_text(file)]
        index = PhotoIndex(root, stored_among=self.stored_among, stored_at_ends=self.stored_at_ends)
        yield from scan.datasets(DatasetFinder(root, files, index, scan.report, scan.find_stored))
        if index.passed_over:
            others = named([path.relative_to(root).as_posix() for path in index.passed_over.values()])
            stored = named(list(index.passed_over))
            exactly = "it annotates stored photos of exactly the listed names"
            scan.report.remark(source.name, f"{exactly}, {stored}; not {others}")
        yield from scan.reported()

    def _files(
        self, folder: Path, everything: bool, zips: Iterator[int] | None, hidden: Sequence[str] = ()
    ) -> Iterator[Item]:
        """A folder's photos, with the boxes of its datasets; zips are opened where ``zips`` is given.

        ``hidden`` are the names of files that were left out before.
        """
        root = unwrapped(folder)
        photos: list[Path] = []
        others: list[Path] = []
        skipped: list[tuple[Path, str]] = []
        above = [outer for outer in root.parents if outer.is_relative_to(folder)]
        hidden_files = [
            *hidden,
            *(path.name for outer in above for path in outer.iterdir() if is_hidden(path.name)),
        ]
        for path in files_below(
            root,
            lambda path, reason: skipped.append((path, reason)),
            lambda path: hidden_files.append(path.relative_to(root).as_posix()),
        ):
            if path.exists() and not path.is_file():  # a pipe or a device could be waited on for ever
                skipped.append((path, f"{path.name} is no plain file"))
            elif zips is not None and is_zip(path):
                yield from self._unpacked(path, path.relative_to(folder).as_posix(), zips)
            else:
                (photos if looks_like_photo(path) else others).append(path)
        outside = {path for path in (*photos, *others) if path.is_symlink() and leads_out(path, root)}
        renamed = [path for path in others if path not in outside]
        scan = FolderScan(root, self.find_stored, stored_names(photos, root), renamed)
        scan.remark_hidden(hidden_files)
        for path, reason in skipped:
            name = path.relative_to(root).as_posix() if path != root else root.name
            scan.report.lose_file(name, reason)
        for path in others:
            if path in outside:
                name = path.relative_to(root).as_posix()
                scan.report.lose_file(name, f"{path.name} is a link that leads out of the folder")
        inside = [path for path in others if path not in outside]
        index = PhotoIndex(root, [path for path in photos if path not in outside])
        finder = DatasetFinder(root, inside, index, scan.report, scan.find_stored)
        yield from scan.datasets(finder)
        yield from scan.unlisted(photos)
        yield from scan.rest(finder.left, everything)
        yield from scan.reported()


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
            return kind_of(file.read(16)) in PHOTO_KINDS
    except OSError:
        return False


def unwrapped(folder: Path) -> Path:
    """The folder that things really lie in, where zips and uploads wrap it into single folders."""
    for _ in range(_MOST_WRAPPERS):
        entries = [path for path in folder.iterdir() if not is_hidden(path.name)]
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        if entries[0].is_symlink():
            return folder
        folder = entries[0]
    return folder


def unpack_to(
    source: Path, folder: Path, on_hidden: Callable[[str], object] = lambda name: None
) -> Iterator[Refusal]:
    """Write a zip's files below a new folder; yields those that cannot be, ``on_hidden`` is told the hidden.

    Raises ArchiveError before anything is written where the zip is dangerous, StoreFullError without room.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name, found in unpack(source, LIMITS, on_hidden):
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
