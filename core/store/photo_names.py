"""Stored photos by the names that annotation files give: by path, by base name, and without their ending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from core.datasets.photo_index import Key, folded, has_photo_ending, listed_parts, name_parts


class _Stored(NamedTuple):
    key: Key
    written: Key  # the same with upper and lower case
    id: int


def ids_of_names(names: Iterable[str], stored: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The ids of stored photos (name, id) by listed names, where each fits only one; folders may be missing.

    ``men/001.jpg`` is ``001.jpg`` where only one of each is there, and never ``women/001.jpg``. A name
    without ending is the photo of that stem that no other name has. Upper and lower case, NFC and NFD make no
    difference, except between photos that differ in nothing else. An address is read as the path in it.

    >>> ids_of_names(["a", "B.JPG", "c"], [("men/a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3), ("c.png", 4)])
    {'B.JPG': 2, 'a': 1}
    """
    names = list(names)
    written = {name: parts for name in names if (parts := name_parts(name))}
    decoded = {name: name_parts("/".join(parts)) for name in names for parts, _ in _further_readings(name)}
    sought = {folded(parts[-1]) for parts in (*written.values(), *decoded.values())}
    alike: dict[str, list[_Stored]] = {}
    of_stem: dict[str, list[_Stored]] = {}
    for name, id in stored:
        *folders, last = name_parts(name) or ("",)
        _note(alike, sought, (*folders, last), id)
        if has_photo_ending(last.lower()):
            _note(of_stem, sought, (*folders, PurePosixPath(last).stem), id)
    ids: dict[str, int] = {}
    for wanted in (written, decoded):
        count = Counter(folded(parts[-1]) for parts in wanted.values())
        for found in (alike, of_stem):
            taken = set(ids.values())
            for name, parts in wanted.items():
                last = folded(parts[-1])
                left = [photo for photo in found.get(last, ()) if photo.id not in taken]
                if name not in ids and (id := _only_one(parts, left, count[last] == 1)):
                    ids[name] = id
    return ids


def _further_readings(name: str) -> Iterable[tuple[Key, bool]]:
    """What a name may mean besides a path as it is written: see ``listed_parts``."""
    return list(listed_parts(name))[1:]


def _note(found: dict[str, list[_Stored]], sought: set[str], parts: Key, id: int) -> None:
    """Keep a stored photo by its last part, if a name with that is sought."""
    if (last := folded(parts[-1])) in sought:
        found.setdefault(last, []).append(_Stored(tuple(map(folded, parts)), parts, id))


def _only_one(parts: Key, alike: Sequence[_Stored], is_alone: bool) -> int:
    """The photo of this path, else the only one that has the longest end of it in common; else 0.

    One of the two paths has to end with the other; a base name says enough only if no other name has it.
    """
    key = tuple(map(folded, parts))
    same = [photo for photo in alike if photo.key == key]
    if len(same) > 1:
        same = [photo for photo in same if photo.written == parts]
    elif not same:
        ends = [photo for photo in alike if _ends_alike(photo.key, key) > (0 if is_alone else 1)]
        longest = max((_ends_alike(photo.key, key) for photo in ends), default=0)
        same = [photo for photo in ends if _ends_alike(photo.key, key) == longest]
    return same[0].id if len(same) == 1 else 0


def _ends_alike(one: Key, other: Key) -> int:
    """How many parts the shorter of two paths has, if the other ends with it; else 0."""
    length = min(len(one), len(other))
    return length if one[-length:] == other[-length:] else 0
