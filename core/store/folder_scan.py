"""The items of a folder of photos and datasets: its photos with their boxes, and what the report says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from core.datasets.discovery import DatasetFinder, FoundDataset
from core.datasets.listed_paths import Key, folded, name_key, stem_of
from core.datasets.photo_index import (
    NO_PHOTO,
    ListedName,
    NotFound,
)
from core.datasets.renamed import Renamed
from core.datasets.report import ReadReport, named
from core.datasets.splits import HOLDOUT
from core.file_names import is_hidden, safe_name, safe_path
from core.store.import_items import (
    Corners,
    Item,
    Row,
    boxed_items,
    is_near,
    rounded,
    stored_names,
    without_plain_folders,
)

NOTES = (
    *(".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".log", ".py", ".ipynb", ".sh", ".ini", ".toml"),
    *(".cfg", ".data", ".cache", ".weights", ".pt", ".onnx", ".md5", ".sha256", ".bak", ".db"),
)
"""Files that accompany datasets, and are neither photos nor annotations."""

CROPS, PREVIEW_LINES = "crops", "labels.jsonl"
"""What tells the zip of a preview, and holds parts of photos."""

MOST_HIDDEN = 3
"""Hidden files that a report names."""

FindStored = Callable[[Sequence[ListedName], Path], Sequence[int | NotFound]]
"""The ids of the stored photos that names in files below a folder mean, or why there is none."""


class FolderScan:
    """The items of one folder: photos of its datasets, those that no annotation lists, and the report."""

    def __init__(
        self,
        root: Path,
        find_stored: FindStored,
        names: Mapping[Path, str] | None = None,
        renamed: Iterable[Path] = (),
    ) -> None:
        self.report = ReadReport(root=root)
        self._root, self._find_stored = root, find_stored
        self._renamed = Renamed.of(renamed, self.report)
        self._names = names and {path: self._came_as(path) or name for path, name in names.items()}
        if alike := [name for name, count in Counter((self._names or {}).values()).items() if count > 1]:
            self.report.remark("Names", f"several photos each have one of these names here: {named(alike)}")
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
            boxes = tuple(self._in_one_form(row) for row in item.boxes)
            yield replace(item, stored_name=name, format=found.format, boxes=boxes)

    def _in_one_form(self, row: Row) -> Row:
        """A box with its category and fine label in NFC."""
        category, label = self.report.one_form(row[4]), row[5] and self.report.one_form(row[5])
        return (*row[:4], category, label, row[6])

    def remark_hidden(self, names: Sequence[str]) -> None:
        """How many hidden files were left out, in one sentence."""
        if not names:
            return
        parts = dict.fromkeys(next(filter(is_hidden, name.split("/")), name) for name in names)
        shown = [f"{'.' * part.startswith('.')}{safe_name(part)}" for part in list(parts)[:MOST_HIDDEN]]
        files = "1 hidden file was" if len(names) == 1 else f"{len(names):,} hidden files were"
        self.report.remark("Hidden files", f"{files} left out, such as {', '.join(shown)}")

    def find_stored(self, listed: Sequence[ListedName]) -> Sequence[int | NotFound]:
        """The store's photos of these names, or of those that they came with."""
        return self._find_stored([self._renamed.original(name) for name in listed], self._root)

    def _came_as(self, path: Path) -> str:
        """The name of a photo of an export, as it came there; empty where that is not known."""
        return safe_path(name) if (name := self._renamed.picture_name(path)) else ""

    def _stored(self, found: FoundDataset, missing: list[Item]) -> Iterator[Item]:
        """Items of photos that did not come along: with the store's, where it has one of that name.

        The names of those that came are looked for as well, so that none of the others gets what is theirs.
        """
        if not missing:
            return
        of_missing = [item.listed or ListedName(item.name, self._root / "photos") for item in missing]
        listed = [photo.listed for photo in found.dataset.photos if photo.listed is not None]
        names = list(dict.fromkeys([*listed, *of_missing]))
        photos = dict(zip(names, self.find_stored(names), strict=True))
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
