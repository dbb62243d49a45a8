"""Untrusted zips of photos: checked as a whole by their central directory, then unpacked file by file."""

from __future__ import annotations

import io
import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from core.errors import ArchiveError, PhotoError
from core.file_names import is_hidden

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PIECE_BYTES = 2**20
_DIRECTORY_BYTES_PER_ENTRY = 512  # 46 fixed, the rest for the name, its extra fields and a comment
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_FAULTS = (BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, RuntimeError)


@dataclass(frozen=True)
class ZipLimits:
    """What a zip may ask for.

    ``entries`` counts folders too. An entry above ``entry_bytes`` is refused by itself. The whole zip is
    condemned by more than ``total_bytes`` unpacked, by more than ``small_bytes`` where all entries together
    grow by more than ``total_ratio``, and by an entry of more than a megabyte that grows by more than
    ``ratio``. What an entry unpacks to in truth is never more than it was counted with.
    """

    entries: int = 10_000
    entry_bytes: int = 50 * 2**20
    total_bytes: int = 50 * 2**30
    ratio: int = 200
    total_ratio: int = 50  # photos hardly grow, annotations in text about twentyfold
    small_bytes: int = 100 * 2**20

    def __post_init__(self) -> None:
        if min(astuple(self)) < 1:
            raise ValueError(f"limits of a zip are positive, got {self}")


LIMITS = ZipLimits()


def is_zip(source: bytes | Path) -> bool:
    """Whether the first bytes are a zip's."""
    if isinstance(source, bytes):
        return source.startswith(_SIGNATURES)
    try:
        if not source.is_file():  # a pipe or a device could be waited on for ever
            return False
        with source.open("rb") as file:
            return file.read(4) in _SIGNATURES
    except OSError:
        return False


def unpack(
    source: bytes | Path, limits: ZipLimits = LIMITS, on_hidden: Callable[[str], object] = lambda name: None
) -> Iterator[tuple[str, bytes | PhotoError]]:
    """The files of a zip as (name within the zip, bytes), one at a time, without hidden and system files.

    Names have ``/`` between folders, also where Windows wrote backslashes. An entry that is damaged or too
    large comes with a PhotoError in place of its bytes; ``on_hidden`` is told the names that are left out.
    Raises ArchiveError before the first entry where anything about the zip is dangerous: a path that leads
    out of its folder, a link, encryption, overlapping entries, too many entries, or far more unpacked than
    packed bytes.
    """
    with _opened(source, limits) as archive:
        for entry in _checked_entries(archive, limits, on_hidden):
            yield entry.filename, _read_entry(archive, entry, limits)


def count_entries(source: bytes | Path, limits: ZipLimits = LIMITS) -> int:
    """How many files unpack gives, by the table of contents alone. Raises ArchiveError as unpack does."""
    with _opened(source, limits) as archive:
        return len(_checked_entries(archive, limits))


_IS_UTF_8 = 0x800


class BoundedReader:
    """A file that hands out at most ``most`` bytes at once, and raises ``error`` where there are more.

    zipfile reads the table of contents in one piece and makes an object of every entry before any of them
    can be counted. Bounding the piece stops a table with a million entries, wherever the zip says it lies.
    """

    def __init__(self, file: BinaryIO, most: int, error: Exception) -> None:
        self._file, self._most, self._error = file, most, error
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """The next bytes, all of them by default."""
        piece = self._file.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(piece) > self._most:
            raise self._error
        return piece


@contextmanager
def _opened(source: bytes | Path, limits: ZipLimits) -> Iterator[ZipFile]:
    try:
        file: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    except OSError as error:
        raise ArchiveError(f"The zip cannot be opened: {error.strerror}.") from error
    most = _PIECE_BYTES + limits.entries * _DIRECTORY_BYTES_PER_ENTRY
    with file:
        try:
            archive = ZipFile(BoundedReader(file, most, _too_many_entries(limits)))
        except _FAULTS as error:
            raise ArchiveError("The zip is damaged or cut off: its contents cannot be listed.") from error
        with archive:
            for entry in archive.infolist():
                entry.filename = _with_slashes(_as_utf_8(entry))
            yield archive


