"""A revision's photos as annotation formats take them: file names that differ, and classes by place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core.data.dataset import BoxedPhoto, boxed_photo
from core.data.names import member_stem, relative_name
from core.errors import DatasetError, NotFoundError
from core.store import Store
from core.store.photos import PhotoRow
from core.store.revisions import Revision
from core.store.versions import Annotation


@dataclass(frozen=True)
class ExportedPhoto:
    """A photo on its way out; ``stem`` is a file name without ending that no other photo of it has."""

    row: PhotoRow
    annotation: Annotation
    boxed: BoxedPhoto
    stem: str

    @property
    def deleted(self) -> bool:
        """Whether the picture is gone."""
        return self.row.deleted_at is not None


@dataclass(frozen=True)
class ExportedPhotos:
    """A revision's photos, of one side of the holdout or of both, read a few at a time, as often as wanted.

    With ``pictures``, photos are named as their JPEGs are, and those in ``gone`` are left out; without, they
    have the names that they came with. ``on_photo`` is called after each one.
    """

    store: Store
    revision: Revision
    holdout: bool | None
    pictures: bool
    renamed: Mapping[int, str]
    gone: set[int] = field(default_factory=set)
    on_photo: Callable[[], object] = lambda: None

    @classmethod
    def of(cls, store: Store, number: int, holdout: bool | None, pictures: bool) -> ExportedPhotos:
        """The photos of a revision. Raises NotFoundError."""
        renamed = _renamed(store.revisions.names(number, holdout=holdout))
        return cls(store, store.revisions.get(number), holdout, pictures, renamed)

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes' names in their order, as they were when the revision was made."""
        return tuple(name for _, name in self.revision.categories)

    def __iter__(self) -> Iterator[ExportedPhoto]:
        classes = {id: place for place, (id, _) in enumerate(self.revision.categories)}
        for item in self.store.revisions.items(self.revision.number, holdout=self.holdout):
            if item.photo.id not in self.gone:
                stem = self.renamed.get(item.photo.id) or member_stem(item.photo.name)
                boxed = _boxed(item.annotation, item.photo, self._file_name(item.photo, stem), classes)
                yield ExportedPhoto(item.photo, item.annotation, boxed, stem)
            self.on_photo()

    def picture(self, photo: ExportedPhoto) -> bytes | None:
        """The photo's JPEG; None where it was deleted, and then it is left out from here on."""
        try:
            if not photo.deleted:
                return self.store.blobs.get(photo.row.blob)
        except NotFoundError:  # deleted a moment ago
            pass
        self.gone.add(photo.row.id)
        return None

    def _file_name(self, row: PhotoRow, stem: str) -> str:
        if self.pictures:
            return f"{stem}.jpg"
        if row.id in self.renamed:
            return f"{stem}{PurePosixPath(row.name).suffix}"
        try:
            return relative_name(row.name, "export")
        except DatasetError:
            return f"{stem}.jpg"


def _boxed(annotation: Annotation, row: PhotoRow, file_name: str, classes: Mapping[int, int]) -> BoxedPhoto:
    rows = [(*box.box_xyxy, classes[box.category_id], box.label) for box in annotation.boxes]
    return boxed_photo(file_name, row.width, row.height, rows)[0]


def _renamed(names: Iterator[tuple[int, str]]) -> dict[int, str]:
    """Stems for the photos whose own is taken, whatever its case; of all others only a hash is kept."""
    taken: set[int] = set()
    renamed: dict[int, str] = {}
    for photo_id, name in names:
        stem = unique = member_stem(name)
        while hash(unique.casefold()) in taken:
            unique = f"{unique}_" if unique != stem else f"{stem}_{photo_id}"
        taken.add(hash(unique.casefold()))
        if unique != stem:
            renamed[photo_id] = unique
    return renamed
