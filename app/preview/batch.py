"""A batch of photos, labeled by as many threads as there are cores while a page looks on, or does not.

Its photos are re-encoded into a spool on the disk; memory holds a thumbnail and the garments of each photo.
Where the spool is a kept one, a batch goes on where it was when the server was stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import LapelError, StoreFullError
from core.file_names import unique_in_batch
from core.garments import CANDIDATE_THRESHOLD, Refusal
from core.images.decode import Photo, count_photos, iter_photos
from core.store.photo_drafts import Draft
from core.store.photo_spools import Item, Origin, PendingUpload, Spool
from core.threads import parallel_map

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

logger = logging.getLogger(__name__)

Source = tuple[str, bytes | Path]


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is; ``seconds_left`` is None until the first photo is done."""

    done: int
    total: int
    running: bool
    seconds_left: float | None

    @property
    def fraction(self) -> float:
        """The part that is done, 0..1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class _Read:
    """A photo or a refusal with its number, and where it came from."""

    number: int
    origin: Origin
    found: Photo | Refusal


class Batch:
    """Photos that are being labeled, and the results so far; ``draft`` is what the spool holds already."""

    def __init__(self, labeler: PhotoLabeler | None, spool: Spool, draft: Draft | None = None) -> None:
        draft = draft or Draft()
        self.spool = spool
        self._labeler = labeler
        self._items, self._refusals = draft.items, draft.refusals
        self._waiting: deque[PendingUpload] = deque(draft.waiting)
        self._reading: Iterator[Photo | Refusal] | None = None
        self._taken: dict[str, int] = {}
        for item in self._items:
            unique_in_batch(item.spooled.name, self._taken)
        self._read = draft.next_number
        self._source = draft.next_source
        self._place = 0
        self._exhausted: list[PendingUpload] = []
        left = sum(max(0, _count(entry) - len(entry.done)) for entry in draft.waiting)
        self._total = len(self._items) + len(self._refusals) + left
        self._before = self._total - left
        self._busy_seconds = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()

    def use(self, labeler: PhotoLabeler) -> None:
        """Label with these models from the next photo on."""
        self._labeler = labeler

    @property
    def items(self) -> tuple[Item, ...]:
        """The labeled photos so far, in order."""
        with self._lock:
            return tuple(self._items)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The files refused so far, each with its sentence."""
        with self._lock:
            return tuple(self._refusals)

    def add(self, sources: Iterable[Source]) -> None:
        """Queue photos and archives, and start labeling them; what there is no room for is refused."""
        for name, source in sources:
            with self._lock:
                number, self._source = self._source, self._source + 1
            try:
                entry = self.spool.add_upload(number, name, source)
            except (StoreFullError, OSError) as error:
                with self._lock:
                    self._refusals.append(Refusal(name, _not_saved(error)))
                    self._total += 1
                continue
            expected = _count(entry)
            with self._lock:
                self._waiting.append(entry)
                self._total += expected
        self.resume()

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Note files that never came so far as to be read."""
        with self._lock:
            more = list(refusals)
            self._refusals += more
            self._total += len(more)

    def resume(self) -> None:
        """Label the waiting photos, unless the thread is running."""
        with self._lock:
            self._stop.clear()
            if self._waiting and self._thread is None and self._labeler is not None:
                self._thread = threading.Thread(target=self._work, name="lapel-batch", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Stop after the photos in work; results stay, and waiting photos can be resumed."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was cancelled, and not resumed since."""
        return self._stop.is_set()

    def progress(self) -> BatchProgress:
        """How far it is now."""
        with self._lock:
            done = len(self._items) + len(self._refusals)
            running = self._thread is not None
            # A zip may hold more or fewer photos than its list of names promised.
            total = max(self._total, done) if self._waiting else done
            here = done - self._before
            each = self._busy_seconds / here if here > 0 else None
            return BatchProgress(done, total, running, None if each is None else each * (total - done))

    def wait(self, until: Callable[[BatchProgress], bool], seconds: float) -> BatchProgress:
        """Wait until ``until`` holds of the progress, or the seconds are over."""
        deadline = time.monotonic() + seconds
        while not until(progress := self.progress()) and (left := deadline - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait(min(left, 0.05))
        return progress

    def close(self) -> None:
        """Stop, forget everything and remove the spooled photos."""
        self.cancel()
        with self._lock:
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=10)
        self.spool.close()

    def _work(self) -> None:
        while True:
            last = time.monotonic()
            for origin, outcome in parallel_map(self._photos(), self._label):
                with self._changed:
                    self._file(outcome)
                    now = time.monotonic()
                    self._busy_seconds += now - last
                    last = now
                    self._changed.notify_all()
                self._remove_read_uploads(before=origin.source)
            self._remove_read_uploads()
            with self._changed:
                # Photos may have been added since the queue was found empty.
                if not self._waiting or self._stop.is_set():
                    self._thread = None
                    self._changed.notify_all()
                    return

    def _file(self, outcome: Item | Refusal) -> None:
        if isinstance(outcome, Item):
            self._items.append(outcome)
        else:
            self._refusals.append(outcome)

    def _remove_read_uploads(self, before: int | None = None) -> None:
        """Remove files whose photos are all labeled: results come in order."""
        with self._lock:
            over = [entry for entry in self._exhausted if before is None or entry.source < before]
            self._exhausted = [entry for entry in self._exhausted if entry not in over]
        self.spool.remove_uploads(over)

    def _photos(self) -> Iterator[_Read]:
        """What waits, with a number each, until nothing does or the batch is stopped."""
        while not self._stop.is_set():
            found = self._next()
            if found is None:
                if not self._waiting:
                    return
                continue
            origin, outcome = found
            if isinstance(outcome, Photo):
                outcome = replace(outcome, name=unique_in_batch(outcome.name, self._taken))
            self._read += 1
            yield _Read(self._read - 1, origin, outcome)

    def _next(self) -> tuple[Origin, Photo | Refusal] | None:
        """The next photo that waits; None at the end of a file, and once nothing waits."""
        with self._lock:
            entry = self._waiting[0] if self._waiting else None
        if entry is None:
            return None
        if self._reading is None:
            self._reading, self._place = _read(entry), 0
        outcome = None
        try:
            outcome = next(self._reading, None)
        except Exception:  # an unforeseen error must not end the rest of the batch
            logger.exception("a source of photos broke off")
        while self._place in entry.done:
            self._place += 1
        self._place += 1
        if outcome is not None:
            return Origin(entry.source, self._place - 1), outcome
        self._reading = None
        with self._lock:
            self._exhausted.append(entry)
            self._waiting.popleft()
        return None

    def _label(self, read: _Read) -> tuple[Origin, Item | Refusal]:
        """The photo labeled and spooled; several are at the same time."""
        outcome = self._outcome(read)
        try:
            self.spool.record(read.number, outcome, read.origin)
        except (StoreFullError, OSError) as error:
            logger.warning("photo %d could not be kept: %s", read.number, error)
            return read.origin, Refusal(_name_of(outcome), _not_saved(error))
        return read.origin, outcome

    def _outcome(self, read: _Read) -> Item | Refusal:
        photo, number = read.found, read.number
        if isinstance(photo, Refusal):
            return photo
        assert self._labeler is not None
        try:
            labeled = self._labeler.label(photo, score_threshold=CANDIDATE_THRESHOLD)
            return Item(number, self.spool.add(photo, number), labeled)
        except (StoreFullError, OSError) as error:
            logger.warning("photo %d could not be saved: %s", number, error)
            return Refusal(photo.name, _not_saved(error))
        except Exception:
            logger.exception("photo %d could not be labeled", number)
            return Refusal(photo.name, "The photo could not be labeled; the log says why.")


def _not_saved(error: Exception) -> str:
    if isinstance(error, LapelError):
        return str(error)
    return "The photo could not be saved: the disk is full or cannot be written."


def _name_of(outcome: Item | Refusal) -> str:
    return outcome.photo if isinstance(outcome, Refusal) else outcome.spooled.name


def _count(entry: PendingUpload) -> int:
    return count_photos([(entry.name, entry.path)])


def _read(entry: PendingUpload) -> Iterator[Photo | Refusal]:
    """The photos of a file that are not labeled yet; those of a zip with their folders."""
    yield from iter_photos([(entry.name, entry.path)], skip=entry.done, folders=True)