def _as_utf_8(entry: ZipInfo) -> str:
    """An entry's name; macOS' Finder writes UTF-8 without the flag that says so, which is read as cp437."""
    if entry.flag_bits & _IS_UTF_8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _with_slashes(name: str) -> str:
    """A name as zips have it: some programs for Windows write backslashes between folders."""
    return name.replace("\\", "/")


def _checked_entries(
    archive: ZipFile, limits: ZipLimits, on_hidden: Callable[[str], object] = lambda name: None
) -> list[ZipInfo]:
    """The entries to unpack. Raises ArchiveError where an entry, even a skipped one, is dangerous."""
    entries = archive.infolist()
    if len(entries) > limits.entries:
        raise _too_many_entries(limits)
    for entry in entries:
        names = (_with_slashes(entry.orig_filename), entry.filename)
        fault = next(filter(None, map(_path_fault, names)), None) or _kind_fault(entry, limits)
        if fault:
            raise ArchiveError(f"The zip is refused as a whole: {fault}.")
    _check_overlap(entries, archive.start_dir)
    _check_total(entries, limits)
    files = [entry for entry in entries if not entry.is_dir()]
    hidden = [entry.filename for entry in files if any(map(is_hidden, entry.filename.split("/")))]
    left_out = set(hidden)
    wanted = [entry for entry in files if entry.filename not in left_out]
    if not wanted:
        raise ArchiveError("The zip holds no files but hidden ones." if hidden else "The zip holds no files.")
    for name in hidden:
        on_hidden(name)
    return wanted


def _path_fault(path: str) -> str | None:
    if not path:
        return "an entry in it has no name"
    if "\0" in path:
        return "a name in it contains a null character"
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "a path in it is absolute"
    if ".." in path.split("/"):
        return "a path in it leads out of its folder"
    return None


def _kind_fault(entry: ZipInfo, limits: ZipLimits) -> str | None:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "an entry is a link or a special file"
    if entry.flag_bits & _ENCRYPTED_FLAGS:
        return "it is encrypted"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # zipfile inflates the others without a bound
        return "it is packed by a method other than the usual one (deflate)"
    if entry.file_size > max(2**20, limits.ratio * entry.compress_size):
        return f"an entry unpacks to more than {limits.ratio} times its packed size"
    return None


def _check_overlap(entries: list[ZipInfo], directory_offset: int) -> None:
    """Entries that share packed bytes are how a small zip unpacks to petabytes (Fifield 2019)."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    starts = [entry.header_offset for entry in ordered] + [directory_offset]
    for entry, next_start in zip(ordered, starts[1:], strict=True):
        if entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size > next_start:
            raise ArchiveError("The zip is refused as a whole: entries in it overlap.")


def _check_total(entries: list[ZipInfo], limits: ZipLimits) -> None:
    """What all entries unpack to, the smallest among them: each is read up to the size that counts here."""
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)  # in the file, as no two of them overlap
    if unpacked > limits.total_bytes:
        most = f"{limits.total_bytes / 2**30:.3g} GB"
        raise ArchiveError(f"The zip is refused as a whole: it unpacks to more than {most}.")
    if unpacked > max(limits.small_bytes, limits.total_ratio * packed):
        raise ArchiveError(
            f"The zip is refused as a whole: it unpacks to more than {limits.total_ratio} times its size."
        )


def _read_entry(archive: ZipFile, entry: ZipInfo, limits: ZipLimits) -> bytes | PhotoError:
    if entry.file_size > limits.entry_bytes:
        most = f"{limits.entry_bytes / 2**20:.3g} MB"
        return PhotoError(f"The file is larger than {most}, the most that is read.")
    pieces, length = [], 0
    try:
        with archive.open(entry) as stream:
            while piece := stream.read(_PIECE_BYTES):
                length += len(piece)
                if length > entry.file_size:
                    raise BadZipFile("more bytes than the table of contents says")
                pieces.append(piece)
    except _FAULTS:
        return PhotoError("The file is damaged: it cannot be unpacked from the zip.")
    return b"".join(pieces)


def _too_many_entries(limits: ZipLimits) -> ArchiveError:
    return ArchiveError(f"The zip is refused as a whole: it lists more than {limits.entries:,} files.")
