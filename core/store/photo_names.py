"""Stored photos by the names that annotation files give: by path, by base name, and without their ending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from core.datasets.photo_index import Key, has_photo_ending, name_key, name_parts


class _Stored(NamedTuple):
    key: Key
    written: Key  # the same with upper and lower case
    id: int


def ids_of_names(names: Iterable[str], stored: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The ids of stored photos (name, id) by listed names, where each fits only one; folders may be missing.

    ``men/001.jpg`` is ``001.jpg`` where only one of each is there, and never ``women/001.jpg``. A name
    without ending is the photo of that stem that no other name has. Upper and lower case, NFC and NFD make no
    difference, except between photos that differ in nothing else.

    >>> ids_of_names(["a", "B.JPG", "c"], [("men/a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3), ("c.png", 4)])
    {'B.JPG': 2, 'a': 1}
    """
    wanted = {name: key for name in names if (key := name_key(name))}
    last = Counter(key[-1] for key in wanted.values())
    alike: dict[str, list[_Stored]] = {}
    of_stem: dict[str, list[_Stored]] = {}
    for name, id in stored:
        key = name_key(name)
        if key and key[-1] in last:
            alike.setdefault(key[-1], []).append(_Stored(key, name_parts(name), id))
        stem = PurePosixPath(key[-1]).stem if key and has_photo_ending(key[-1]) else ""
        if stem in last:
            written = name_parts(str(PurePosixPath(name).with_suffix("")))
            of_stem.setdefault(stem, []).append(_Stored((*key[:-1], stem), written, id))
    ids: dict[str, int] = {}
    for found in (alike, of_stem):
        taken = set(ids.values())
        for name, key in wanted.items():
            left = [photo for photo in found.get(key[-1], ()) if photo.id not in taken]
            if name not in ids and (id := _only_one(name, key, left, last[key[-1]] == 1)):
                ids[name] = id
    return ids


def _only_one(name: str, key: Key, alike: Sequence[_Stored], is_alone: bool) -> int:
    """The photo of this path, else the only one of this base name where either has no folder; else 0."""
    same = [photo for photo in alike if photo.key == key]
    if len(same) > 1:
        same = [photo for photo in same if photo.written == name_parts(name)]
    elif not same and is_alone:
        same = [photo for photo in alike if len(min(key, photo.key, key=len)) == 1]
    return same[0].id if len(same) == 1 else 0
