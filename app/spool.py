"""Where a session's photos lie while they are looked at: on disk, re-encoded, and gone with the session.

Memory holds a thumbnail and the numbers of each photo; a batch of five hundred stays small.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image

from core.photos import Photo, read_photo
from core.store import data_folder

VIEW_SIDE = 1280
THUMBNAIL_SIDE = 320
STALE_SECONDS = 24 * 3600.0


def sweep_previews() -> int:
    """Remove what killed workspaces left behind; returns how many folders went."""
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
        return False  # another machine's, or one where asking after a process would end it
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side at most ``side`` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return small


def jpeg(image: Image.Image, quality: int) -> bytes:
    """The picture as a JPEG without metadata."""
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


@dataclass(frozen=True)
class Kept:
    """A kept photo: its file, display name and small picture; ``home`` keeps the file's folder alive."""

    path: Path
    name: str
    digest: str
    thumbnail: bytes = field(repr=False)
    home: Spool | None = field(default=None, repr=False, compare=False)

    def photo(self) -> Photo:
        """The photo in full, as it was labelled."""
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
        """Write down a file that waits to be read, so that five hundred do not wait in memory."""
        descriptor, path = tempfile.mkstemp(dir=self.folder, prefix="incoming-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return Path(path)

    def unstash(self, paths: Iterable[Path]) -> None:
        """Remove such files again; those that lie elsewhere are somebody else's and stay."""
        for path in paths:
            if path.parent == self.folder:
                path.unlink(missing_ok=True)

    def keep(self, photo: Photo, number: int) -> Kept:
        """Write the photo down; its file is named by a number of ours, never by the name it came with."""
        path = self.folder / f"{number:06d}.jpg"
        view = shrunk(photo.image, VIEW_SIDE)
        path.write_bytes(jpeg(photo.image, quality=95))
        path.with_suffix(".view.jpg").write_bytes(jpeg(view, quality=85))
        return Kept(path, photo.name, photo.digest, jpeg(shrunk(view, THUMBNAIL_SIDE), quality=80), self)

    def close(self) -> None:
        """Remove the folder now."""
        self._folder.cleanup()
