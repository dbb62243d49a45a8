"""Where uploads wait for the worker: a folder of their own, named by us, with the paths they came with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

from core.datasets.names import relative_name
from core.errors import DatasetError, StoreError
from core.images.decode import safe_name
from core.store.imports import permitted


def stage(files: Iterable[tuple[str, bytes]], waiting: Path) -> Path:
    """Write uploaded files to a new folder in ``waiting``, and give it.

    The folders of a data set are kept, doubled names told apart. Raises StoreError where the disk does not
    take the files.
    """
    home = waiting / uuid.uuid4().hex
    try:
        home.mkdir(parents=True)
        for name, data in files:
            path = _free(home / _inside(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"The files could not be written to {waiting}: {error.strerror}.") from error
    return home


def server_folder(text: str) -> Path:
    """The folder or file that a person named, as an absolute path.

    Raises StoreError where there is none, AccessError where imports may not look.
    """
    named = text.strip().strip("\"'")
    if not named:
        raise StoreError("Name the folder to bring photos in from.")
    return permitted(Path(named))


def _inside(name: str) -> Path:
    """The name as a path that stays in the folder; each part is made fit to be shown."""
    try:
        parts = Path(relative_name(name, "upload")).parts
    except DatasetError:
        parts = (name,)
    return Path(*(safe_name(part) for part in parts))


def _free(path: Path) -> Path:
    number = 2
    free = path
    while free.exists():
        free = path.parent / f"{path.stem} ({number}){path.suffix}"
        number += 1
    return free
