"""Import sources: photos, zips of them, or datasets with boxes, listed as one item a file.

Zips are unpacked to a folder, so that an import can continue in the middle of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path, PurePosixPath

from core.datasets.discovery import DatasetFinder, FoundDataset
from core.datasets.listed import photos_root
from core.datasets.listed_paths import Key, folded, name_key, stem_of
from core.datasets.photo_index import (
    NO_PHOTO,
    ListedName,
    NotFound,
    PhotoIndex,
    StoredPhoto,
    files_below,
    is_picture,
)
from core.datasets.report import ReadReport, named
from core.datasets.splits import HOLDOUT
from core.datasets.yolo_texts import is_text
from core.errors import ArchiveError, DatasetError, PhotoError, StoreError, StoreFullError
from core.file_names import relative_name, safe_path
from core.files import disk_errors
from core.garments import Refusal
from core.images.archives import ZipLimits, is_zip, unpack
from core.images.containers import PHOTO_KINDS, kind_of
from core.store.import_items import (
    Corners,
    Item,
    boxed_items,
    is_near,
    rounded,
    stored_names,
    without_plain_folders,
)

_MOST_WRAPPERS = 4
LIMITS = ZipLimits(entries=200_000, entry_bytes=512 * 2**20)
"""A dataset's zip holds more entries than a batch of photos, and one large file of annotations."""

