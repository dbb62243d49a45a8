"""Exports of a revision: COCO, Pascal VOC, YOLO or CSV, with its pictures or without, one photo in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, replace
from typing import BinaryIO

from core.access import Right, needs
from core.datasets.renamed import RENAMED, RENAMED_HEAD, renamed_line
from core.errors import StoreError
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.export_formats import CocoJson, CocoZip, CsvTable, CsvZip, Format, VocZip, YoloZip
from core.store.export_notes import (
    DELETED,
    DELETED_HEAD,
    README,
    ExportTally,
    left_out,
    readme,
)
from core.store.export_photos import ChosenContent, ExportContent, ExportedPhotos, RevisionContent
from core.store.revisions import Revision
from core.store.streamed_zip import StreamedZip

FORMATS = ("coco", "voc", "yolo", "csv")


@dataclass(frozen=True)
class Exported:
    """What has been written; ``deleted`` photos are those whose picture is missing.

    ``left_out`` says in sentences what of the revision the file does not hold.
    """

    photos: int
    boxes: int
    deleted: int
    left_out: tuple[str, ...] = ()


@needs(Right.EXPORT)
def export_revision(
    store: Store,
    number: int,
    format: str,
    out: BinaryIO,
    *,
    pictures: bool = False,
    holdout: bool | None = None,
    progress: Progress = ignore_progress,
) -> Exported:
    """Write a revision into ``out``, which need not be seekable; see ``export_name`` for its kind.

    ``holdout`` chooses one side; both go together where it is None, apart as ``train``, ``val`` and
    ``holdout``. Names keep their folders. ``core.datasets.read_detection`` reads what comes out, YOLO only
    with its pictures. Photos deleted since are marked in COCO and CSV and listed in ``deleted.txt``; with
    pictures they are left out and listed. A zip has a ``README.txt`` that says what is left out, and lists
    photos with other names than they came with in ``renamed.txt``, which an import reads. ``progress`` counts
    photos. Raises NotFoundError for an unknown revision, StoreError for an
    unknown format.
    """
    _require_format(format)
    content = RevisionContent(store, store.revisions.get(number))
    return _export(store, content, format, out, pictures, holdout, progress)


@needs(Right.EXPORT)
def export_chosen(
    store: Store,
    photo_ids: Collection[int],
    format: str,
    out: BinaryIO,
    *,
    pictures: bool = False,
    progress: Progress = ignore_progress,
) -> Exported:
    """Write the newest annotations of chosen photos as ``export_revision`` writes a revision.

    Photos without an annotation are left out; ``Exported.photos`` says how many there are. Raises StoreError
    where none has one, or for an unknown format.
    """
    _require_format(format)
    content = ChosenContent.of(store, photo_ids)
    if not content.annotation_ids:
        raise StoreError("None of the chosen photos has an annotation: there is nothing to export.")
    return _export(store, content, format, out, pictures, None, progress)


def _export(
    store: Store,
    content: ExportContent,
    format: str,
    out: BinaryIO,
    pictures: bool,
    holdout: bool | None,
    progress: Progress,
) -> Exported:
    photos = ExportedPhotos.of(store, content, holdout, pictures=pictures, by_stem=format == "yolo")
    steps = _Steps(max(1, photos.revision.photos), progress)
    photos = replace(photos, on_photo=steps.one)
    tally = ExportTally(format, photos.names)
    if is_zip(format, pictures):
        with StreamedZip(out) as archive:
            with closing(_zipped(format, archive, photos)) as writer:
                _write(photos, writer, tally, archive)
            sentences = left_out(tally, photos.revision)
            _add_notes(archive, photos, tally, sentences)
    else:
        build: Callable[[BinaryIO, Revision], Format] = CocoJson if format == "coco" else CsvTable
        with closing(build(out, photos.revision)) as writer:
            _write(photos, writer, tally)
        sentences = left_out(tally, photos.revision)
    return Exported(tally.photos, tally.boxes, len(tally.deleted), sentences)


def export_name(number: int, format: str, *, pictures: bool = False, holdout: bool | None = None) -> str:
    """A file name for the export: a zip, or a JSON or CSV file where there is only one.

    Number 0 stands for chosen photos.
    """
    part = {None: "", False: "-training", True: "-holdout"}[holdout]
    ending = "zip" if is_zip(format, pictures) else {"coco": "json"}.get(format, "csv")
    what = f"r{number}" if number else "chosen"
    return f"lapel-{what}{part}-{format}.{ending}"


def is_zip(format: str, pictures: bool) -> bool:
    """Whether the export is several files."""
    return pictures or format in ("voc", "yolo")


def _require_format(format: str) -> None:
    if format not in FORMATS:
        raise StoreError(f"expected a format out of {', '.join(FORMATS)}, got {format!r}")


@dataclass
class _Steps:
    """Photos read so far, of ``steps``; one side of the holdout comes to fewer."""

    steps: int
    progress: Progress
    done: int = 0

    def one(self) -> None:
        self.done += 1
        self.progress(min(self.done, self.steps), self.steps)


def _zipped(format: str, archive: StreamedZip, photos: ExportedPhotos) -> Format:
    if format == "yolo":
        return YoloZip(archive, photos.revision, pictures=photos.pictures)
    builds: dict[str, Callable[[StreamedZip, Revision], Format]] = {
        "coco": CocoZip,
        "voc": VocZip,
        "csv": CsvZip,
    }
    return builds[format](archive, photos.revision)


def _write(
    photos: ExportedPhotos, writer: Format, tally: ExportTally, archive: StreamedZip | None = None
) -> None:
    for photo in photos:
        if archive is not None and photos.pictures:
            picture = photos.picture(photo)
            if picture is None:
                tally.add_deleted(photo)
                continue
            archive.add(writer.picture_path(photo), picture, packed=True)
        tally.add(photo)
        writer.add(photo)
    writer.finish()


def _add_notes(
    archive: StreamedZip, photos: ExportedPhotos, tally: ExportTally, sentences: tuple[str, ...]
) -> None:
    if tally.deleted:
        archive.add(DELETED, DELETED_HEAD + "".join(f"{line}\n" for line in tally.deleted))
    if any(True for _ in photos.renamed()):
        with archive.open(RENAMED, "w") as member:
            member.write(RENAMED_HEAD.encode())
            for name, came in photos.renamed():
                member.write(renamed_line(name, came).encode("utf-8", "replace"))
    archive.add(README, readme(tally, photos.revision, sentences))
