"""Imports in steps: the files are listed in a manifest, then imported in batches that can be repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LapelError, StoreError
from core.files import atomic_write, disk_errors
from core.store.database import one_line
from core.store.import_step import CONTENTS, OUTCOMES, ImportStep
from core.store.imports import ImportRow, UploadFolder, is_permitted, permitted
from core.store.sources import Item, SourceScanner
from core.taxonomy import category_key

if TYPE_CHECKING:
    from core.store import Store

STEP_PHOTOS = 64
STEP_SECONDS = 2.0
FILL_EVERY = 256
"""Photos between two times that the queue is filled while an import runs."""


@dataclass(frozen=True)
class ImportCheckpoint:
    """How far an import is: ``offset`` is a byte in its manifest, ``newest`` its newest photo before that.

    A step that is repeated after a crash finds its own photos by ``newest``, and counts them as it did, also
    where the one that was cut off had come further.
    """

    total: int = 0
    done: int = 0
    offset: int = 0
    newest: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether all files have been processed."""
        return self.done >= self.total

    def as_dict(self) -> dict[str, Any]:
        """The form in the checkpoint's file and in a job's step."""
        return asdict(self)


@dataclass(frozen=True)
class ImportManifest:
    """The files of an import, a line of JSON each, and beside them the checkpoint: both in ``folder``."""

    folder: Path

    def write(self, items: Iterable[Item]) -> int:
        """Write all items, or none of them where this is cut off; returns how many there are."""
        total = 0
        with self._writing(), atomic_write(self._items, sync=True) as out:
            for item in items:
                out.write(json.dumps(item.as_list()).encode() + b"\n")
                total += 1
        return total

    def read(self, offset: int) -> Iterator[tuple[Item, int]]:
        """The items from a byte on, each with the byte after it. Raises StoreError without a manifest."""
        try:
            with self._items.open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    offset += len(line)
                    yield Item.from_list(json.loads(line)), offset
        except FileNotFoundError:
            raise StoreError("The files of this import are not on this machine, or were removed.") from None

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
    def _checkpoint(self) -> Path:
        return self.folder / "mark.json"


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
    return manifest.save(ImportCheckpoint(total, newest=store.photos.last_id(), counts=counts))


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
    for item, after in manifest.read(checkpoint.offset):
        step.take(item)
        done, offset = done + 1, after
        if done - checkpoint.done >= most or time.monotonic() > ends:
            break
    counts = {name: checkpoint.counts.get(name, 0) + step.counts[name] for name in (*OUTCOMES, *CONTENTS)}
    fills = done // FILL_EVERY > checkpoint.done // FILL_EVERY
    if checkpoint.done == 0 or fills or done >= checkpoint.total:
        store.queue.fill()
    store.imports.progress(import_id, done, checkpoint.total, counts)
    return manifest.save(replace(checkpoint, done=done, offset=offset, newest=step.newest, counts=counts))


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
    on_step: Callable[[ImportCheckpoint], None] = lambda checkpoint: None,
    *,
    trusted: bool = False,
) -> ImportRow:
    """Import everything here and now; ``on_step`` is called after every step. Raises LapelError."""
    try:
        checkpoint = prepare_import(store, import_id, trusted=trusted)
        on_step(checkpoint)
        while not checkpoint.ended:
            checkpoint = import_batch(store, import_id, checkpoint)
            on_step(checkpoint)
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
