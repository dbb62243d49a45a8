"""A zip of any number of files in little memory: its table of contents waits on the disk until the end."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

IN_MEMORY = 2**20
"""Bytes of the table of contents before it goes to the disk."""


class StreamedZip(ZipFile):
    """A ZipFile to write into anything with ``write``. Names must differ: nothing here remembers them.

    The standard library keeps half a kilobyte a file until the zip is closed, 100 MB of 200,000 files.
    """

    def __init__(self, out: BinaryIO) -> None:
        super().__init__(out, "w", ZIP_DEFLATED)
        self._contents = _Contents()
        self.filelist = self._contents  # type: ignore[assignment]
        self.NameToInfo = _Forgetful()

    def add(self, name: str, data: bytes | str, *, packed: bool = False) -> None:
        """Write one file; ``packed`` says that it does not get smaller, as a JPEG."""
        self.writestr(name, data, ZIP_STORED if packed else ZIP_DEFLATED)

    def close(self) -> None:
        """Write the table of contents. ``out`` stays open."""
        try:
            super().close()
        finally:
            self._contents.close()


class _Contents:
    """What ZipFile asks of its list of files: to append, to count, and to go through it once."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the zip
        self._count = 0

    def append(self, entry: ZipInfo) -> None:
        pickle.dump(entry, self._file, pickle.HIGHEST_PROTOCOL)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ZipInfo]:
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)  # our own file, without a name

    def close(self) -> None:
        self._file.close()


class _Forgetful(dict[str, Any]):
    def __setitem__(self, name: str, entry: Any) -> None:
        pass
