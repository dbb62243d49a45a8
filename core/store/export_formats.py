"""The formats of an export, written in one pass over the photos; what has to wait does so on the disk."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Protocol

from core.csv_cells import escape_formula
from core.datasets.coco import COCO_INFO, COCO_LICENSES, coco_annotations, coco_categories, coco_image
from core.datasets.detection import class_list
from core.datasets.splits import HOLDOUT, SPLITS, TRAIN, VAL
from core.datasets.voc import label_map, voc_document
from core.datasets.yolo import yolo_lines, yolo_setting
from core.store.export_photos import ExportedPhoto
from core.store.photo_notes import TAG_SEPARATOR, Comment
from core.store.revisions import Revision
from core.store.streamed_zip import StreamedZip

IN_MEMORY = 2**17
"""Bytes of a part that waits for its turn before it goes to the disk."""

COLUMNS = (
    *("photo", "digest", "holdout", "deleted", "width", "height", "version", "author"),
    *("box", "x0", "y0", "x1", "y1", "category", "label", "origin", "changed", "score"),
    *("split", "flags", "tags", "comments"),
)


class Format(Protocol):
    """What a format does with each photo, and at the end."""

    def picture_path(self, photo: ExportedPhoto) -> str:
        """Where the photo's JPEG lies in the zip."""

    def add(self, photo: ExportedPhoto) -> None:
        """Write a photo's annotation, or keep it until the end."""

    def finish(self) -> None:
        """Write what has waited."""

    def close(self) -> None:
        """Let go of what is on the disk."""


class _Waiting:
    """Bytes that wait for their turn."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the format
        self.lines = 0

    def add(self, line: bytes, separator: bytes = b"") -> None:
        """One more line, after a separator from the one before."""
        self._file.write((separator if self.lines else b"") + line)
        self.lines += 1

    def copy_to(self, out: IO[bytes]) -> None:
        """All lines, which stay."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, out)

    def close(self) -> None:
        self._file.close()


class CocoFile:
    """One COCO file in the making; its boxes come after all of its images, and wait meanwhile."""

    def __init__(self, revision: Revision, split: str | None = None) -> None:
        known = {"revision": revision.number} if revision.number else {}  # chosen photos are no revision
        info = COCO_INFO | known | {"digest": revision.digest}
        info |= {} if split is None else {"split": split}
        names = [name for _, name in revision.categories]
        self._head = {"info": info, "licenses": list(COCO_LICENSES), "categories": coco_categories(names)}
        self._images, self._boxes = _Waiting(), _Waiting()

    @property
    def photos(self) -> int:
        """How many images it has."""
        return self._images.lines

    def add(self, photo: ExportedPhoto, first_id: int) -> None:
        """A photo with its boxes, numbered from ``first_id``."""
        entry = coco_image(photo.boxed, photo.row.id) | {"digest": photo.row.digest, "split": photo.split}
        entry |= {"holdout": True} if photo.row.holdout else {}
        entry |= {"tags": list(photo.tags)} if photo.tags else {}
        entry |= {"comments": [_comment(comment) for comment in photo.comments]} if photo.comments else {}
        entry |= {"deleted": True} if photo.deleted else {}
        self._images.add(_json(entry), b",\n")
        for box in coco_annotations(photo.boxed, photo.row.id, first_id):
            self._boxes.add(_json(box), b",\n")

    def write(self, out: IO[bytes]) -> None:
        """The whole file."""
        out.write(_json(self._head)[:-1] + b',\n"images": [\n')
        self._images.copy_to(out)
        out.write(b'],\n"annotations": [\n')
        self._boxes.copy_to(out)
        out.write(b"]}\n")

    def close(self) -> None:
        """Let go of what is on the disk."""
        self._images.close()
        self._boxes.close()


def _comment(comment: Comment) -> dict[str, str]:
    at = datetime.fromtimestamp(comment.at, UTC).isoformat(timespec="seconds")
    return {"by": comment.by, "at": at, "text": comment.text}


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


class CocoZip:
    """A file a split, ``annotations/instances_SPLIT.json``, about the photos in ``images/SPLIT/``."""

    def __init__(self, archive: StreamedZip, revision: Revision) -> None:
        self._archive = archive
        self._files = {split: CocoFile(revision, split) for split in SPLITS}
        self._next_id = 1

    def picture_path(self, photo: ExportedPhoto) -> str:
        return f"images/{photo.split}/{photo.boxed.file_name}"

    def add(self, photo: ExportedPhoto) -> None:
        self._files[photo.split].add(photo, self._next_id)
        self._next_id += len(photo.boxed)

    def finish(self) -> None:
        is_empty = not any(file.photos for file in self._files.values())
        for split, file in self._files.items():
            if file.photos or (is_empty and split == TRAIN):
                with self._archive.open(f"annotations/instances_{split}.json", "w") as member:
                    file.write(member)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class _SplitLists:
    """The photos of each split, a line each."""

    def __init__(self) -> None:
        self._lists = {split: _Waiting() for split in SPLITS}

    def add(self, split: str, line: str) -> None:
        self._lists[split].add(f"{line}\n".encode())

    @property
    def used(self) -> list[str]:
        """The splits with photos."""
        return [split for split, waiting in self._lists.items() if waiting.lines]

    def write(self, archive: StreamedZip, place: str) -> None:
        """A text for each split with photos, at ``place``, which has ``{}`` for its name."""
        for split in self.used:
            with archive.open(place.format(split), "w") as member:
                self._lists[split].copy_to(member)

    def close(self) -> None:
        for waiting in self._lists.values():
            waiting.close()


