"""The paths that annotation files list, in parts: as written, and as what tells photos apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from core.file_names import safe_path
from core.images.containers import PHOTO_SUFFIXES

PHOTO_FOLDERS = ("photos", "images")
PLAIN_FOLDERS = frozenset(
    {*PHOTO_FOLDERS, "photo", "image", "img", "imgs", "jpegimages", "data", "labels", "annotations", "annos"}
    | {"obj_train_data", "obj_valid_data", "obj_test_data", "voc", "yolo"}
)
"""Folders that formats put between a photo and its annotation; they tell no two photos apart."""
SPLIT_FOLDERS = ("train", "val", "valid", "test", "holdout", "trainval", "default")

Key = tuple[str, ...]


def folded(part: str) -> str:
    """A part of a path without upper and lower case, in NFC."""
    return unicodedata.normalize("NFC", part).casefold()


def has_photo_ending(name: str) -> bool:
    """Whether a name in lower case ends as photos do."""
    return PurePosixPath(name).suffix in PHOTO_SUFFIXES


def name_key(name: str) -> Key:
    """A photo's folders, without those that tell nothing apart, and the file's name: NFC, without case.

    >>> name_key("images/Men/A.JPG")
    ('men', 'a.jpg')
    """
    return folded_key(name_parts(name))


def name_parts(name: str) -> Key:
    """The same with upper and lower case."""
    parts = PurePosixPath(unicodedata.normalize("NFC", name)).parts
    return plain_key(tuple(part for part in parts if part not in ("/", ".", "..")))


def listed_parts(name: str) -> Iterator[tuple[Key, bool]]:
    """What a listed name may be as a path in NFC, and whether its folders are another machine's.

    Understands backslashes, drive letters, URLs and Label Studio's ``/data/local-files/?d=path``.
    """
    text = name.replace("\\", "/").strip()
    is_free = text.startswith(("/", "../")) or "://" in text or text[1:2] == ":"
    if parts := _parts_of(text):
        yield parts, is_free
    if "://" in text or "?" in text or "%" in text:
        split = urlsplit(text) if "://" in text else None
        path, _, query = (split.path, "", split.query) if split else text.partition("?")
        local = [part[2:] for part in query.split("&") if part.startswith("d=")]
        if parts := _parts_of(unquote(local[0] if local else path)):
            yield parts, True


def _parts_of(text: str) -> Key:
    parts = PurePosixPath(unicodedata.normalize("NFC", text)).parts
    return tuple(part for part in parts if part not in ("/", ".", "..") and part[1:] != ":")


def folded_key(parts: Key) -> Key:
    return tuple(map(folded, parts))


def stem_of(parts: Key) -> Key:
    return (*parts[:-1], PurePosixPath(parts[-1]).stem)


def plain_key(parts: Key) -> Key:
    """The parts of a path without the folders that tell nothing apart."""
    return (*(part for part in parts[:-1] if folded(part) not in PLAIN_FOLDERS), *parts[-1:])


def stored_forms(name: str, has_ending: bool) -> Iterator[str]:
    """What the store may call a listed photo: as it is listed, without folders that formats add."""
    for parts, _ in listed_parts(name):
        for start in range(len(parts)):
            if any(folded(part) not in PLAIN_FOLDERS for part in parts[:start]):
                break
            end = "/".join(parts[start:])
            for suffix in ("",) if has_ending else PHOTO_SUFFIXES:
                yield safe_path(end + suffix)
