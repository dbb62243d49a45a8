"""Names in data sets: photos' names from untrusted files, class lists, and member names that any system can
unpack.

A photo's size from its header alone, for formats whose annotations do not tell it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from reprlib import repr as shown

from PIL import Image

from core.errors import DatasetError

LONGEST_PART = 255
"""Bytes in a file's or folder's name, on all usual file systems."""

LONGEST_BYTES = 100
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
"""Stems that Windows keeps for devices."""


def relative_name(name: object, source: str) -> str:
    """A photo's name as a relative path with ``/``; refuses one that leaves the photos' folder."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise DatasetError(f"{source}: a photo's file name is expected, got {shown(name)}")
    path = PurePosixPath(name.replace("\\", "/"))
    if max(len(part.encode("utf-8", "surrogatepass")) for part in (*path.parts, "")) > LONGEST_PART:
        raise DatasetError(
            f"{source}: a photo's file name has at most {LONGEST_PART} bytes, got {shown(name)}"
        )
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
    """The text of a ``classes.txt``: a category a line, whatever line ends a name may hold."""
    return "".join(f"{' '.join(name.splitlines())}\n" for name in categories)


def plain_text(text: str) -> str:
    """Text as part of a file name, in characters that every file system takes; may come out empty.

    Letters, marks and digits of any script, blanks and ``._-()`` stay, all else becomes ``_``. Nothing
    hidden, no leading dash, at most 100 bytes.
    """
    composed = unicodedata.normalize("NFC", text)
    plain = "".join(c if c in " ._-()" or unicodedata.category(c)[0] in "LMN" else "_" for c in composed)
    return plain.lstrip(" .-").encode("utf-8")[:LONGEST_BYTES].decode("utf-8", "ignore").rstrip(" .")


def member_stem(name: str) -> str:
    """A photo's name without folder and ending as ``plain_text``, no Windows device and never empty."""
    base = PurePosixPath(name.replace("\\", "/")).name
    plain = plain_text(PurePosixPath(base).stem if base else "")
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


ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)
"""EXIF's tag, and its values that swap width and height."""


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright photo, without decoding it; raises ``DatasetError`` for no
    photo.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(ORIENTATION) in SIDEWAYS
    except FileNotFoundError as error:
        raise DatasetError(
            f"the size of {path.name} is needed, but there is no such photo in {path.parent}"
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged header provokes
        raise DatasetError(f"the size of {path.name} is needed, but it cannot be read as a photo") from error
    return (height, width) if sideways else (width, height)
