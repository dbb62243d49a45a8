"""The photos of an export: their names in it, their splits, and their boxes, a few at a time in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from core.datasets.detection import BoxedPhoto, BoxRow, boxed_photo
from core.datasets.renamed import loses_folders
from core.datasets.splits import Validation, choose_validation
from core.errors import DatasetError, NotFoundError
from core.file_names import path_key, portable_name, portable_path, relative_name
from core.store import Store
from core.store.photo_notes import Comment
from core.store.photos import PhotoRow
from core.store.revisions import Revision, RevisionItem, RevisionPhoto
from core.store.versions import Annotation

PICTURE_ENDING = ".jpg"


@dataclass(frozen=True)
class ExportedPhoto:
    """A photo on its way out.

    ``stem`` is its relative path without ending, for files about it: no other photo of the export has it,
    whatever the case. ``boxed.file_name`` is what the annotations call it. ``split`` is one of ``SPLITS``.
    """

    row: PhotoRow
    annotation: Annotation
    boxed: BoxedPhoto
    stem: str
    split: str
    tags: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()

    @property
    def deleted(self) -> bool:
        """Whether the photo was deleted."""
        return self.row.deleted_at is not None


@dataclass(frozen=True)
class ExportNames:
    """What photos are called in an export; in memory are only those that cannot keep their names.

    With ``pictures`` a photo is called as its JPEG; without, as it came in, for those who have it. Where
    ``by_stem``, names differ by more than their ending even then, as the files about them do.
    """

    pictures: bool
    by_stem: bool
    stems: Mapping[int, str]
    names: Mapping[int, str]

    @classmethod
    def of(cls, photos: Iterable[RevisionPhoto], *, pictures: bool, by_stem: bool) -> ExportNames:
        """Names for these photos: of two that want the same, the later one gets its number behind it."""
        taken: set[int] = set()
        taken_names: set[int] = set()
        stems: dict[int, str] = {}
        names: dict[int, str] = {}
        for photo in photos:
            wanted = unique = portable_path(photo.name)
            while hash(path_key(unique)) in taken:
                unique = f"{unique}_" if unique != wanted else f"{wanted}_{photo.id}"
            taken.add(hash(path_key(unique)))
            if unique != wanted:
                stems[photo.id] = unique
            if not pictures and not by_stem:
                own = name = _own_name(photo.name)
                if own is None or hash(own) in taken_names:
                    name = names[photo.id] = _with_ending(unique, photo.name)
                taken_names.add(hash(name))
        return cls(pictures, by_stem, stems, names)

    def of_photo(self, photo_id: int, name: str) -> tuple[str, str]:
        """The photo's path without ending, and its relative path as annotations give it."""
        stem = self.stems.get(photo_id) or portable_path(name)
        if self.pictures:
            return stem, f"{stem}{PICTURE_ENDING}"
        if self.by_stem:
            return stem, _with_ending(stem, name)
        return stem, self.names.get(photo_id) or _own_name(name) or stem

    def is_renamed(self, file_name: str, name: str) -> bool:
        """Whether a photo's name here is not the one it came with, apart from the ending of a picture."""
        if not self.pictures:
            return file_name != name
        own = PurePosixPath(name)
        return file_name != f"{own.parent / own.stem}{PICTURE_ENDING}"


def _own_name(name: str) -> str | None:
    """The name as it came in, as a relative path; None where it is not safe as one."""
    try:
        return relative_name(name, "export")
    except DatasetError:
        return None


def _with_ending(stem: str, name: str) -> str:
    ending = portable_name(PurePosixPath(name).suffix)  # without its dot, which would be hidden
    return f"{stem}.{ending}" if ending else f"{stem}{PICTURE_ENDING}"


class ExportContent(Protocol):
    """What is exported, read a few photos at a time, as often as wanted, the same each time."""

    @property
    def revision(self) -> Revision:
        """What it calls itself, and its categories."""

    def items(self, holdout: bool | None) -> Iterator[RevisionItem]:
        """The photos with their annotations, of one side of the holdout or of both."""

    def photos(self, holdout: bool | None) -> Iterator[RevisionPhoto]:
        """The same photos in the same order, without annotations."""


