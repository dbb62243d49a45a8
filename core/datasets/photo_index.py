"""Finds the photos that annotation files name, however they write the path."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from core.datasets.report import ReadReport, named
from core.errors import DatasetError
from core.file_names import relative_name, safe_name

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp")
OTHER_PICTURES = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif")
"""Pictures that are not read, and are refused with a sentence when they are opened."""

PHOTO_FOLDERS = ("photos", "images")
PLAIN_FOLDERS = frozenset(
    {*PHOTO_FOLDERS, "photo", "image", "img", "imgs", "jpegimages", "data", "labels", "annotations", "annos"}
    | {"obj_train_data", "obj_valid_data", "obj_test_data", "voc"}
)
"""Folders that formats put between a photo and its annotation; they tell no two photos apart."""
MOST_FILES = 1_000_000
MOST_DEPTH = 12
MOST_CHARACTERS = 1000
"""Of a listed path; longer ones are looked for by their last part alone."""

NO_PHOTO = "there is no such photo"

Key = tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    path: Path
    key: Key  # folders that tell photos apart, then the file's name


@dataclass(frozen=True)
class NotFound:
    """Why a name gives no photo."""

    reason: str
    is_ambiguous: bool = False


class PhotoIndex:
    """The photos below ``root``, found by whole paths, by their ends, and by base names that are unambiguous.

    Upper and lower case, NFC and NFD make no difference. ``paths`` are the photos, where they are known;
    otherwise the folder is walked at the first search.
    """

    def __init__(self, root: Path, paths: Sequence[Path] | None = None) -> None:
        self.root = root
        self._given = paths

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """All photos, in order."""
        if self._given is not None:
            return tuple(self._given)
        return tuple(path for path in files_below(self.root) if is_picture(path))

    def find(self, names: Sequence[str], place: Path) -> list[Path | NotFound]:
        """A photo, or why there is none, for each name that the annotation file ``place`` gives.

        A name without ending finds the photo of that stem. Where several photos fit, the one whose folders
        ``place`` names or lies in is taken. Where several names would fit one photo, the closest has it.
        """
        ranked = [self._closest(name, place) for name in names]
        closest: dict[Path, int] = {}
        for found, fit in ranked:
            if isinstance(found, Path):
                closest[found] = max(fit, closest.get(found, 0))
        return [
            NotFound(NO_PHOTO) if isinstance(found, Path) and fit < closest[found] else found
            for found, fit in ranked
        ]

    def of_stem(self, path: Path) -> Path | NotFound:
        """The photo that an annotation file belongs to by its own name and folders."""
        key = _stem_key(self._relative_key(path))
        found = self._by_stem.get(key[-1], [])
        return self._best(found, key, path)[0]

    def stem_key(self, path: Path) -> Key:
        """Folders that tell photos apart, and the name without ending, for a file below the root."""
        return _stem_key(self._relative_key(path))

    def _closest(self, name: str, place: Path) -> tuple[Path | NotFound, int]:
        key = name_key(name)
        if not key:
            return NotFound("there is no name"), 0
        entries = self._by_name.get(key[-1])
        if entries:
            found, fit = self._best(entries, key, place)
            return found, 2 * fit + 1
        stem = _stem_key(key)[-1] if PurePosixPath(key[-1]).suffix in PHOTO_SUFFIXES else key[-1]
        found, fit = self._best(self._by_stem.get(stem, []), (*key[:-1], stem), place)
        return found, 2 * fit

    def _best(self, entries: Sequence[_Entry], key: Key, place: Path) -> tuple[Path | NotFound, int]:
        """The entry that shares most folders with the name, then with the place; and how many it shares."""
        if not entries:
            return NotFound(NO_PHOTO), 0
        fits = [_common_tail(entry.key[:-1], key[:-1]) for entry in entries]
        best = [entry for entry, fit in zip(entries, fits, strict=True) if fit == max(fits)]
        if len(best) > 1:
            words = set(_words(place))
            hints = [len(words & set(entry.key[:-1])) for entry in best]
            best = [entry for entry, hint in zip(best, hints, strict=True) if hint == max(hints)]
        if len(best) > 1:
            near = [_common_head(entry.path.parent.parts, place.parent.parts) for entry in best]
            best = [entry for entry, shared in zip(best, near, strict=True) if shared == max(near)]
        if len(best) > 1:
            names = named([self._shown(entry.path) for entry in best])
            return NotFound(f"several photos have this name: {names}", True), 0
        return best[0].path, 1 + max(fits)

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    def _relative_key(self, path: Path) -> Key:
        return name_key(self._shown(path))

    @cached_property
    def _entries(self) -> tuple[_Entry, ...]:
        return tuple(_Entry(path, self._relative_key(path)) for path in self.paths)

    @cached_property
    def _by_name(self) -> dict[str, list[_Entry]]:
        found: dict[str, list[_Entry]] = {}
        for entry in self._entries:
            found.setdefault(entry.key[-1], []).append(entry)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[_Entry]]:
        found: dict[str, list[_Entry]] = {}
        for entry in self._entries:
            found.setdefault(_stem_key(entry.key)[-1], []).append(entry)
        return found


def name_key(name: str) -> Key:
    """A name's folders, without those that tell nothing apart, and the file's name: NFC, without case.

    Understands backslashes, drive letters, URLs and Label Studio's ``/data/local-files/?d=path``.

    >>> name_key("C:\\\\images\\\\Men\\\\A.JPG")
    ('men', 'a.jpg')
    """
    text = name.replace("\\", "/").strip()
    if "://" in text or "?" in text:
        split = urlsplit(text) if "://" in text else None
        path, _, query = (split.path, "", split.query) if split else text.partition("?")
        local = [part[2:] for part in query.split("&") if part.startswith("d=")]
        text = unquote(local[0] if local else path)
    parts = [part for part in PurePosixPath(text).parts if part not in ("/", ".", "..") and part[1:] != ":"]
    keys = [unicodedata.normalize("NFC", part).casefold() for part in parts]
    return (*(key for key in keys[:-1] if key not in PLAIN_FOLDERS), *keys[-1:])


def _stem_key(key: Key) -> Key:
    return (*key[:-1], PurePosixPath(key[-1]).stem)


def _words(place: Path) -> Iterator[str]:
    """The words of a file's name, as ``train`` of ``instances_train.json``."""
    text = place.stem.casefold()
    for separator in "_-. ":
        text = text.replace(separator, "/")
    yield from filter(None, text.split("/"))


