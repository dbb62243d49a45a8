"""Photos that are being labeled, on disk: a folder that goes with the page, or is kept for the person.

``000012.jpg`` is a photo, ``000012.view.jpg`` and ``000012.small.jpg`` are smaller ones, ``incoming-000003``
waits to be labeled. ``core.store.photo_drafts`` has the folders that are kept.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.files import data_folder
from core.garments import LabeledPhoto, Refusal
from core.images.decode import Photo, open_photo
from core.images.encode import downscaled, jpeg
from core.store.ingest import cleaned

VIEW_SIDE = 1280
SMALL_SIDE = 320
STALE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class SpooledPhoto:
    """A spooled photo: its file, display name and small picture; ``home`` keeps the file's folder alive."""

    path: Path
    name: str
    digest: str
    thumbnail: bytes = field(repr=False)
    home: Spool | None = field(default=None, repr=False, compare=False)

    def photo(self) -> Photo:
        """The photo in full, as it was labeled. Raises PhotoError where its file is lost or damaged."""
        return replace(open_photo(self.path), name=self.name)

    def view(self) -> bytes:
        """A JPEG for the page, at most ``VIEW_SIDE`` pixels on the longer side; the small one without it."""
        try:
            return self.path.with_suffix(".view.jpg").read_bytes()
        except OSError:
            return self.thumbnail


@dataclass(frozen=True)
class Item:
    """One labeled photo of a batch: its number, its spooled files, and all its candidates."""

    number: int
    spooled: SpooledPhoto
    labeled: LabeledPhoto


@dataclass(frozen=True)
class Origin:
    """Where a photo came from: the number of what was added, and the place in it (in a zip) from 0."""

    source: int = 0
    place: int = 0


@dataclass(frozen=True)
class PendingUpload:
    """A file that waits to be labeled; photos at the places ``done`` in it are labeled already."""

    source: int
    name: str
    path: Path
    done: frozenset[int] = frozenset()


class Spool:
    """A folder of photos, removed with this object; ``KeptSpool`` stays."""

    def __init__(self) -> None:
        previews = previews_folder()
        previews.mkdir(parents=True, exist_ok=True)
        # The object's finalizer removes the folder when the session ends or the process exits.
        owner = f"{platform.node()}-{os.getpid()}-"
        self._temporary = tempfile.TemporaryDirectory(prefix=owner, dir=previews, ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)

    def add_upload(self, source: int, name: str, data: bytes | Path) -> PendingUpload:
        """Write an upload to disk until it is read, so that five hundred do not fill the memory.

        A file that is on the disk already is read where it lies.
        """
        if isinstance(data, Path):
            return PendingUpload(source, name, data)
        path = self.folder / f"incoming-{source:06d}"
        path.write_bytes(data)
        return PendingUpload(source, name, path)

    def remove_uploads(self, waiting: Iterable[PendingUpload]) -> None:
        """Remove pending uploads; files outside the spool stay."""
        for entry in waiting:
            if entry.path.parent == self.folder:
                entry.path.unlink(missing_ok=True)

    def add(self, photo: Photo, number: int) -> SpooledPhoto:
        """Save the photo; its file is named by ``number``, never by the name that it was uploaded with."""
        path = self.folder / f"{number:06d}.jpg"
        view = downscaled(photo.image, VIEW_SIDE)
        small = jpeg(downscaled(view, SMALL_SIDE), quality=80)
        self._write(
            {
                path: cleaned(photo.image),
                path.with_suffix(".view.jpg"): jpeg(view, quality=85),
                path.with_suffix(".small.jpg"): small,
            }
        )
        return SpooledPhoto(path, photo.name, photo.digest, small, self)

    def _write(self, files: Mapping[Path, bytes]) -> None:
        for path, data in files.items():
            path.write_bytes(data)

    def record(self, number: int, outcome: Item | Refusal, origin: Origin) -> None:
        """Note that a photo is labeled, or refused."""

    def log(self, entry: Mapping[str, Any]) -> None:
        """Note a step of corrections (``step_entry``), an undo or a redo."""

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Note what else a person has set."""

    def close(self) -> None:
        """Remove the folder now."""
        self._temporary.cleanup()

    @property
    def used_bytes(self) -> int:
        """Bytes on the disk."""
        return folder_bytes(self.folder)


def previews_folder() -> Path:
    """Where the spools of all processes lie."""
    return data_folder() / "previews"


def is_stale(folder: Path) -> bool:
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


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
