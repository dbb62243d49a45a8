"""Untrusted file names: sanitized to be shown, checked to stay in a folder, made portable for archives.

``safe_name`` makes a name fit to be shown, ``relative_name`` checks one that is looked for in a folder,
``portable_name``, ``portable_stem`` and ``portable_path`` make one that any file system takes, and
``free_name`` tells equal ones apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import PurePosixPath
from reprlib import repr as shown

from core.errors import DatasetError

MAX_NAME_BYTES = 180  # leaves room for " (2)" and an export's endings within a file system's 255
MAX_PART_BYTES = 255
"""Of a file's or folder's name, on all usual file systems."""

MAX_PORTABLE_BYTES = 100
MAX_PORTABLE_PATH_BYTES = 200
"""Of a path with its folders, which leaves room for where it is unpacked within Windows' 260 characters."""

FILE_ENDINGS = (".jpg", ".txt", ".xml")
"""Of the files in an export: no folder beside them is called like one."""

MAX_SUFFIX_CHARACTERS = 10
SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"})
_BYTES = re.compile("[\udc80-\udcff]")
"""What Python has in the place of bytes that are no UTF-8."""

WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


def is_hidden(part: str) -> bool:
    """Whether a file or folder is hidden, or what systems leave beside files: ``__MACOSX``, ``Thumbs.db``."""
    return part.startswith(".") or part.lower() in SYSTEM_FILES


def safe_name(name: str) -> str:
    """A name to show: without folders, control, invisible or direction-changing characters, and not too long.

    What means something to HTML, a shell or a spreadsheet stays: who displays or exports the name escapes it.

    >>> safe_name("../../etc/shirt.jpg")
    'shirt.jpg'
    """
    visible = "".join(
        c for c in decoded_name(name) if c.isspace() or not unicodedata.category(c).startswith("C")
    )
    last = re.split(r"[/\\]", visible)[-1]
    text = unicodedata.normalize("NFC", " ".join(last.split()))
    text = re.sub(r"^(?:[A-Za-z]:|[. ])+", "", text).rstrip(". ")
    return _fitted(*_stem_and_suffix(text)) or "photo"


def decoded_name(name: str) -> str:
    """A name whose bytes on the disk are no UTF-8, read as Western Europe's, which old systems write.

    >>> decoded_name("caf\\udce9.jpg")
    'café.jpg'
    """
    return _BYTES.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", "replace"), name)


def safe_path(name: str) -> str:
    """``safe_name`` of each part of a relative path, so that photos of two folders stay apart.

    Parents are dropped, outer folders first, where the whole would be too long to be shown.

    >>> safe_path("men/../001.jpg")
    'men/001.jpg'
    """
    parts = [part for part in re.split(r"[/\\]", name) if part.strip(". ")] or [name]
    safe = [safe_name(part) for part in parts]
    while len(safe) > 1 and len("/".join(safe).encode()) > MAX_NAME_BYTES:
        safe.pop(0)
    return "/".join(safe)


def relative_name(name: object, source: str) -> str:
    """A photo's name as a relative path with ``/``. Raises DatasetError for one that leaves its folder."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise DatasetError(f"{source}: a photo's file name is expected, got {shown(name)}")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise DatasetError(f"{source}: a photo's file name in Unicode is expected, got {shown(name)}")
    path = PurePosixPath(name.replace("\\", "/"))
    if max(len(part.encode("utf-8", "surrogatepass")) for part in (*path.parts, "")) > MAX_PART_BYTES:
        raise DatasetError(
            f"{source}: a photo's file name has at most {MAX_PART_BYTES} bytes, got {shown(name)}"
        )
    if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DatasetError(
            f"{source}: a photo's file name stays inside the photos' folder, got {shown(name)}"
        )
    return str(path)


def portable_name(text: str) -> str:
    """Text as part of a file name, in characters that every file system takes; may come out empty.

    Letters, marks and digits of any script, blanks and ``._-()`` stay, all else becomes ``_``. Nothing
    hidden, no leading dash, at most 100 bytes.
    """
    composed = unicodedata.normalize("NFC", text)
    plain = "".join(c if c in " ._-()" or unicodedata.category(c)[0] in "LMN" else "_" for c in composed)
    return plain.lstrip(" .-").encode("utf-8")[:MAX_PORTABLE_BYTES].decode("utf-8", "ignore").rstrip(" .")


def portable_stem(name: str) -> str:
    """A file's name without folder and ending as ``portable_name``, no Windows device and never empty."""
    base = PurePosixPath(name.replace("\\", "/")).name
    return _no_device(portable_name(PurePosixPath(base).stem if base else "")) or "photo"


def portable_path(name: str) -> str:
    """A file's relative path without ending: ``portable_stem`` in its folders, each made portable as well.

    Outer folders go where all together are longer than 200 bytes, and what leads out of the folder always.

    >>> portable_path("../men/aux/001.jpg")
    'men/_aux/001'
    """
    *outer, last = [part for part in name.replace("\\", "/").split("/") if part] or [""]
    folders = [folder for part in outer if (folder := _no_device(portable_name(part)))]
    parts = [f"{part}_" if part.lower().endswith(FILE_ENDINGS) else part for part in folders]
    parts.append(portable_stem(last))
    while len(parts) > 1 and len("/".join(parts).encode()) > MAX_PORTABLE_PATH_BYTES:
        del parts[0]
    return "/".join(parts)


def path_key(path: str) -> str:
    """What two paths have in common that are one file where case, or how accents are composed, is ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _no_device(name: str) -> str:
    return f"_{name}" if WINDOWS_DEVICES.match(name.split(".")[0]) else name


def portable_stems(names: Sequence[str]) -> list[str]:
    """``portable_stem`` of each name, made unique without regard to case by a number at the end."""
    taken: set[str] = set()
    stems = []
    for stem in map(portable_stem, names):
        unique = free_name(stem, lambda name: name.casefold() in taken, "{stem}_{number}")
        taken.add(unique.casefold())
        stems.append(unique)
    return stems


def free_name(
    name: str, is_taken: Callable[[str], bool], numbered: str = "{stem} ({number}){suffix}", first: int = 2
) -> str:
    """The name, or the first numbered one that is not taken.

    >>> free_name("shirt.jpg", {"shirt.jpg", "shirt (2).jpg"}.__contains__)
    'shirt (3).jpg'
    """
    if not is_taken(name):
        return name
    stem, suffix = (name, "") if "{suffix}" not in numbered else _stem_and_suffix(name)
    options = (numbered.format(stem=stem, number=number, suffix=suffix) for number in count(first))
    return next(option for option in options if not is_taken(option))


def unique_in_batch(name: str, taken: dict[str, int]) -> str:
    """The name, or "name (2)" and so on where the batch has it already; ``taken`` is updated.

    ``taken`` counts names without case, as folders on Windows and macOS do, so that a thousand equal names
    take no longer than a thousand different ones. The result fits into ``MAX_NAME_BYTES``.
    """
    stem, suffix = _stem_and_suffix(name)
    key, numbered = name.casefold(), name
    while numbered.casefold() in taken:
        taken[key] += 1
        numbered = _fitted(stem, f" ({taken[key]}){suffix}")
    taken[numbered.casefold()] = 1
    return numbered


def _stem_and_suffix(name: str) -> tuple[str, str]:
    """A name's parts, as shirt.front and .jpg; an ending of more than ten characters is no suffix."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem and len(ending) <= MAX_SUFFIX_CHARACTERS else (name, "")


def _fitted(stem: str, ending: str) -> str:
    """Both together, the stem cut so that they fit into MAX_NAME_BYTES of UTF-8."""
    room = MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + ending
