"""A training that is to stop does so between two pieces of work.

A training's folder on this machine, and its checkpoint where another machine finds it, too.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import fsspec

from core.errors import LapelError, NotFoundError, StoreError, StoreFullError
from core.store import Store
from core.store.blobs import digest_of
from core.store.revisions import RevisionItem

Item = TypeVar("Item")

CHECK_SECONDS = 0.5


class TrainingStopped(LapelError):
    """The training was cancelled; nothing of it is to be kept."""


class Brake:
    """Asks now and then whether to go on; ``stop`` says True where not."""

    def __init__(self, stop: Callable[[], bool], seconds: float = CHECK_SECONDS) -> None:
        self._stop, self._seconds = stop, seconds
        self._asked = float("-inf")

    def check(self) -> None:
        """Raises TrainingStopped where the training is to stop."""
        if time.monotonic() - self._asked < self._seconds:
            return
        if self._stop():
            raise TrainingStopped("The training was cancelled.")
        self._asked = time.monotonic()

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a look at the brake before each."""
        for item in items:
            self.check()
            yield item


FOLDER, LAST = "trainings", "last.ckpt"  # as core.training.trainer names it

log = logging.getLogger("lapel.training")


@dataclass(frozen=True)
class Workplace:
    """``folder`` holds pictures, checkpoint and weights; the copy of the checkpoint lies beside the blobs."""

    folder: Path
    copy_url: str
    _copied: list[float] = field(default_factory=lambda: [0.0], repr=False, compare=False)

    @classmethod
    def of(cls, store: Store, training: int) -> Workplace:
        """The one of a training; nothing is made yet."""
        place = f"{store.blobs.url.rstrip('/')}/{FOLDER}/{training}.ckpt"
        return cls(store.folder / FOLDER / str(training), place)

    @property
    def checkpoint(self) -> Path:
        """Where the last checkpoint lies, if there is one."""
        return self.folder / LAST

    @property
    def pictures(self) -> Path:
        """Where the photos lie."""
        return self.folder / "photos"

    def keep_checkpoint(self) -> None:
        """Copy the checkpoint to where the blobs lie, if it is new; trouble with that stops nobody."""
        try:
            made = self.checkpoint.stat().st_mtime
        except FileNotFoundError:
            return
        if made == self._copied[0]:
            return
        try:
            system, path = fsspec.core.url_to_fs(self.copy_url)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            with system.transaction, system.open(path, "wb") as copy, self.checkpoint.open("rb") as source:
                shutil.copyfileobj(source, copy, 2**20)
            self._copied[0] = made
        except Exception as error:  # whatever object stores raise
            log.warning("The checkpoint could not be copied to %s: %s", self.copy_url, error)

    def fetch_checkpoint(self) -> None:
        """Have the furthest checkpoint here that can be read; none where there is none."""
        there = self.folder / "copied.ckpt"
        with suppress(Exception):  # no copy, or no way to it
            system, path = fsspec.core.url_to_fs(self.copy_url)
            self.folder.mkdir(parents=True, exist_ok=True)
            with system.open(path, "rb") as copy, there.open("wb") as out:
                shutil.copyfileobj(copy, out, 2**20)
        here, copied = epochs_behind(self.checkpoint), epochs_behind(there)
        if copied > here:
            there.replace(self.checkpoint)
        elif here == 0:
            self.checkpoint.unlink(missing_ok=True)  # cut off in writing
        there.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all of it, here and beside the blobs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(Exception):
            system, path = fsspec.core.url_to_fs(self.copy_url)
            system.rm(path)


def epochs_behind(checkpoint: Path) -> int:
    """How many epochs lie behind a checkpoint; 0 where there is none that can be read."""
    if not checkpoint.is_file():
        return 0
    from core.training.trainer import finished_epochs  # brings the training's libraries

    try:
        return finished_epochs(checkpoint)
    except Exception:  # torch names no error of its own for a file that was cut off
        return 0


def bring_pictures(
    store: Store, items: Iterable[RevisionItem], folder: Path, brake: Brake
) -> Sequence[RevisionItem]:
    """The photos whose pictures are in the folder now, each as its digest says; missing ones are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for item in brake.over(items):
        path = folder / picture_name(item)
        try:
            if not (path.is_file() and digest_of(path.read_bytes()) == item.photo.blob):
                write_whole(path, store.blobs.get(item.photo.blob))
            found.append(item)
        except NotFoundError:
            continue
    return found


def picture_name(item: RevisionItem) -> str:
    """The file of a photo, by what is in it."""
    return f"{item.photo.blob}.jpg"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all. Raises StoreFullError or StoreError."""
    part = path.with_suffix(".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (28, 122):
            raise StoreFullError("There is no room left on the disk for the training's photos.") from error
        raise StoreError(f"The folder {path.parent} cannot be used: {error.strerror}.") from error


def sweep(store: Store) -> int:
    """Remove what trainings left behind that are over or unknown; returns how many there were."""
    folder = store.folder / FOLDER
    there = list(folder.iterdir()) if folder.is_dir() else []
    going = {str(row.id) for row in store.trainings.running()}  # asked last: one may just have begun
    stale = [path for path in there if path.name not in going]
    for path in stale:
        if path.name.isdigit():
            Workplace.of(store, int(path.name)).clear()
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)
