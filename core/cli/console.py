"""What commands say to the shell: results on stdout, progress on stderr, folders to write into."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from core.errors import LapelError
from core.files import atomic_write

Item = TypeVar("Item")


def print_json(value: object) -> None:
    """A line of JSON on stdout; plain ASCII where the shell does not take UTF-8."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not utf8), flush=True)


def watched(items: Iterable[Item], total: int | None = None, unit: str = "photo") -> Iterator[Item]:
    """A progress bar on stderr with rate and remaining time, where a person is looking."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    yield from tqdm(items, total=total, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())


@contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Make the folder, and turn what hinders writing into one sentence: raises LapelError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise LapelError(
            f"expected a folder to write to at {folder}, got: {error.strerror or error}"
        ) from error


@contextmanager
def output_file(file: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name once it is whole. Raises LapelError where it cannot be."""
    try:
        with atomic_write(file) as out:
            yield out
    except OSError as error:
        raise LapelError(f"expected a file to write at {file}, got: {error.strerror or error}") from error
