"""Exports of a revision: COCO, Pascal VOC, YOLO or CSV, with its pictures or without, one photo in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO

from core.access import Right, needs
from core.datasets.coco import COCO_INFO, coco_annotations, coco_categories, coco_image
from core.datasets.detection import BoxedPhoto, BoxRow, boxed_photo, class_list
from core.datasets.export import neutral
from core.datasets.voc import voc_document
from core.datasets.yolo import yolo_lines, yolo_setting
from core.errors import DatasetError, NotFoundError, StoreError
from core.file_names import portable_stem, relative_name
from core.store import Store
from core.store.photos import PhotoRow
from core.store.revisions import Revision
from core.store.streamed_zip import StreamedZip
from core.store.versions import Annotation

FORMATS = ("coco", "voc", "yolo", "csv")
COLUMNS = (
    *("photo", "digest", "holdout", "deleted", "width", "height", "version", "author"),
    *("box", "x0", "y0", "x1", "y1", "category", "label", "origin", "changed", "score"),
)
DELETED = "deleted.txt"
DELETED_HEAD = "Photos of this revision whose pictures were deleted after it was made (SHA-256, name):\n"


@dataclass(frozen=True)
class ExportedPhoto:
    """A photo on its way out; ``stem`` is a file name without ending that no other photo of it has."""

    row: PhotoRow
    annotation: Annotation
    boxed: BoxedPhoto
    stem: str

    @property
    def deleted(self) -> bool:
        """Whether the photo was deleted."""
        return self.row.deleted_at is not None


@dataclass(frozen=True)
class ExportedPhotos:
    """A revision's photos, of one side of the holdout or of both, read a few at a time, as often as wanted.

    With ``pictures``, photos are named as their JPEGs, and those in ``deleted`` are left out; without, they
    have the names that they came with. ``on_photo`` is called after each one.
    """

    store: Store
    revision: Revision
    holdout: bool | None
    pictures: bool
    renamed: Mapping[int, str]
    deleted: set[int] = field(default_factory=set)
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
            if item.photo.id not in self.deleted:
                stem = self.renamed.get(item.photo.id) or portable_stem(item.photo.name)
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
        self.deleted.add(photo.row.id)
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
    rows = [BoxRow(*box.box_xyxy, classes[box.category_id], box.label, box.flags) for box in annotation.boxes]
    return boxed_photo(file_name, row.width, row.height, rows)[0]


def _renamed(names: Iterator[tuple[int, str]]) -> dict[int, str]:
    """Stems for the photos whose own is taken, whatever its case; of all others only a hash is in memory."""
    taken: set[int] = set()
    renamed: dict[int, str] = {}
    for photo_id, name in names:
        stem = unique = portable_stem(name)
        while hash(unique.casefold()) in taken:
            unique = f"{unique}_" if unique != stem else f"{stem}_{photo_id}"
        taken.add(hash(unique.casefold()))
        if unique != stem:
            renamed[photo_id] = unique
    return renamed


@dataclass(frozen=True)
class Exported:
    """What has been written; ``deleted`` photos are those whose picture is missing."""

    photos: int
    boxes: int
    deleted: int


@needs(Right.EXPORT)
def export_revision(
    store: Store,
    number: int,
    format: str,
    out: BinaryIO,
    *,
    pictures: bool = False,
    holdout: bool | None = None,
    report: Callable[[float], object] = lambda part: None,
) -> Exported:
    """Write a revision into ``out``, which need not be seekable; see ``export_name`` for its kind.

    ``holdout`` chooses one side; both go together where it is None. ``core.datasets.read_detection``
    reads what comes out, YOLO only with its pictures. Photos deleted since are marked in COCO and CSV and
    listed in ``deleted.txt``; with pictures they are left out and listed. ``report`` is called with the
    part that is done, 0..1.
    Raises NotFoundError for an unknown revision, StoreError for an unknown format.
    """
    if format not in FORMATS:
        raise StoreError(f"expected a format out of {', '.join(FORMATS)}, got {format!r}")
    photos = ExportedPhotos.of(store, number, holdout, pictures)
    steps = max(1, photos.revision.photos) * (_PASSES[format] + (pictures and format in _SINGLE))
    photos = replace(photos, on_photo=_Steps(steps, report).one)
    tally = _Tally()
    if not is_zip(format, pictures):
        _SINGLE[format][1](photos, out, tally)
    else:
        with StreamedZip(out) as archive:
            if format in _SINGLE:
                _zip_single(photos, archive, tally, *_SINGLE[format])
            else:
                _zip_many(photos, archive, tally, _MANY[format])
            if tally.deleted:
                archive.add(DELETED, DELETED_HEAD + "".join(f"{line}\n" for line in tally.deleted))
    return Exported(tally.photos, tally.boxes, len(tally.deleted))


def export_name(number: int, format: str, *, pictures: bool = False, holdout: bool | None = None) -> str:
    """A file name for the export: a zip, or a JSON or CSV file where there is only one."""
    part = {None: "", False: "-training", True: "-holdout"}[holdout]
    ending = "zip" if is_zip(format, pictures) else {"coco": "json"}.get(format, "csv")
    return f"lapel-r{number}{part}-{format}.{ending}"


def is_zip(format: str, pictures: bool) -> bool:
    """Whether the export is several files."""
    return pictures or format in ("voc", "yolo")


@dataclass
class _Steps:
    """Photos read so far, of ``steps`` over all passes; one side of the holdout comes to fewer."""

    steps: int
    report: Callable[[float], object]
    done: int = 0

    def one(self) -> None:
        self.done += 1
        self.report(min(1.0, self.done / self.steps))


@dataclass
class _Tally:
    """Counts what goes out, and lists the deleted."""

    photos: int = 0
    boxes: int = 0
    deleted: list[str] = field(default_factory=list)

    def add(self, photo: ExportedPhoto) -> None:
        self.photos += 1
        self.boxes += len(photo.boxed)

    def add_deleted(self, photo: ExportedPhoto) -> None:
        self.deleted.append(f"{photo.row.digest}  {photo.row.name}")


@dataclass(frozen=True)
class _Layout:
    """Where a format with a file a photo puts its files, and what is in them."""

    pictures: str
    text: str
    document: Callable[[BoxedPhoto, tuple[str, ...]], bytes | str]
    others: Callable[[tuple[str, ...]], Mapping[str, str]]


_MANY = {
    "voc": _Layout(
        "JPEGImages",
        "Annotations/{}.xml",
        voc_document,
        lambda names: {"Annotations/classes.txt": class_list(names)},
    ),
    "yolo": _Layout(
        "images",
        "labels/{}.txt",
        lambda photo, _: yolo_lines(photo),
        lambda names: {"data.yaml": yolo_setting(names), "classes.txt": class_list(names)},
    ),
}


def _zip_many(photos: ExportedPhotos, archive: StreamedZip, tally: _Tally, layout: _Layout) -> None:
    """A picture and a text for each photo."""
    for name, text in layout.others(photos.categories).items():
        archive.add(name, text)
    for photo in photos:
        if photos.pictures and not _add_picture(photos, photo, archive, tally, layout.pictures):
            continue
        if photo.deleted:
            tally.add_deleted(photo)
        tally.add(photo)
        archive.add(layout.text.format(photo.stem), layout.document(photo.boxed, photos.categories))


def _zip_single(
    photos: ExportedPhotos, archive: StreamedZip, tally: _Tally, name: str, write: _Writer
) -> None:
    """All pictures, then one file about all that are there."""
    for photo in photos:
        _add_picture(photos, photo, archive, tally, "photos")
    with archive.open(name, "w") as member:
        write(photos, member, tally)


def _add_picture(
    photos: ExportedPhotos, photo: ExportedPhoto, archive: StreamedZip, tally: _Tally, folder: str
) -> bool:
    """Whether the photo's picture was there to add."""
    picture = photos.picture(photo)
    if picture is None:
        tally.add_deleted(photo)
        return False
    archive.add(f"{folder}/{photo.boxed.file_name}", picture, packed=True)
    return True


