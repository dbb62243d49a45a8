"""Pictures by the digest of their bytes: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import fsspec

from core.addresses import register_object_stores
from core.errors import NotFoundError, StoreAwayError, StoreError, StoreFullError
from core.files import atomic_write, store_error

_DIGEST = re.compile("[0-9a-f]{64}")
_INCOMING = "incoming"
_STALE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Blobs:
    """A folder, or a place that fsspec knows by URL (``s3://bucket/lapel``).

    All methods raise StoreAwayError where the place cannot be used: no bucket, no answer, no permission.
    """

    url: str
    _place: Place = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        register_object_stores()
        system, path = fsspec.core.url_to_fs(self.url)
        names = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
        place = _Folder(Path(path)) if "file" in names else _Bucket(system, path.rstrip("/"))
        object.__setattr__(self, "_place", place)

    def put(self, data: bytes) -> str:
        """Keep the bytes; they are on disk when this returns their digest. The same again changes nothing.

        Raises StoreFullError where there is no room; nothing is left behind.
        """
        digest = digest_of(data)
        with self._translated():
            self._place.write(digest, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFoundError where there are none, StoreError where they are damaged."""
        if not _DIGEST.fullmatch(digest):
            raise NotFoundError("There is no such picture.")
        try:
            with self._translated():
                data = self._place.read(digest)
        except FileNotFoundError:
            raise NotFoundError(f"The picture {digest[:12]} is missing.") from None
        if digest_of(data) != digest:
            raise StoreError(f"The picture {digest[:12]} is damaged: its bytes have changed on the disk.")
        return data

    def has(self, digest: str) -> bool:
        """Whether such a blob is there."""
        with self._translated():
            return bool(_DIGEST.fullmatch(digest)) and self._place.has(digest)

    def delete(self, digest: str) -> None:
        """Remove a blob, where there is one."""
        with self._translated(), suppress(FileNotFoundError):
            if _DIGEST.fullmatch(digest):
                self._place.delete(digest)

    def tidy(self) -> None:
        """Remove what writes that were killed left half done, once they are a day old."""
        with self._translated():
            self._place.tidy()

    def digests(self) -> Iterator[str]:
        """The digests of all blobs, in no order."""
        with self._translated():
            yield from (name for name in self._place.names() if _DIGEST.fullmatch(name))

    def require_there(self) -> None:
        """Raises StoreAwayError where the place is not there: a missing blob may be no fault of its own."""
        with self._translated():
            if not self._place.is_there():
                raise StoreAwayError(f"The place of the pictures cannot be used: {self.url} is not there.")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The place's errors as sentences; a file that is not there stays what it is."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            full = "There is no room left for pictures; nothing was changed."
            told = store_error(error, full, "The place of the pictures cannot be used")
            if not isinstance(told, StoreFullError) and self._place.is_away(error):
                told = StoreAwayError(str(told))
            raise told from error


def digest_of(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class Place(Protocol):
    """Where blobs lie."""

    def write(self, digest: str, data: bytes) -> None: ...

    def read(self, digest: str) -> bytes: ...

    def has(self, digest: str) -> bool: ...

    def delete(self, digest: str) -> None: ...

    def names(self) -> Iterator[str]: ...

    def tidy(self) -> None: ...

    def is_there(self) -> bool: ...

    def is_away(self, error: OSError) -> bool:
        """Whether an error is one of the whole place, rather than of one blob."""
        ...


class _Folder:
    """Files on this machine, 256 folders of them, each put in place by a rename after it is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, digest: str, data: bytes) -> None:
        path = self._path(digest)
        if not self._holds(path, data):
            self._prepare(path.parent)
            with atomic_write(path, folder=self._root / _INCOMING, sync=True, private=True) as file:
                file.write(data)
        _sync(path.parent)  # also where another process has just put it there and not synced yet

    def read(self, digest: str) -> bytes:
        return self._path(digest).read_bytes()

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def delete(self, digest: str) -> None:
        self._path(digest).unlink()

    def names(self) -> Iterator[str]:
        for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
            yield path.name

    def tidy(self) -> None:
        for path in (self._root / _INCOMING).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                    path.unlink()

    def is_there(self) -> bool:
        return os.access(self._root, os.R_OK | os.X_OK) and self._root.is_dir()

    def is_away(self, error: OSError) -> bool:
        return not self.is_there()  # else one file of a disk: the others may be fine

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def _holds(self, path: Path, data: bytes) -> bool:
        """Whether these very bytes are there: a damaged file is written again."""
        try:
            return path.stat().st_size == len(data) and path.read_bytes() == data
        except FileNotFoundError:
            return False

    def _prepare(self, folder: Path) -> None:
        for path in (self._root, self._root / _INCOMING, folder):
            if not path.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                _sync(path.parent)


class _Bucket:
    """An object store; its writes are whole by themselves."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root

    def write(self, digest: str, data: bytes) -> None:
        self._system.makedirs(f"{self._root}/{digest[:2]}", exist_ok=True)
        self._system.pipe_file(self._path(digest), data)

    def read(self, digest: str) -> bytes:
        return bytes(self._system.cat_file(self._path(digest)))

    def has(self, digest: str) -> bool:
        return bool(self._system.isfile(self._path(digest)))

    def delete(self, digest: str) -> None:
        self._system.rm_file(self._path(digest))

    def names(self) -> Iterator[str]:
        for path in self._system.find(self._root):
            yield path.rpartition("/")[2]

    def tidy(self) -> None:
        """Object stores show nothing that is not whole."""

    def is_there(self) -> bool:
        return bool(self._system.exists(self._root.lstrip("/").partition("/")[0]))

    def is_away(self, error: OSError) -> bool:
        return True

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def _sync(folder: Path) -> None:
    """Put a folder's list of files on the disk; only POSIX systems open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
