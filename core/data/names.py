"""Names in data sets: photos' names from untrusted files, class lists, and member names that any system can
unpack.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from reprlib import repr as shown

from core.errors import DatasetError

LONGEST_STEM = 100
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
"""Stems that Windows keeps for devices."""


def relative_name(name: object, source: str) -> str:
    """A photo's name as a relative path with ``/``; refuses one that leaves the photos' folder."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise DatasetError(f"{source}: a photo's file name is expected, got {shown(name)}")
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DatasetError(
            f"{source}: a photo's file name stays inside the photos' folder, got {shown(name)}"
        )
    return str(path)


def read_class_names(path: Path) -> tuple[str, ...]:
    """The category names of a ``classes.txt``, one a line; raises ``DatasetError`` where it is no text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path.name}: a text with a category a line is expected, got: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


def class_list(categories: Iterable[str]) -> str:
    """The text of a ``classes.txt``: a category a line."""
    return "".join(f"{name}\n" for name in categories)


def member_stem(name: str) -> str:
    """A photo's name without folder and ending, in characters that every file system takes.

    Letters, marks and digits of any script, blanks and ``._-()`` stay; all else becomes ``_``. Nothing
    hidden, no leading dash, no Windows device, at most 100 characters, never empty.
    """
    base = PurePosixPath(name.replace("\\", "/")).name
    stem = PurePosixPath(base).stem if base else ""
    composed = unicodedata.normalize("NFC", stem)
    plain = "".join(c if c in " ._-()" or unicodedata.category(c)[0] in "LMN" else "_" for c in composed)
    plain = plain[:LONGEST_STEM].strip(" .").lstrip("-")
    if RESERVED.match(plain.split(".")[0]):
        plain = f"_{plain}"
    return plain or "photo"


def member_stems(names: Sequence[str]) -> list[str]:
    """``member_stem`` of each name, made unique without regard to case by a number at the end."""
    taken: set[str] = set()
    stems = []
    for name in names:
        stem = unique = member_stem(name)
        number = 2
        while unique.casefold() in taken:
            unique = f"{stem}_{number}"
            number += 1
        taken.add(unique.casefold())
        stems.append(unique)
    return stems


def first_repeated(names: Sequence[object]) -> object | None:
    """The first entry that was there before, or ``None`` where all differ."""
    seen: set[object] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
