"""Where Lapel's files lie, and files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import StoreError, StoreFullError

DATA_VARIABLE = "LAPEL_DATA"
CACHE_VARIABLE = "LAPEL_CACHE"

PARTIAL = ".*.part"
"""A glob pattern of the files that killed writes leave behind."""


def data_folder() -> Path:
    """The folder of Lapel's data: ``LAPEL_DATA``, else the user's share folder."""
    chosen = os.environ.get(DATA_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".local" / "share" / "lapel"


@contextmanager
def atomic_write(
    path: Path, *, folder: Path | None = None, sync: bool = False, private: bool = False
) -> Iterator[BinaryIO]:
    """A file to write that replaces ``path`` when the block ends; where the block fails, nothing changes.

    It is written in ``folder``, by default the one of ``path``, which must lie on the same file system. With
    ``sync`` its bytes are on the disk before it gets its name; with ``private`` only this user may read it.
    Raises OSError.
    """
    part = (folder or path.parent) / f".{uuid.uuid4().hex}.part"
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    descriptor = os.open(part, flags, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def disk_errors(full: str, failed: str) -> Iterator[None]:
    """Turn an OSError into ``store_error``'s sentence."""
    try:
        yield
    except OSError as error:
        raise store_error(error, full, failed) from error


def store_error(error: OSError, full: str, failed: str) -> StoreError:
    """StoreFullError with the sentence ``full``, or StoreError whose sentence begins with ``failed``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(full)
    return StoreError(f"{failed}: {error.strerror or error}.")


def cache_folder() -> Path:
    """Where what can be made again is kept: ``LAPEL_CACHE``, the user's cache folder, else a temporary one.

    It is this user's own. Raises OSError where there is no place for one.
    """
    named = os.environ.get(CACHE_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME")
    user = Path(cache) if cache else Path.home() / ".cache"
    folder = Path(named) if named else user / "lapel"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"lapel-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        raise PermissionError(f"the folder {folder.name} of temporary files is another user's")
    return folder


def current_commit() -> str | None:
    """The project's commit, or None outside a checkout."""
    folder = Path(__file__).resolve().parents[1]
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
