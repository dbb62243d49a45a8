"""Imports in steps: the files are listed in a manifest, then imported in batches that can be repeated.

What a photo comes to depends on those before it (copies, near duplicates, holdout, names of categories), so
batches follow each other. What depends on the photo alone, which is most of the work, can be done before, in
chunks, in any order and by many processes: ``prepare_photos``. A batch uses what is prepared, and does the
rest itself; so the result is the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from itertools import count, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LapelError, StoreError
from core.files import atomic_write, disk_errors
from core.progress import Progress, ignore_progress
from core.store.database import one_line
from core.store.import_step import CONTENTS, OUTCOMES, ImportStep, Prepared, prepare_item
from core.store.imports import ImportRow, UploadFolder, is_permitted, permitted
from core.store.sources import Item, SourceScanner
from core.taxonomy import category_key

if TYPE_CHECKING:
    from core.store import Store

STEP_PHOTOS = 64
STEP_SECONDS = 2.0
FILL_EVERY = 256
"""Photos between two times that the queue is filled while an import runs; more where many are there."""

CHUNK_PHOTOS = 128
"""Files of a chunk; an import of no more is done in one go."""


NOT_HERE = "The files of this import are not on this machine, or were removed."


@dataclass(frozen=True)
class ImportCheckpoint:
    """How far an import is: ``offset`` is a byte in its manifest, ``newest`` its newest photo before that.

    ``chunk`` is how many files are prepared at a time; 0 for none.

    A step that is repeated after a crash finds its own photos by ``newest``, and counts them as it did, also
    where the one that was cut off had come further.
    """

    total: int = 0
    done: int = 0
    offset: int = 0
    newest: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    chunk: int = 0

    @property
    def ended(self) -> bool:
        """Whether all files have been processed."""
        return self.done >= self.total

    def as_dict(self) -> dict[str, Any]:
        """The form in the checkpoint's file and in a job's step."""
        return asdict(self)


@dataclass(frozen=True)
class ImportManifest:
    """The files of an import, a line of JSON each, beside them the checkpoint and what is prepared.

    All is in ``folder``, which all workers see that share the files.
    """

    folder: Path

    def write(self, items: Iterable[Item]) -> int:
        """Write all items, or none of them where this is cut off; returns how many there are."""
        total = offset = 0
        chunks = []
        with self._writing(), atomic_write(self._items, sync=True) as out:
            for item in items:
                if total % CHUNK_PHOTOS == 0:
                    chunks.append(offset)
                offset += out.write(json.dumps(item.as_list()).encode() + b"\n")
                total += 1
        with self._writing(), atomic_write(self._chunks) as out:
            out.write(json.dumps({"photos": CHUNK_PHOTOS, "offsets": chunks}).encode())
        return total

    def chunk(self, number: int) -> list[Item]:
        """The items of a chunk, counted from 0. Raises StoreError without a manifest."""
        try:
            chunks = json.loads(self._chunks.read_bytes())
        except FileNotFoundError:
            raise StoreError(NOT_HERE) from None
        return [item for item, _ in islice(self.read(chunks["offsets"][number]), chunks["photos"])]

    def has_prepared(self, number: int) -> bool:
        """Whether a chunk is prepared."""
        return self._prepared(number).exists()

    def keep_prepared(self, number: int, prepared: Iterable[Sequence[Any]]) -> None:
        """Write what a chunk's files came to, for each ``Prepared.as_list``."""
        with self._writing():
            self._prepared(number).parent.mkdir(exist_ok=True)
            with atomic_write(self._prepared(number)) as out:
                out.write(json.dumps(list(prepared)).encode())

    def prepared(self, done: int, chunk: int) -> Iterator[Prepared | None]:
        """What is prepared of the files after the first ``done``, without end; None for each that is not."""
        if not chunk:
            yield from repeat(None)
        for number in count(done // chunk):
            try:
                entries = json.loads(self._prepared(number).read_bytes())
                found: list[Prepared | None] = [Prepared.from_list(entry) for entry in entries]
            except (FileNotFoundError, ValueError):  # not prepared, or cut off with the machine's power
                found = [None] * chunk
            yield from found[max(0, done - number * chunk) :]

    def read(self, offset: int) -> Iterator[tuple[Item, int]]:
        """The items from a byte on, each with the byte after it. Raises StoreError without a manifest."""
        try:
            with self._items.open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    offset += len(line)
                    yield Item.from_list(json.loads(line)), offset
        except FileNotFoundError:
            raise StoreError(NOT_HERE) from None

    def save(self, checkpoint: ImportCheckpoint) -> ImportCheckpoint:
        """Save the checkpoint, for a run after a failure."""
        with self._writing(), atomic_write(self._checkpoint) as out:
            out.write(json.dumps(checkpoint.as_dict()).encode())
        return checkpoint

    def checkpoint(self) -> ImportCheckpoint | None:
        """The checkpoint that was saved last; None before the first."""
        try:
            return ImportCheckpoint(**json.loads(self._checkpoint.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):  # none, or cut off with the machine's power
            return None

    def _writing(self) -> AbstractContextManager[None]:
        return disk_errors(
            "There is no room left on the disk for the import's list of files.",
            f"The import's list of files cannot be written in {self.folder}",
        )

    @property
    def _items(self) -> Path:
        return self.folder / "files.jsonl"

    @property
    def _chunks(self) -> Path:
        return self.folder / "chunks.json"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "mark.json"

    def _prepared(self, number: int) -> Path:
        return self.folder / "prepared" / f"{number}.json"


def prepare_import(store: Store, import_id: int, *, trusted: bool = False) -> ImportCheckpoint:
    """List the files to import in the manifest; an import that was cut off continues at its checkpoint.

    Without ``trusted``, only uploads and files in the permitted folders are imported. Raises LapelError.
    """
    uploads = UploadFolder.of(store.folder)
    folder = uploads.import_folder(import_id)
    manifest = ImportManifest(folder)
    known = manifest.checkpoint()
    if known is not None:
        return known
    source = _source(store, store.imports.get(import_id), trusted)
    scanner = SourceScanner(
        folder,
        everything=uploads.contains(source),
        find_stored=store.photos.find_listed,
        stored_among=store.photos.names_among,
        stored_at_ends=store.photos.find_at_ends,
        may_read=lambda folder: trusted or is_permitted(folder),
    )
    names: dict[str, None] = {}
    total = manifest.write(_with_names(scanner.items(source), names))
    counts = {"categories": len({category_key(name) for name in names})}
    if merged := _merged(store, names):
        store.imports.refuse(import_id, "Categories", f"{', '.join(merged)}: case makes no difference.")
        counts["remarks"] = 1
    store.imports.progress(import_id, 0, total, counts)
    chunk = CHUNK_PHOTOS if total > CHUNK_PHOTOS else 0
    return manifest.save(ImportCheckpoint(total, newest=store.photos.last_id(), counts=counts, chunk=chunk))


def _with_names(items: Iterable[Item], names: dict[str, None]) -> Iterator[Item]:
    """The same items; their categories' names are collected on the way, in the order in which they come."""
    for item in items:
        names.update((box[4], None) for box in item.boxes)
        yield item


def _merged(store: Store, names: Iterable[str]) -> list[str]:
    """What is to be said of categories that the store, or an earlier file, writes another way."""
    stored = {category_key(category.name): category.name for category in store.categories.all()}
    first: dict[str, str] = {}
    merged = []
    for name in map(one_line, names):
        key = category_key(name)
        known = stored.get(key) or first.setdefault(key, name)
        if name != known:
            merged.append(f"{name!r} is the store's {known!r}" if key in stored else f"{name!r} is {known!r}")
    return merged


def import_batch(
    store: Store,
    import_id: int,
    checkpoint: ImportCheckpoint,
    *,
    seconds: float = STEP_SECONDS,
    most: int = STEP_PHOTOS,
) -> ImportCheckpoint:
    """Import the next photos: at least one, at most ``most``, for about ``seconds``.

    Every photo is whole in the store or not at all, and one that was imported before is not again, so a
    step may be cut off and repeated. Raises StoreError where the store cannot be written to.
    """
    row = store.imports.get(import_id)
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    step = ImportStep(store, row, checkpoint.newest)
    ends, done, offset = time.monotonic() + seconds, checkpoint.done, checkpoint.offset
    prepared = manifest.prepared(checkpoint.done, checkpoint.chunk)
    for (item, after), known in zip(manifest.read(checkpoint.offset), prepared, strict=False):
        step.take(item, known)
        done, offset = done + 1, after
        if done - checkpoint.done >= most or time.monotonic() > ends:
            break
    counts = {name: checkpoint.counts.get(name, 0) + step.counts[name] for name in (*OUTCOMES, *CONTENTS)}
    every = max(FILL_EVERY, 1 << max(0, checkpoint.done.bit_length() - 3))  # an eighth of what is there
    fills = done // every > checkpoint.done // every
    if checkpoint.done == 0 or fills or done >= checkpoint.total:
        store.queue.fill()
    store.imports.progress(import_id, done, checkpoint.total, counts)
    return manifest.save(replace(checkpoint, done=done, offset=offset, newest=step.newest, counts=counts))


def prepare_photos(
    store: Store,
    import_id: int,
    chunk: int,
    first: int = 0,
    *,
    seconds: float = STEP_SECONDS,
    most: int = STEP_PHOTOS,
) -> tuple[list[Prepared], bool]:
    """Prepare the next files of a chunk after its ``first``; and whether that was the last of them.

    At least one, at most ``most``, for about ``seconds``. Nothing is counted, and no photo has a row yet.
    Raises StoreError where pictures cannot be written.
    """
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    items, ends = manifest.chunk(chunk)[first:], time.monotonic() + seconds
    done: list[Prepared] = []
    for item in items[:most]:
        done.append(prepare_item(store, item))
        if time.monotonic() > ends:
            break
    return done, len(done) == len(items)


def finish_import(store: Store, import_id: int, checkpoint: ImportCheckpoint) -> ImportRow:
    """Mark the import as done, and remove its manifest and the upload."""
    row = store.imports.get(import_id)
    told = (*OUTCOMES, "unread", "dropped")
    message = "" if any(checkpoint.counts.get(name) for name in told) else "There is no photo in it."
    store.imports.progress(import_id, checkpoint.done, checkpoint.total, checkpoint.counts, "done", message)
    UploadFolder.of(store.folder).clear(import_id, Path(row.folder) if row.folder else None)
    return store.imports.get(import_id)


def fail_import(store: Store, import_id: int, error: Exception | str) -> None:
    """Mark the import as failed, with the reason. What is in the store stays there."""
    row = store.imports.get(import_id)
    store.imports.progress(import_id, row.done, row.total, row.counts, "failed", str(error))


def import_all(
    store: Store,
    import_id: int,
    progress: Progress = ignore_progress,
    *,
    trusted: bool = False,
) -> ImportRow:
    """Import everything here and now; ``progress`` counts files after every step. Raises LapelError."""
    try:
        checkpoint = prepare_import(store, import_id, trusted=trusted)
        progress(checkpoint.done, checkpoint.total)
        while not checkpoint.ended:
            checkpoint = import_batch(store, import_id, checkpoint)
            progress(checkpoint.done, checkpoint.total)
        return finish_import(store, import_id, checkpoint)
    except LapelError as error:
        fail_import(store, import_id, error)
        raise


def all_came(counts: Mapping[str, int]) -> bool:
    """Whether an import lost nothing: no photo, no annotation file, no box."""
    return not any(counts.get(name) for name in ("refused", "unread", "dropped"))


def _source(store: Store, row: ImportRow, trusted: bool) -> Path:
    if not row.folder:
        raise StoreError("The import names no files.")
    path = Path(row.folder)
    if trusted or UploadFolder.of(store.folder).contains(path):
        if not path.exists():
            raise StoreError(f"There is no {path} on the machine that the import runs on.")
        return path
    return permitted(path)


def skip_photo(store: Store, import_id: int, checkpoint: ImportCheckpoint, reason: str) -> ImportCheckpoint:
    """Refuse the next photo of an import without opening it; the checkpoint after it.

    A step as ``import_batch`` is: it may be cut off and repeated. Raises StoreError without a manifest.
    """
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    item, offset = next(manifest.read(checkpoint.offset))
    store.imports.refuse(import_id, item.name, reason)
    counts = {**checkpoint.counts, "refused": checkpoint.counts.get("refused", 0) + 1}
    done = checkpoint.done + 1
    store.imports.progress(import_id, done, checkpoint.total, counts)
    return manifest.save(replace(checkpoint, done=done, offset=offset, counts=counts))