def _common_tail(one: Sequence[str], other: Sequence[str]) -> int:
    return _common_head(one[::-1], other[::-1])


def _common_head(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def is_picture(path: Path) -> bool:
    """Whether a file is called like a picture, of a kind that is read or not."""
    return path.suffix.lower() in PHOTO_SUFFIXES + OTHER_PICTURES


def files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder in order, without hidden ones and macOS' copies; links to folders stay closed.

    At most a million files and twelve folders deep, so that a home folder is not walked for ever.
    """
    seen = 0
    for parent, folders, files in os.walk(folder):
        deep = len(Path(parent).relative_to(folder).parts) >= MOST_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            if not _is_hidden(name):
                yield Path(parent, name)
                seen += 1
        if seen > MOST_FILES:
            return


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def place_photos(
    names: Sequence[str], place: Path, photos: PhotoIndex, report: ReadReport
) -> tuple[list[str | None], Path | None]:
    """The photos that the annotation file ``place`` lists: names relative to one folder, and that folder.

    A photo that is not there keeps the name as it is listed; one whose name fits several photos, or none that
    a file can have, is lost (None). The folder is None where no photo was found.
    """
    whole = _folder_of_all(names, place, photos)
    if whole is not None:
        return [_plain(name) for name in names], whole
    found = photos.find(names, place)
    starts = {
        _start(photos.root, path, name)
        for name, path in zip(names, found, strict=True)
        if isinstance(path, Path)
    }
    folder = next(iter(starts)) if len(starts) == 1 else None
    folder = photos.root if folder is None and starts else folder
    placed: list[str | None] = []
    for name, path in zip(names, found, strict=True):
        if isinstance(path, Path) and folder is not None:
            placed.append(path.relative_to(folder).as_posix())
        elif isinstance(path, NotFound) and path.is_ambiguous:
            report.lose_photo(_shown(name), f"{place.name}: {_shown(name)!r}: {path.reason}")
            placed.append(None)
        else:
            placed.append(_name_of_missing(name, place, report))
    return placed, folder


def _name_of_missing(name: str, place: Path, report: ReadReport) -> str | None:
    """The name as it is listed, else its last part; None for what no file can be called."""
    try:
        return relative_name(name, place.name)
    except DatasetError as error:
        with suppress(DatasetError):
            if not report.strict:
                return relative_name(_plain(name).rpartition("/")[2], place.name)
        report.lose_photo(_shown(name), str(error))
        return None


def _folder_of_all(names: Sequence[str], place: Path, photos: PhotoIndex) -> Path | None:
    """The first of the usual folders that holds all the photos under the names that are listed."""
    if not names or any(len(name) > MOST_CHARACTERS or ".." in name or "\0" in name for name in names):
        return None
    bases = [photos.root, place.parent] if place.parent.is_relative_to(photos.root) else [photos.root]
    for base in dict.fromkeys(reversed(bases)):
        for folder in (*(base / name for name in PHOTO_FOLDERS), base):
            with suppress(OSError, ValueError):
                if all((folder / _plain(name)).is_file() for name in names):
                    return folder
    return None


def _plain(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _shown(name: str) -> str:
    return safe_name(name)


def _start(root: Path, path: Path, name: str) -> Path | None:
    """The folder that a path consists of together with the listed name; None where it does not."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    own = path.relative_to(root).parts
    if not parts or own[-len(parts) :] != parts:
        return None
    return Path(root, *own[: len(own) - len(parts)])
