"""The files of one training (photos, checkpoint and its copy, weights), and the token that cancels it."""

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

from core.errors import LapelError, NotFoundError
from core.files import atomic_write, disk_errors
from core.store import Store
from core.store.blobs import digest_of
from core.store.revisions import RevisionItem

Item = TypeVar("Item")

CHECK_SECONDS = 0.5
FOLDER, LAST = "trainings", "last.ckpt"  # as core.training.trainer names it

log = logging.getLogger("lapel.training")


class TrainingCancelled(LapelError):
    """The training was cancelled; nothing of it is kept."""


class CancelToken:
    """Ends a training between two steps once ``is_cancelled`` returns True, which is asked twice a second."""

    def __init__(self, is_cancelled: Callable[[], bool], seconds: float = CHECK_SECONDS) -> None:
        self._is_cancelled, self._seconds = is_cancelled, seconds
        self._asked = float("-inf")

    def check(self) -> None:
        """Raises TrainingCancelled where the training was cancelled."""
        if time.monotonic() - self._asked < self._seconds:
            return
        if self._is_cancelled():
            raise TrainingCancelled("The training was cancelled.")
        self._asked = time.monotonic()

    def iterate(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a check before each."""
        for item in items:
            self.check()
            yield item


@dataclass(frozen=True)
class RunDirectory:
    """A training's local folder, and the address of its checkpoint's copy beside the blobs.

    Another machine continues the training from the copy.
    """

    folder: Path
    copy_url: str
    _copied: list[float] = field(default_factory=lambda: [0.0], repr=False, compare=False)

    @classmethod
    def of(cls, store: Store, training: int) -> RunDirectory:
        """The run directory of a training; nothing is created yet."""
        copy_url = f"{store.blobs.url.rstrip('/')}/{FOLDER}/{training}.ckpt"
        return cls(store.folder / FOLDER / str(training), copy_url)

    @property
    def checkpoint(self) -> Path:
        """The path of the last checkpoint, if there is one."""
        return self.folder / LAST

    @property
    def photos(self) -> Path:
        """The folder of the photos."""
        return self.folder / "photos"

    def copy_checkpoint(self) -> None:
        """Copy the checkpoint beside the blobs if it is new; a failure is logged and stops nothing."""
        try:
            modified = self.checkpoint.stat().st_mtime
        except FileNotFoundError:
            return
        if modified == self._copied[0]:
            return
        try:
            system, path = fsspec.core.url_to_fs(self.copy_url)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            with system.transaction, system.open(path, "wb") as copy, self.checkpoint.open("rb") as source:
                shutil.copyfileobj(source, copy, 2**20)
            self._copied[0] = modified
        except Exception as error:  # object stores raise errors of their own
            log.warning("The checkpoint could not be copied to %s: %s", self.copy_url, error)

    def fetch_checkpoint(self) -> None:
        """Put the readable checkpoint with the most epochs, local or copied, in place; none without any."""
        fetched = self.folder / "copied.ckpt"
        with suppress(Exception):  # no copy, or it cannot be reached
            system, path = fsspec.core.url_to_fs(self.copy_url)
            self.folder.mkdir(parents=True, exist_ok=True)
            with system.open(path, "rb") as copy, fetched.open("wb") as out:
                shutil.copyfileobj(copy, out, 2**20)
        local, copied = count_finished_epochs(self.checkpoint), count_finished_epochs(fetched)
        if copied > local:
            fetched.replace(self.checkpoint)
        elif local == 0:
            self.checkpoint.unlink(missing_ok=True)  # truncated while it was written
        fetched.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder and the copied checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(Exception):
            system, path = fsspec.core.url_to_fs(self.copy_url)
            system.rm(path)


def finish_training(store: Store, training: int, state: str, message: str = "") -> None:
    """Record how a training ended; its run directory is kept where it failed, so that it can be resumed."""
    store.trainings.finish(training, state, message)
    if store.trainings.get(training).state != "failed":
        RunDirectory.of(store, training).clear()


def count_finished_epochs(checkpoint: Path) -> int:
    """The number of finished epochs in a checkpoint; 0 where there is none that can be read."""
    if not checkpoint.is_file():
        return 0
    from core.training.resuming import finished_epochs  # imports torch and Lightning

    try:
        return finished_epochs(checkpoint)
    except Exception:  # torch has no error of its own for a truncated file
        return 0


def fetch_photos(
    store: Store, items: Iterable[RevisionItem], folder: Path, token: CancelToken
) -> Sequence[RevisionItem]:
    """Write the photos into the folder, checked by digest; returns the items whose photo was found."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for item in token.iterate(items):
        path = folder / photo_file_name(item)
        try:
            if not (path.is_file() and digest_of(path.read_bytes()) == item.photo.blob):
                write_photo(path, store.blobs.get(item.photo.blob))
            found.append(item)
        except NotFoundError:
            continue
    return found


def photo_file_name(item: RevisionItem) -> str:
    """The file name of a photo in a run directory, by its content."""
    return f"{item.photo.blob}.jpg"


def write_photo(path: Path, data: bytes) -> None:
    """Write a photo so that it is there whole or not at all. Raises StoreFullError or StoreError."""
    full = "There is no room left on the disk for the training's photos."
    with disk_errors(full, f"The folder {path.parent} cannot be used"), atomic_write(path) as file:
        file.write(data)


def remove_stale_runs(store: Store) -> int:
    """Remove the run directories of trainings that have ended or are unknown; returns how many there were."""
    folder = store.folder / FOLDER
    present = list(folder.iterdir()) if folder.is_dir() else []
    running = {str(row.id) for row in store.trainings.running()}  # read last: one may just have begun
    stale = [path for path in present if path.name not in running]
    for path in stale:
        if path.name.isdigit():
            RunDirectory.of(store, int(path.name)).clear()
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)