class VocZip:
    """An XML a photo, and a list of each split's photos."""

    def __init__(self, archive: StreamedZip, revision: Revision) -> None:
        self._archive, self._lists = archive, _SplitLists()
        self._categories = tuple(name for _, name in revision.categories)
        archive.add("Annotations/classes.txt", class_list(self._categories))
        archive.add("labelmap.txt", label_map(self._categories))

    def picture_path(self, photo: ExportedPhoto) -> str:
        return f"JPEGImages/{photo.boxed.file_name}"

    def add(self, photo: ExportedPhoto) -> None:
        self._lists.add(photo.split, photo.stem)
        self._archive.add(f"Annotations/{photo.stem}.xml", voc_document(photo.boxed, self._categories))

    def finish(self) -> None:
        self._lists.write(self._archive, "ImageSets/Main/{}.txt")

    def close(self) -> None:
        self._lists.close()


class YoloZip:
    """A text a photo, and a ``data.yaml`` that trains as it is, or once the photos are in ``images/``.

    With pictures, photos and labels are in a folder a split; without, labels lie as the photos do where they
    came from, and lists say which are of which split.
    """

    def __init__(self, archive: StreamedZip, revision: Revision, *, pictures: bool) -> None:
        self._archive, self._pictures, self._lists = archive, pictures, _SplitLists()
        self._categories = tuple(name for _, name in revision.categories)

    def picture_path(self, photo: ExportedPhoto) -> str:
        return f"images/{photo.split}/{photo.boxed.file_name}"

    def add(self, photo: ExportedPhoto) -> None:
        self._lists.add(photo.split, f"./images/{photo.boxed.file_name}")
        place = f"{photo.split}/{photo.stem}" if self._pictures else photo.stem
        self._archive.add(f"labels/{place}.txt", yolo_lines(photo.boxed))

    def finish(self) -> None:
        used = self._lists.used
        places = {"train": TRAIN, "val": VAL if VAL in used else TRAIN}  # trainers insist on both
        if used == [HOLDOUT]:
            places["val"] = HOLDOUT
        if HOLDOUT in used:
            places["test"] = HOLDOUT
        if self._pictures:
            settings = {key: f"images/{split}" for key, split in places.items()}
            if TRAIN not in used:
                self._archive.add(f"images/{TRAIN}/", "")
        else:
            settings = {key: f"{split}.txt" for key, split in places.items()}
            self._lists.write(self._archive, "{}.txt")
            if TRAIN not in used:
                self._archive.add(f"{TRAIN}.txt", "")
        self._archive.add("data.yaml", yolo_setting(self._categories, settings))
        self._archive.add("classes.txt", class_list(self._categories))

    def close(self) -> None:
        self._lists.close()


class CsvTable:
    """A row a box; a photo without boxes has one row, which tells it from one that was left out.

    Texts are as ``escape_formula`` writes them, and ``unescape_formula`` gives back what they were:
    where a text begins with ``= + - @`` it has an apostrophe before it. ``flags`` are joined by blanks, the
    photo's ``tags`` by semicolons; its ``comments``, each with who made it, by line breaks.
    """

    def __init__(self, out: IO[bytes], revision: Revision) -> None:
        self._text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow(COLUMNS)
        self._names = dict(revision.categories)

    def picture_path(self, photo: ExportedPhoto) -> str:
        return f"photos/{photo.boxed.file_name}"

    def add(self, photo: ExportedPhoto) -> None:
        for row in _csv_rows(photo, self._names):
            self._writer.writerow([escape_formula(cell) if isinstance(cell, str) else cell for cell in row])

    def finish(self) -> None:
        self._text.flush()

    def close(self) -> None:
        self._text.detach()


class CocoJson:
    """One COCO file of all splits, which each image's ``split`` tells apart."""

    def __init__(self, out: IO[bytes], revision: Revision) -> None:
        self._out, self._file, self._next_id = out, CocoFile(revision), 1

    def picture_path(self, photo: ExportedPhoto) -> str:
        return f"photos/{photo.boxed.file_name}"

    def add(self, photo: ExportedPhoto) -> None:
        self._file.add(photo, self._next_id)
        self._next_id += len(photo.boxed)

    def finish(self) -> None:
        self._file.write(self._out)

    def close(self) -> None:
        self._file.close()


class CsvZip(CsvTable):
    """The table behind the pictures, where it waits for their end."""

    def __init__(self, archive: StreamedZip, revision: Revision) -> None:
        self._archive, self._file = archive, SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        super().__init__(self._file, revision)  # type: ignore[arg-type]

    def finish(self) -> None:
        super().finish()
        self._file.seek(0)
        with self._archive.open("annotations.csv", "w") as member:
            shutil.copyfileobj(self._file, member)

    def close(self) -> None:
        super().close()
        self._file.close()


def _csv_rows(photo: ExportedPhoto, names: Mapping[int, str]) -> Iterator[list[str | float | None]]:
    row, version, tags = photo.row, photo.annotation, TAG_SEPARATOR.join(photo.tags)
    comments = "\n".join(f"{comment.by}: {comment.text}" for comment in photo.comments)
    start: list[str | float | None] = [photo.boxed.file_name, row.digest, _yes(row.holdout)]
    start += [_yes(photo.deleted), row.width, row.height, version.version, version.author]
    for number, box in enumerate(version.boxes, start=1):
        named = [names[box.category_id], box.label or "", box.origin, _yes(box.changed), box.score]
        yield [
            *start,
            number,
            *box.box_xyxy,
            *named,
            photo.split,
            " ".join(sorted(box.flags)),
            tags,
            comments,
        ]
    if not version.boxes:
        yield [*start, *[""] * (len(COLUMNS) - len(start) - 4), photo.split, "", tags, comments]


def _yes(value: bool) -> str:
    return "true" if value else "false"
