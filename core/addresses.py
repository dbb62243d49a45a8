"""Addresses: files in a folder or an object store, by path or URL (``s3://bucket/photos/``, fsspec's)."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import LapelError, NotFoundError
from core.files import atomic_write

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")


class AddressError(LapelError):
    """An address that cannot be read or written: it is of no known kind, away, or closed to this account."""


def is_address(text: str) -> bool:
    """Whether a text is a URL rather than a path.

    >>> is_address("s3://bucket/photos/"), is_address("photos/2024"), is_address("C:/photos")
    (True, False, False)
    """
    return _SCHEME.match(text) is not None


@dataclass(frozen=True)
class Address:
    """A folder, or a prefix of an object store, with what lies below it; safe to share between threads."""

    url: str
    system: Any
    path: str

    @classmethod
    def of(cls, text: str) -> Address:
        """The folder at a path or URL. Raises AddressError for a URL of a kind that is not known here."""
        import fsspec  # which commands without addresses need not load

        with _answered(text):
            register_object_stores()
            system, path = fsspec.core.url_to_fs(text)
        url = text if is_address(text) else path
        return cls(url.rstrip("/") or "/", system, str(path).rstrip("/"))

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that it is; None for one elsewhere."""
        names = (self.system.protocol,) if isinstance(self.system.protocol, str) else self.system.protocol
        return Path(self.path) if "file" in names else None

    def is_file(self) -> bool:
        """Whether a single file lies there."""
        with _answered(self.url):
            return bool(self.system.isfile(self.path))

    def parent(self) -> tuple[Address, str]:
        """The address above, and the name below it."""
        path, _, name = self.path.rpartition("/")
        return Address(self.url.rpartition("/")[0], self.system, path), name

    def names(self, below: str = "") -> Iterator[str]:
        """The files below, sorted within their folders, by their path from here; no hidden ones, no links.

        Nothing comes where no such folder is. One folder's names are in memory at a time.
        """
        if self.folder is not None:
            start = self.folder / below
            for parent, folders, files in os.walk(start):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                paths = (Path(parent, name) for name in sorted(files) if not name.startswith("."))
                yield from (path.relative_to(start).as_posix() for path in paths if not path.is_symlink())
            return
        top = f"{self.path}/{below}".rstrip("/") if below else self.path
        with _answered(self.url):
            walk = self.system.walk(top, detail=False, on_error="raise")
            while True:
                try:
                    parent, folders, files = next(walk)
                except (StopIteration, FileNotFoundError):
                    return
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                inner = str(parent).strip("/")[len(top.strip("/")) :].strip("/")
                for name in sorted(name for name in files if name and not name.startswith(".")):
                    yield f"{inner}/{name}" if inner else name

    def read(self, name: str, most: int | None = None) -> bytes:
        """A file's bytes, at most so many of them. Raises NotFoundError where there is none."""
        try:
            with _answered(self._named(name)):
                if self.folder is not None:
                    with (self.folder / name).open("rb") as file:
                        return file.read(-1 if most is None else most)
                return bytes(self.system.cat_file(f"{self.path}/{name}", end=most))
        except FileNotFoundError:
            raise NotFoundError(f"There is no file {name} at {self.url}.") from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all: locally by a rename, an object store's writes are so anyway."""
        with _answered(self._named(name)):
            if self.folder is not None:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(path, sync=True) as file:
                    file.write(data)
                return
            key = f"{self.path}/{name}"
            self.system.makedirs(key.rpartition("/")[0], exist_ok=True)
            self.system.pipe_file(key, data)

    def _named(self, name: str) -> str:
        return f"{self.url}/{name}"


@contextmanager
def _answered(address: str) -> Iterator[None]:
    """What goes wrong at an address as a sentence; a file that is not there stays what it is."""
    try:
        yield
    except (LapelError, FileNotFoundError, GeneratorExit):
        raise
    except Exception as error:  # the libraries behind fsspec answer with nearly every type of error
        said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise AddressError(f"{address} cannot be used: {' '.join(said.split())[:300]}") from error


def register_object_stores() -> None:
    """Have fsspec open ``s3://`` and ``gs://`` by Arrow where s3fs and gcsfs are not installed.

    Arrow comes with pyarrow, which Streamlit needs; s3fs would bring twelve packages more.
    """
    import fsspec

    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs")):
        if scheme not in fsspec.registry and importlib.util.find_spec(package) is None:
            fsspec.register_implementation(scheme, f"core.object_stores.{scheme.upper()}", clobber=True)
