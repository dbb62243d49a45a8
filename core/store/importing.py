"""Imports: photos and the boxes of data sets, in small steps that can be cut off and repeated."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.errors import ConflictError, LapelError, PhotoError, StoreError
from core.images.decode import open_photo
from core.store.boxes import MOST_BOXES, AnnotatedBox
from core.store.imports import ImportRow, Incoming, Mark, Notes, permitted
from core.store.schema import photos as photos_table
from core.store.sources import Item, Looker, leads_out

if TYPE_CHECKING:
    from core.store import Store
    from core.store.photos import Added, PhotoRow

OUTCOMES = ("new", "near", "exact", "holdout", "refused", "annotated")
STEP_PHOTOS = 64
STEP_SECONDS = 2.0
FILL_EVERY = 256
"""Photos between two times that the queue is filled while an import runs."""

_ODD_SHAPE = 0.01  # how far two aspect ratios may lie apart for boxes to be scaled


def prepare(store: Store, import_id: int, *, trusted: bool = False) -> Mark:
    """Look through what is to be brought in, and note it down; an import cut off goes on where it was.

    Without ``trusted``, only uploads and what lies in the permitted folders is taken. Raises LapelError.
    """
    incoming = Incoming.of(store.folder)
    work = incoming.work(import_id)
    notes = Notes(work)
    known = notes.mark()
    if known is not None:
        return known
    source = _source(store, store.imports.get(import_id), trusted)
    total = notes.write(Looker(work, everything=incoming.holds(source)).items(source))
    store.imports.progress(import_id, 0, total, {})
    return notes.keep(Mark(total, newest=_newest(store)))


def bring_in(
    store: Store, import_id: int, mark: Mark, *, seconds: float = STEP_SECONDS, most: int = STEP_PHOTOS
) -> Mark:
    """Bring in the next photos: at least one, at most ``most``, for about ``seconds``.

    Every photo is whole in the store or not at all, and one that was brought in before is not again, so a
    step may be cut off and repeated. Raises StoreError where the store cannot be written to.
    """
    row = store.imports.get(import_id)
    notes = Notes(Incoming.of(store.folder).work(import_id))
    step = _Step(store, row, mark.newest)
    ends, done, offset = time.monotonic() + seconds, mark.done, mark.offset
    for item, after in notes.read(mark.offset):
        step.take(item)
        done, offset = done + 1, after
        if done - mark.done >= most or time.monotonic() > ends:
            break
    counts = {name: mark.counts.get(name, 0) + step.counts[name] for name in OUTCOMES}
    if mark.done == 0 or done // FILL_EVERY > mark.done // FILL_EVERY or done >= mark.total:
        store.queue.fill()
    store.imports.progress(import_id, done, mark.total, counts)
    return notes.keep(replace(mark, done=done, offset=offset, newest=_newest(store), counts=counts))


def finish(store: Store, import_id: int, mark: Mark) -> ImportRow:
    """The import is done: say so, and remove its notes and the upload."""
    row = store.imports.get(import_id)
    message = "" if mark.total else "There is no photo in it."
    store.imports.progress(import_id, mark.done, mark.total, mark.counts, "done", message)
    Incoming.of(store.folder).clear(import_id, Path(row.folder) if row.folder else None)
    return store.imports.get(import_id)


def give_up(store: Store, import_id: int, error: Exception) -> None:
    """The import has failed: say why. What is in the store stays there."""
    row = store.imports.get(import_id)
    store.imports.progress(import_id, row.done, row.total, row.counts, "failed", str(error))


def import_all(
    store: Store, import_id: int, watch: Callable[[Mark], None] = lambda mark: None, *, trusted: bool = False
) -> ImportRow:
    """Bring everything in, here and now; ``watch`` is told after every step. Raises LapelError."""
    try:
        mark = prepare(store, import_id, trusted=trusted)
        watch(mark)
        while not mark.ended:
            mark = bring_in(store, import_id, mark)
            watch(mark)
        return finish(store, import_id, mark)
    except LapelError as error:
        give_up(store, import_id, error)
        raise


class _Step:
    """One step's photos: what becomes of each, and how many had which outcome."""

    def __init__(self, store: Store, row: ImportRow, newest: int) -> None:
        self.counts: Counter[str] = Counter()
        self._store, self._import, self._newest = store, row, newest
        self._seen: set[str] = set()

    def take(self, item: Item) -> None:
        """Bring one file in, or note down why not."""
        if item.error:
            self._refuse(item, item.error, whole=item.whole)
            return
        path = Path(item.path)
        try:
            if leads_out(path, Path(item.root)):
                raise PhotoError("It is a link that leads out of the folder.")
            photo = open_photo(path)
        except PhotoError as error:
            self._refuse(item, str(error))
            return
        added = self._store.photos.add(photo, by=self._import.by, import_id=self._import.id)
        self.counts[self._outcome(added, photo.digest)] += 1
        if item.boxes and added.row is not None:
            self._annotate(item, added.row)

    def _outcome(self, added: Added, digest: str) -> str:
        """The outcome, as it was the first time where this step is repeated."""
        again = digest in self._seen
        self._seen.add(digest)
        row = added.row
        if added.outcome in ("new", "near") or row is None or again:
            return added.outcome
        if row.import_id == self._import.id and row.id > self._newest:
            return "new" if row.near_id is None else "near"
        return added.outcome

    def _annotate(self, item: Item, row: PhotoRow) -> None:
        """Save a data set's boxes as the photo's first annotation; what is there already stays."""
        request = f"import-{self._import.id}-{row.id}"
        try:
            boxes = self._boxes(item, row)
            saved = self._store.annotations.submit(
                row.id, boxes, author=self._import.by, base_version=0, request=request, kind="imported"
            )
        except ConflictError:
            self._refuse(
                item, "The photo is annotated already; the boxes that came with it were left out.", False
            )
        except _BoxesError as error:
            self._refuse(item, f"The photo's boxes were left out: {error}", False)
        else:
            self.counts["annotated"] += saved.kind == "imported"

    def _boxes(self, item: Item, row: PhotoRow) -> list[AnnotatedBox]:
        scale = _scale(item.size_wh, (row.width, row.height))
        try:
            ids = self._store.categories.ensure([box[4] for box in item.boxes], self._import.by)
        except StoreError as error:
            raise _BoxesError(f"{error}.") from error
        corners = [(tuple(v * scale for v in box[:4]), ids[box[4]], box[5]) for box in item.boxes]
        boxes = [AnnotatedBox(xyxy, id, label, origin="import") for xyxy, id, label in corners]  # type: ignore
        inside = [cut for box in boxes if (cut := box.inside(row.width, row.height))]
        if len(inside) > MOST_BOXES:
            raise _BoxesError(f"there are {len(inside)}, and at most {MOST_BOXES} are kept.")
        return inside

    def _refuse(self, item: Item, reason: str, whole: bool = True) -> None:
        self.counts["refused"] += whole
        self._store.imports.refuse(self._import.id, item.name, reason)


class _BoxesError(Exception):
    """Boxes that do not fit their photo."""


def _scale(listed_wh: tuple[int, int], photo_wh: tuple[int, int]) -> float:
    """What the boxes are to be multiplied by. Raises _BoxesError where the photo has another shape."""
    across, down = photo_wh[0] / listed_wh[0], photo_wh[1] / listed_wh[1]
    if abs(across - down) > _ODD_SHAPE * across:
        listed, found = ("{} x {}".format(*size) for size in (listed_wh, photo_wh))
        raise _BoxesError(f"they are for {listed} pixels, and the photo has {found}.")
    return across


def _source(store: Store, row: ImportRow, trusted: bool) -> Path:
    if not row.folder:
        raise StoreError("The import names no files.")
    path = Path(row.folder)
    if trusted or Incoming.of(store.folder).holds(path):
        if not path.exists():
            raise StoreError(f"There is no {path} on the machine that the import runs on.")
        return path
    return permitted(path)


def _newest(store: Store) -> int:
    with store.database.read() as connection:
        return connection.execute(sa.select(sa.func.max(photos_table.c.id))).scalar() or 0
