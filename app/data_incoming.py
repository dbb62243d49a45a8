"""Where uploads wait for the worker: a folder of their own, named by us, with the paths that they came with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

from app.spool import data_folder
from core.data.names import relative_name
from core.errors import DatasetError, StoreError
from core.photos import safe_name

FOLDER = "incoming"


def stage(files: Iterable[tuple[str, bytes]]) -> Path:
    """Write uploaded files down; gives their folder. A dataset's folders are kept, doubled names told apart.

    Raises StoreError where the disk does not take them.
    """
    home = data_folder() / FOLDER / uuid.uuid4().hex
    try:
        home.mkdir(parents=True)
        for name, data in files:
            path = _free(home / _inside(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"The files could not be written to {home.parent}: {error.strerror}.") from error
    return home


def server_folder(text: str) -> Path:
    """The folder or file that a person named, as an absolute path. Raises StoreError where there is none."""
    named = text.strip().strip("\"'")
    if not named:
        raise StoreError("Name the folder to bring photos in from.")
    try:
        path = Path(named).expanduser().resolve()
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"That is no path on this machine: {error}.") from error
    if not there:
        raise StoreError(f"There is no folder {path} on the machine that Lapel runs on.")
    return path


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
