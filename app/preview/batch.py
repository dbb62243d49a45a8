"""A batch of photos, labeled by as many threads as there are cores, and the spool of its files on disk.

Nothing here is durable: a batch lives as long as its browser tab. Its photos are re-encoded into a folder
that is removed with the session; memory holds a thumbnail and the garments of each photo.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from core.files import data_folder
from core.garments import LabeledPhoto, Refusal
from core.images.decode import Photo, count_photos, iter_photos, read_photo
from core.images.encode import jpeg, shrunk
from core.threads import overlapped

MIN_SCORE = 0.1  # candidates are stored from this score on, so that the threshold moves without new inference
ABANDONED_SECONDS = 120.0  # a batch that no page has polled for so long pauses

logger = logging.getLogger(__name__)

Source = tuple[str, bytes | Path]


class LabelsPhotos(Protocol):
    """The part of the labeler that a batch needs."""

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        """The photo's garments, best first."""


@dataclass(frozen=True)
class Item:
    """One labeled photo of a batch: its number, its spooled files, and all its candidates."""

    number: int
    spooled: SpooledPhoto
    labeled: LabeledPhoto


@dataclass(frozen=True)
class Progress:
    """How far a batch is; ``seconds_left`` is None until the first photo is done."""

    done: int
    total: int
    running: bool
    seconds_left: float | None

    @property
    def fraction(self) -> float:
        """The part that is done, 0..1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class Batch:
    """Photos that are being labeled, and the results so far."""

    def __init__(self, labeler: LabelsPhotos, spool: Spool) -> None:
        self.spool = spool
        self._labeler = labeler
        self._waiting: deque[Iterator[Photo | Refusal]] = deque()
        self._items: list[Item] = []
        self._refusals: list[Refusal] = []
        self._names: set[str] = set()
        self._total = self._read = 0
        self._busy_seconds = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()
        self._last_polled = time.monotonic()

    def use(self, labeler: LabelsPhotos) -> None:
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
        """Queue photos and archives, and start labeling them."""
        stashed = [
            (name, self.spool.stash(source) if isinstance(source, bytes) else source)
            for name, source in sources
        ]
        expected = count_photos(stashed)
        with self._lock:
            self._waiting.append(_read(stashed, self.spool))
            self._total += expected
        self.resume()

    def resume(self) -> None:
        """Label the waiting photos, unless the thread is running."""
        with self._lock:
            self._last_polled = time.monotonic()
            self._stop.clear()
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lapel-batch", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Stop after the photos in work; results stay, and waiting photos can be resumed."""
        self._stop.set()

    def progress(self) -> Progress:
        """The progress; polling it also keeps the batch from pausing as abandoned."""
        with self._lock:
            self._last_polled = time.monotonic()
            done = len(self._items) + len(self._refusals)
            running = self._thread is not None
            # A zip may hold more or fewer photos than its list of names promised.
            total = max(self._total, done) if self._waiting else done
            each = self._busy_seconds / done if done else None
            return Progress(done, total, running, None if each is None else each * (total - done))

    def wait(self, until: Callable[[Progress], bool], seconds: float) -> Progress:
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
            for outcome in overlapped(self._photos(), self._label):
                with self._changed:
                    if isinstance(outcome, Item):
                        self._items.append(replace(outcome, number=len(self._items)))
                    else:
                        self._refusals.append(outcome)
                    now = time.monotonic()
                    self._busy_seconds += now - last
                    last = now
                    self._changed.notify_all()
            with self._changed:
                # Photos may have been added since the queue was found empty.
                if not self._waiting or self._is_to_end():
                    self._thread = None
                    self._changed.notify_all()
                    return

    def _photos(self) -> Iterator[tuple[int, Photo | Refusal]]:
        """What waits, with a number each, until nothing does or the batch is to end."""
        while not self._is_to_end():
            found = self._next()
            if found is None:
                if not self._waiting:
                    return
                continue
            if isinstance(found, Photo):
                found = replace(found, name=self._free_name(found.name))
            self._read += 1
            yield self._read - 1, found

    def _is_to_end(self) -> bool:
        return self._stop.is_set() or time.monotonic() - self._last_polled > ABANDONED_SECONDS

    def _next(self) -> Photo | Refusal | None:
        """The next photo that waits; None once nothing does."""
        with self._lock:
            source = self._waiting[0] if self._waiting else None
        if source is None:
            return None
        outcome = None
        try:
            outcome = next(source, None)
        except Exception:  # an unforeseen error must not end the rest of the batch
            logger.exception("a source of photos broke off")
        if outcome is None:
            with self._lock:
                self._waiting.remove(source)
        return outcome

    def _label(self, numbered: tuple[int, Photo | Refusal]) -> Item | Refusal:
        """The photo labeled and spooled; several are at the same time."""
        number, photo = numbered
        if isinstance(photo, Refusal):
            return photo
        try:
            labeled = self._labeler.label(photo, score_threshold=MIN_SCORE)
            return Item(number, self.spool.add(photo, number), labeled)
        except OSError:
            logger.exception("photo %d could not be saved", number)
            return Refusal(photo.name, "The photo could not be saved: the disk is full or cannot be written.")
        except Exception:
            logger.exception("photo %d could not be labeled", number)
            return Refusal(photo.name, "The photo could not be labeled; the log says why.")

    def _free_name(self, name: str) -> str:
        path = Path(name)
        own, copy = name, 1
        while own.casefold() in self._names:
            copy += 1
            own = f"{path.stem} ({copy}){path.suffix}"
        self._names.add(own.casefold())
        return own