@dataclass(frozen=True)
class RevisionContent:
    """A revision."""

    store: Store
    revision: Revision

    def items(self, holdout: bool | None) -> Iterator[RevisionItem]:
        """As the revision has them."""
        return self.store.revisions.items(self.revision.number, holdout=holdout)

    def photos(self, holdout: bool | None) -> Iterator[RevisionPhoto]:
        """As the revision has them."""
        return self.store.revisions.photos(self.revision.number, holdout=holdout)


@dataclass(frozen=True)
class ChosenContent:
    """Chosen photos with the annotations that were newest when they were chosen."""

    store: Store
    revision: Revision
    annotation_ids: tuple[int, ...]

    @classmethod
    def of(cls, store: Store, photo_ids: Collection[int]) -> ChosenContent:
        """The annotated ones of these photos; those that a reviewer sent back are not."""
        return cls(store, *store.revisions.of_chosen(photo_ids))

    def items(self, holdout: bool | None) -> Iterator[RevisionItem]:
        """By photo; those that are deleted by now come marked."""
        return self.store.revisions.chosen_items(self.annotation_ids, holdout=holdout)

    def photos(self, holdout: bool | None) -> Iterator[RevisionPhoto]:
        """The same."""
        for row in (item.photo for item in self.items(holdout)):
            yield RevisionPhoto(row.id, row.name, row.digest, row.holdout, row.deleted_at is not None)


@dataclass(frozen=True)
class ExportedPhotos:
    """The photos of what is exported, of one side of the holdout or of both.

    Those in ``deleted`` are left out. ``on_photo`` is called after each one.
    """

    store: Store
    content: ExportContent
    holdout: bool | None
    names: ExportNames
    validation: Validation
    deleted: set[int] = field(default_factory=set)
    on_photo: Callable[[], object] = lambda: None

    @classmethod
    def of(
        cls, store: Store, content: ExportContent, holdout: bool | None, *, pictures: bool, by_stem: bool
    ) -> ExportedPhotos:
        """All that is to be exported; of a revision those validate that its training chooses."""
        names = ExportNames.of(content.photos(holdout), pictures=pictures, by_stem=by_stem)
        others = () if holdout else content.photos(False)
        seed = content.revision.number
        chosen = choose_validation((photo.digest for photo in others if not photo.deleted), seed)
        return cls(store, content, holdout, names, chosen)

    @property
    def revision(self) -> Revision:
        """What it calls itself, and its categories."""
        return self.content.revision

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes' names in their order, as they were when the revision was made."""
        return tuple(name for _, name in self.revision.categories)

    @property
    def pictures(self) -> bool:
        """Whether the pictures go out, too."""
        return self.names.pictures

    def __iter__(self) -> Iterator[ExportedPhoto]:
        classes = {id: place for place, (id, _) in enumerate(self.revision.categories)}
        for item in self.content.items(self.holdout):
            row = item.photo
            if row.id not in self.deleted:
                stem, file_name = self.names.of_photo(row.id, row.name)
                boxed = _boxed(item.annotation, row, file_name, classes)
                split = self.validation.split_of(row.digest, row.holdout)
                yield ExportedPhoto(row, item.annotation, boxed, stem, split, item.tags, item.comments)
            self.on_photo()

    def renamed(self) -> Iterator[tuple[str, str]]:
        """The names here and the names that came in, where these differ, if only by the ending.

        So are photos in folders that formats add, which an import would leave out.
        """
        for photo in self.content.photos(self.holdout):
            _, file_name = self.names.of_photo(photo.id, photo.name)
            if photo.id not in self.deleted and (file_name != photo.name or loses_folders(photo.name)):
                yield file_name, photo.name

    def picture(self, photo: ExportedPhoto) -> bytes | None:
        """The photo's JPEG; None where it was deleted, and then it is left out from here on."""
        try:
            if not photo.deleted:
                return self.store.blobs.get(photo.row.blob)
        except NotFoundError:  # deleted a moment ago
            pass
        self.deleted.add(photo.row.id)
        return None


def _boxed(annotation: Annotation, row: PhotoRow, file_name: str, classes: Mapping[int, int]) -> BoxedPhoto:
    rows = [BoxRow(*box.box_xyxy, classes[box.category_id], box.label, box.flags) for box in annotation.boxes]
    return boxed_photo(file_name, row.width, row.height, rows)[0]