ANNOTATION_SUFFIXES = (".json", ".xml", ".yaml", ".yml", ".csv")
NOTES = (
    *(".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".log", ".py", ".ipynb", ".sh", ".ini", ".toml"),
    *(".cfg", ".data", ".cache", ".weights", ".pt", ".onnx", ".md5", ".sha256", ".bak", ".db"),
)
"""Files that accompany datasets, and are neither photos nor annotations."""

CROPS, PREVIEW_LINES = "crops", "labels.jsonl"
"""What tells the zip of a preview, and holds parts of photos."""

FindStored = Callable[[Sequence[ListedName], Path], Sequence[int | NotFound]]
"""The ids of the stored photos that names in files below a folder mean, or why there is none."""


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
        scan = _FolderScan(root, self.find_stored)
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

    def _files(self, folder: Path, everything: bool, zips: Iterator[int] | None) -> Iterator[Item]:
        """A folder's photos, with the boxes of its datasets; zips are opened where ``zips`` is given."""
        root = unwrapped(folder)
        photos: list[Path] = []
        others: list[Path] = []
        skipped: list[tuple[Path, str]] = []
        for path in files_below(root, lambda path, reason: skipped.append((path, reason))):
            if zips is not None and is_zip(path):
                yield from self._unpacked(path, path.relative_to(folder).as_posix(), zips)
            else:
                (photos if looks_like_photo(path) else others).append(path)
        scan = _FolderScan(root, self.find_stored, stored_names(photos, root))
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
        finder = DatasetFinder(root, inside, index, scan.report, scan.find_stored)
        yield from scan.datasets(finder)
        yield from scan.unlisted(photos)
        yield from scan.rest(finder.left, everything)
        yield from scan.reported()


class _FolderScan:
    """The items of one folder: photos of its datasets, those that no annotation lists, and the report."""

    def __init__(self, root: Path, find_stored: FindStored, names: Mapping[Path, str] | None = None) -> None:
        self.report = ReadReport(root=root)
        self._root, self._find_stored, self._names = root, find_stored, names
        self._listed_by: dict[Path, str] = {}
        self._unboxed: set[Path] = set()  # listed, with rows of which none gives a box
        self._boxes: dict[Path, set[Corners]] = {}
        self._formats: list[str] = []
        self._unlisted: set[str] = set()
        self._came: dict[str, str] = {}  # how the report calls photos that came, and annotations

    def datasets(self, finder: DatasetFinder) -> Iterator[Item]:
        """The annotated photos of all datasets; a photo that several list has the boxes of the first."""
        for found in finder.datasets():
            self._formats.append(found.name)
            self._remark_on(found)
            yield from self._annotated(found)

    def _annotated(self, found: FoundDataset) -> Iterator[Item]:
        again: list[Item] = []
        missing: list[Item] = []
        for item in self._named(found):
            path = Path(item.path)
            if not path.is_file():
                missing.append(item)
            elif path in self._listed_by:
                again.append(item)
            elif item.is_annotated:
                self._listed_by[path] = found.name
                self._boxes[path] = {rounded(row) for row in item.boxes}
                self._came[item.name] = item.listed.name if item.listed else item.name
                yield item
            elif item.listed is not None:
                self._unboxed.add(path)
        self._compare(found.name, again)
        yield from self._stored(found, missing)

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
            others = [row for row in item.boxes if not is_near(rounded(row), known)]
            for row in others:
                self.report.lose_box(
                    name, f"{item.name} has the boxes of {first}; a {row[4][:60]!r} of {name} was left out"
                )

    def _named(self, found: FoundDataset) -> Iterator[Item]:
        """The dataset's photos, with the names that they are to have in the store."""
        names, dataset = self._names, found.dataset
        if names is None:
            names = stored_names(
                [(dataset.folder or self._root) / p.file_name for p in dataset.photos], self._root
            )
        for item in boxed_items(dataset, self._root):
            name = names.get(Path(item.path)) or without_plain_folders(item.name)
            yield replace(item, stored_name=name, format=found.format)

    def find_stored(self, listed: Sequence[ListedName]) -> Sequence[int | NotFound]:
        """The store's photos of these names."""
        return self._find_stored(listed, self._root)

    def _stored(self, found: FoundDataset, missing: list[Item]) -> Iterator[Item]:
        """Items of photos that did not come along: with the store's, where it has one of that name.

        The names of those that came are looked for as well, so that none of the others gets what is theirs.
        """
        if not missing:
            return
        of_missing = [item.listed or ListedName(item.name, self._root / "photos") for item in missing]
        listed = [photo.listed for photo in found.dataset.photos if photo.listed is not None]
        names = list(dict.fromkeys([*listed, *of_missing]))
        photos = dict(zip(names, self._find_stored(names, self._root), strict=True))
        taken: list[str] = []
        for item, photo in ((item, photos[name]) for item, name in zip(missing, of_missing, strict=True)):
            if isinstance(photo, int) and item.is_annotated:
                taken.append(item.name)
                yield replace(item, path="", photo_id=photo)
            elif isinstance(photo, NotFound) and photo.reason != NO_PHOTO:
                yield Item(item.name, error=f"There is no such file, and {photo.reason}.", loss="photo")
            else:
                yield item
        if taken and len(missing) < len(found.dataset.photos):
            self.report.remark(
                found.name, f"photos that did not come along are the store's of that name: {named(taken)}"
            )

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
        """The photos that no dataset annotates: they come without boxes."""
        without: dict[str, list[str]] = {}
        has_lost = self.report.has_lost_files
        unlisted = "of which no annotation was read" if has_lost else "that no annotation lists"
        crops = self._root / CROPS if (self._root / PREVIEW_LINES).is_file() else None
        for path in photos:
            if path in self._listed_by or (crops is not None and path.is_relative_to(crops)):
                continue
            name = path.relative_to(self._root).as_posix()
            if name not in self.report.unreadable and (self._formats or has_lost):
                why = "of whose rows none could be kept" if path in self._unboxed else unlisted
                without.setdefault(why, []).append(name)
            self._unlisted.add(name)
            self._came[name] = name
            stored = (self._names or {}).get(path, name)
            yield Item(name, str(path), str(self._root), stored_name=stored)
        if crops is not None and crops.is_dir():
            self.report.remark(CROPS, "the garments' crops of a preview are no photos, and were not read")
        for why, names in sorted(without.items(), reverse=True):
            photos_here = "1 photo" if len(names) == 1 else f"{len(names):,} photos"
            told = f"no boxes came for {photos_here} {why}: {named(names)}"
            self.report.remark("Photos without annotations", told)

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

        A photo that could not be opened for its size is refused once more where it comes in.
        """
        if apart := [name for name, listed in self._came.items() if self._is_holdout(name, listed)]:
            self.report.remark(
                "Holdout",
                "these photos were set apart as a holdout where they come from; here a photo's content "
                f"decides on that, so that most are ordinary photos: {named(apart)}",
            )
        twice = self.report.unreadable & self._unlisted
        entries = [
            entry for entry in self.report.entries() if entry.loss != "photo" or entry.name not in twice
        ]
        sentences: dict[str, list[str]] = {}
        for entry in entries:
            sentences.setdefault(entry.name, []).append(entry.reason)
        for entry in entries:
            yield Item(entry.name, error=" ".join(sentences[entry.name]), loss=entry.loss, count=entry.count)

    def _is_holdout(self, name: str, listed: str) -> bool:
        """Whether a photo lies in a folder of a holdout, or is listed as one of it."""
        if HOLDOUT in map(folded, PurePosixPath(name).parts[:-1]) or listed in self.report.holdout:
            return True
        key = name_key(name)
        return bool({key, stem_of(key)} & self._holdout_keys)

    @cached_property
    def _holdout_keys(self) -> set[Key]:
        return {name_key(name) for name in self.report.holdout if name}


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