def _read(sources: list[tuple[str, Path]], spool: Spool) -> Iterator[Photo | Refusal]:
    """The photos of these files; stashed files are removed in the end."""
    yield from iter_photos(sources)
    spool.unstash(path for _, path in sources)


def time_left(seconds: float | None) -> str:
    """The time left as rounded text."""
    if seconds is None:
        return "estimating the time left"
    if seconds < 1.5:
        return "about a second left"
    if seconds < 90:
        return f"about {round(seconds) if seconds < 10 else round(seconds / 5) * 5} s left"
    return f"about {round(seconds / 60)} min left"


VIEW_SIDE = 1280
THUMBNAIL_SIDE = 320
STALE_SECONDS = 24 * 3600.0


def sweep_previews() -> int:
    """Remove the spools of killed processes; returns how many."""
    stale = [path for path in (data_folder() / "previews").glob("*") if path.is_dir() and _is_stale(path)]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _is_stale(folder: Path) -> bool:
    """Whether nobody uses a session's folder: its process on this machine is gone, or it is a day old."""
    if folder.stat().st_mtime < time.time() - STALE_SECONDS:
        return True
    owner, _, process = folder.name.rpartition("-")[0].rpartition("-")
    if owner != platform.node() or not process.isdigit() or os.name != "posix":
        return False  # another machine's, or a system where os.kill(pid, 0) would end the process
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@dataclass(frozen=True)
class SpooledPhoto:
    """A spooled photo: its file, display name and small picture; ``home`` keeps the file's folder alive."""

    path: Path
    name: str
    digest: str
    thumbnail: bytes = field(repr=False)
    home: Spool | None = field(default=None, repr=False, compare=False)

    def photo(self) -> Photo:
        """The photo in full, as it was labeled."""
        return read_photo(self.path.read_bytes(), self.name)

    def view(self) -> bytes:
        """A JPEG for the page, at most ``VIEW_SIDE`` pixels on the longer side."""
        return self.path.with_suffix(".view.jpg").read_bytes()


class Spool:
    """A folder of one session's photos, removed when the session is."""

    def __init__(self) -> None:
        previews = data_folder() / "previews"
        previews.mkdir(parents=True, exist_ok=True)
        # The object's finalizer removes the folder when the session ends or the process exits.
        owner = f"{platform.node()}-{os.getpid()}-"
        self._folder = tempfile.TemporaryDirectory(prefix=owner, dir=previews, ignore_cleanup_errors=True)

    @property
    def folder(self) -> Path:
        """The folder's path."""
        return Path(self._folder.name)

    def stash(self, data: bytes) -> Path:
        """Write an upload to disk until it is read, so that five hundred do not fill the memory."""
        descriptor, path = tempfile.mkstemp(dir=self.folder, prefix="incoming-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return Path(path)

    def unstash(self, paths: Iterable[Path]) -> None:
        """Remove stashed files; files outside the spool stay."""
        for path in paths:
            if path.parent == self.folder:
                path.unlink(missing_ok=True)

    def add(self, photo: Photo, number: int) -> SpooledPhoto:
        """Save the photo; its file is named by ``number``, never by the name that it was uploaded with."""
        path = self.folder / f"{number:06d}.jpg"
        view = shrunk(photo.image, VIEW_SIDE)
        path.write_bytes(jpeg(photo.image, quality=95))
        path.with_suffix(".view.jpg").write_bytes(jpeg(view, quality=85))
        return SpooledPhoto(
            path, photo.name, photo.digest, jpeg(shrunk(view, THUMBNAIL_SIDE), quality=80), self
        )

    def close(self) -> None:
        """Remove the folder now."""
        self._folder.cleanup()
