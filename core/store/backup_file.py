"""The form of a backup: a zip of a manifest, one file of JSON lines a table, and one file of all blobs.

Nothing in it depends on the kind of database. A file from elsewhere is checked in full before any of it is
used: its list of entries, every line's length, every digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import sqlalchemy as sa

from core.errors import StoreError
from core.images.archives import BoundedReader
from core.models.cards import LARGEST_BYTES
from core.store.blobs import digest_of
from core.store.database import revisions
from core.store.schema import DERIVED, metadata
from core.value_checks import strict_json

FORMAT = "lapel backup 1"
MANIFEST = "manifest.json"
PICTURES = "pictures"

_DIRECTORY_BYTES = 4 * 2**20
_PIECE_BYTES = 2**20
_MANIFEST_BYTES = 2**20
_LINE_BYTES = 16 * 2**20
_RATIO = 200
_HEADER = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,10})\n")
_FAULTS = (BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)


ADDED_BY = {
    "0006": ("api_tokens", "webhooks", "webhook_deliveries"),
    "0007": ("photo_tags", "photo_comments", "revision_tags"),
}
"""The tables that migrations after the second have added, derived ones apart."""

RENAMED_BY = {"0011": {"consensus_reviews": "second_looks"}}
"""The tables that migrations have given other names, with their names before."""


def stored_tables() -> list[sa.Table]:
    """All tables but the derived ones, each behind those that it refers to."""
    return [table for table in metadata.sorted_tables if not table.info.get(DERIVED)]


def table_names(revision: str) -> set[str]:
    """The names of the tables that a store of a migration's schema has, derived ones apart."""
    later = {name for added_by, names in ADDED_BY.items() if added_by > revision for name in names}
    names = {table.name for table in stored_tables()} - later
    for renamed_by in sorted(RENAMED_BY, reverse=True):
        if renamed_by > revision:
            names = {RENAMED_BY[renamed_by].get(name, name) for name in names}
    return names


@dataclass(frozen=True)
class TableDigest:
    """A table's rows as they are in the file: how many, and the SHA-256 of their lines."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds; models' weights count as ``pictures``.

    ``gone`` are photos deleted while it was made: their pictures are not in it.
    """

    schema: str
    at: float
    tables: Mapping[str, TableDigest]
    pictures: int
    gone: tuple[int, ...]

    def as_json(self) -> str:
        """The manifest as it is in the file."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """The manifest out of the file. Raises StoreError for what is none."""
        try:
            entry = strict_json(text)
            if entry["format"] != FORMAT:
                raise ValueError(entry["format"])
            tables = {
                name: TableDigest(int(part["rows"]), str(part["sha256"]))
                for name, part in entry["tables"].items()
            }
            gone, at = tuple(int(id) for id in entry["gone"]), float(entry["at"])
            return cls(str(entry["schema"]), at, tables, int(entry["pictures"]), gone)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise refused("its manifest cannot be read") from error


def refused(reason: str) -> StoreError:
    """The error for a file that is not taken."""
    return StoreError(f"The backup is refused: {reason}; nothing was changed.")


def table_file(name: str) -> str:
    """The name of a table's file."""
    return f"tables/{name}.jsonl"


def line_of(table: sa.Table, row: sa.Row[Any]) -> bytes:
    """A row as a line of JSON, bytes as base64."""
    entry = {name: _packed(value) for name, value in row._mapping.items()}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def row_of(table: sa.Table, line: bytes) -> dict[str, Any]:
    """A line of JSON as a row. Raises StoreError for what does not fit the table."""
    try:
        entry = strict_json(line)
        if set(entry) != set(table.c.keys()):
            raise ValueError(f"columns {sorted(entry)}")
        return {name: _unpacked(table.c[name], value) for name, value in entry.items()}
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise refused(f"a row of {table.name} cannot be read") from error


def write_picture(out: IO[bytes], data: bytes) -> None:
    """Append a picture: a line with its digest and length, then its bytes."""
    out.write(f"{digest_of(data)} {len(data)}\n".encode())
    out.write(data)


@contextmanager
def opened(file: Path) -> Iterator[ZipFile]:
    """A backup, its list of entries checked. Raises StoreError for what is none or could do harm."""
    try:
        with file.open("rb") as bytes_in:
            reader = BoundedReader(bytes_in, _DIRECTORY_BYTES, ValueError("a piece beyond the bound"))
            with ZipFile(reader) as archive:
                _check_entries(archive.infolist())
                yield archive
    except FileNotFoundError:
        raise StoreError(f"There is no file {file.name}.") from None
    except _FAULTS as error:
        raise refused("it is damaged or no backup") from error


def read_manifest(archive: ZipFile) -> Manifest:
    """The manifest. Raises StoreError."""
    with archive.open(MANIFEST) as stream:
        return Manifest.from_json(stream.read(_MANIFEST_BYTES))


def read_lines(archive: ZipFile, table: sa.Table, digest: TableDigest) -> Iterator[bytes]:
    """A table's lines; their digest is checked at the end. Raises StoreError where they are others."""
    sha256, rows = hashlib.sha256(), 0
    with archive.open(table_file(table.name)) as stream:
        while line := stream.readline(_LINE_BYTES + 1):
            if len(line) > _LINE_BYTES:
                raise refused(f"a row of {table.name} is too long")
            sha256.update(line)
            rows += 1
            yield line
    if (rows, sha256.hexdigest()) != (digest.rows, digest.sha256):
        raise refused(f"the rows of {table.name} are not those that were saved")


def read_pictures(archive: ZipFile) -> Iterator[tuple[str, bytes]]:
    """The pictures with their digests, each checked. Raises StoreError for a damaged one."""
    with archive.open(PICTURES) as stream:
        while header := stream.readline(128):
            found = _HEADER.fullmatch(header)
            if found is None or int(found[2]) > LARGEST_BYTES:
                raise refused("its pictures cannot be read")
            digest, data = found[1].decode(), _exactly(stream, int(found[2]))
            if digest_of(data) != digest:
                raise refused("a picture in it is damaged")
            yield digest, data


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """The next bytes, read piece by piece; fewer where the stream ends."""
    pieces = []
    while length > 0 and (piece := stream.read(min(length, _PIECE_BYTES))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _check_entries(entries: list[ZipInfo]) -> None:
    others = {MANIFEST, PICTURES}
    schemas = [others | {table_file(name) for name in table_names(schema)} for schema in ("", *revisions())]
    names = [entry.filename for entry in entries]
    if len(names) != len(set(names)) or set(names) not in schemas:
        raise refused("it holds other files than a backup does")
    for entry in entries:
        method = ZIP_STORED if entry.filename == PICTURES else ZIP_DEFLATED
        if entry.compress_type != method or entry.flag_bits & 0x1:
            raise refused("it is packed in another way than a backup is")
        if entry.file_size > max(2**20, _RATIO * entry.compress_size):
            raise refused(f"an entry unpacks to more than {_RATIO} times its packed size")


def _packed(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _unpacked(column: sa.Column[Any], value: Any) -> Any:
    if value is not None and isinstance(column.type, sa.LargeBinary):
        return base64.b64decode(value, validate=True)
    return value
