"""A zip of photos or of a data set, unpacked to a folder so that an import can go on in the middle of it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.archives import ZipLimits, unpack
from core.data.names import relative_name
from core.errors import DatasetError, PhotoError, StoreFullError
from core.garments import Refusal

LIMITS = ZipLimits(entries=200_000, entry_bytes=512 * 2**20)
"""A data set's zip holds more entries than a batch of photos, and one large file of annotations."""


def unpack_to(source: Path, folder: Path) -> Iterator[Refusal]:
    """Write a zip's files below a new folder; yields those that cannot be.

    Raises ArchiveError before anything is written where the zip is dangerous, StoreFullError without room.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name, found in unpack(source, LIMITS):
        error = str(found) if isinstance(found, PhotoError) else _write(folder, name, found)
        if error:
            yield Refusal(name, error)


def _write(folder: Path, name: str, data: bytes) -> str:
    """Write one file; returns why it could not be."""
    try:
        path = folder / relative_name(name, "the zip")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return "The zip holds this name twice."
        path.write_bytes(data)
    except DatasetError as error:
        return f"{error}."
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError("There is no room left to unpack the zip; nothing was changed.") from error
        return f"The file cannot be unpacked: {error.strerror}."
    return ""