def _write_coco(photos: ExportedPhotos, out: IO[bytes], tally: _Tally) -> None:
    """Two passes, as COCO lists all images before the first box."""
    info = COCO_INFO | {"revision": photos.revision.number, "digest": photos.revision.digest}
    head = {"info": info, "categories": coco_categories(photos.categories)}
    out.write(_json(head)[:-1] + b',\n"images": [')
    _write_list(out, _coco_images(photos, tally))
    out.write(b'],\n"annotations": [')
    _write_list(out, _coco_boxes(photos))
    out.write(b"]}\n")


def _coco_images(photos: ExportedPhotos, tally: _Tally) -> Iterator[dict[str, Any]]:
    for photo in photos:
        tally.add(photo)
        entry = coco_image(photo.boxed, photo.row.id) | {"digest": photo.row.digest}
        if photo.row.holdout:
            entry["holdout"] = True
        if photo.deleted:
            entry["deleted"] = True
            tally.add_deleted(photo)
        yield entry


def _coco_boxes(photos: ExportedPhotos) -> Iterator[dict[str, Any]]:
    next_id = 1
    for photo in photos:
        yield from coco_annotations(photo.boxed, photo.row.id, next_id)
        next_id += len(photo.boxed)


def _write_list(out: IO[bytes], entries: Iterable[dict[str, Any]]) -> None:
    """The entries of a JSON list, a line each."""
    separator = b"\n"
    for entry in entries:
        out.write(separator + _json(entry))
        separator = b",\n"


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def _write_csv(photos: ExportedPhotos, out: IO[bytes], tally: _Tally) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for photo in photos:
        tally.add(photo)
        if photo.deleted:
            tally.add_deleted(photo)
        for row in _csv_rows(photo, dict(photos.revision.categories)):
            writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in row])
    text.flush()
    text.detach()


def _csv_rows(photo: ExportedPhoto, names: Mapping[int, str]) -> Iterator[list[str | float | None]]:
    """A row a box; a photo without boxes has one row, which tells it from one that was left out."""
    row, version = photo.row, photo.annotation
    start: list[str | float | None] = [photo.boxed.file_name, row.digest, _yes(row.holdout)]
    start += [_yes(photo.deleted), row.width, row.height, version.version, version.author]
    for number, box in enumerate(version.boxes, start=1):
        named = [names[box.category_id], box.label or "", box.origin, _yes(box.changed), box.score]
        yield [*start, number, *box.box_xyxy, *named]
    if not version.boxes:
        yield [*start, *[""] * (len(COLUMNS) - len(start))]


def _yes(value: bool) -> str:
    return "true" if value else "false"


_PASSES = {"coco": 2, "voc": 1, "yolo": 1, "csv": 1}
"""How often all photos are read."""

_Writer = Callable[[ExportedPhotos, IO[bytes], _Tally], None]
_SINGLE: Mapping[str, tuple[str, _Writer]] = {
    "coco": ("annotations.json", _write_coco),
    "csv": ("annotations.csv", _write_csv),
}
