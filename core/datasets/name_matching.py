"""How well the paths of photos fit the names that annotation files list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.datasets.listed_paths import PLAIN_FOLDERS, Key, folded_key, plain_key, stem_of

Fit = tuple[int, bool, bool, int]
"""How close a photo is to a name: parts of the path in common; whether the whole path is the same, and the
ending; parts that are the same in upper and lower case as well."""

NO_FIT: Fit = (0, False, False, 0)


@dataclass(frozen=True)
class Entry:
    """A photo and the parts of its path."""

    path: Path
    raw: Key  # all folders and the file's name
    key: Key  # without the folders that tell nothing apart
    written: Key  # the same, with upper and lower case


@dataclass(frozen=True)
class Keys:
    """Entries by their whole paths, and by every end of them."""

    wholes: dict[Key, list[Entry]]
    ends: dict[Key, list[Entry]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[Key, Entry]]) -> Keys:
        """Out of entries by their keys."""
        wholes: dict[Key, list[Entry]] = {}
        ends: dict[Key, list[Entry]] = {}
        for key, entry in pairs:
            wholes.setdefault(key, []).append(entry)
            for start in range(len(key)):
                ends.setdefault(key[start:], []).append(entry)
        return cls(wholes, ends)


@dataclass(frozen=True)
class Wanted:
    """A name that is looked for; ``is_free`` where its folders are another machine's, and say little."""

    raw: Key
    key: Key
    written: Key
    is_free: bool

    @classmethod
    def of(cls, parts: Key, is_free: bool) -> Wanted:
        """Out of a path's parts in NFC."""
        return cls(folded_key(parts), plain_key(folded_key(parts)), plain_key(parts), is_free)


def same_parts(entry: Entry, wanted: Wanted, length: int) -> int:
    """How many of the parts that they have in common are written the same, in upper and lower case."""
    has_ending = entry.raw[-1] == wanted.raw[-1]
    written = entry.written if has_ending else stem_of(entry.written)
    return sum(a == b for a, b in zip(written[-length:], wanted.written[-length:], strict=True))


def mirror(entry: Entry, wanted: Wanted, place: Path) -> int:
    """Whether both lie in the same folders below one that formats put there, as ``JPEGImages`` is."""
    firsts = entry.raw[:-1][:1], wanted.raw[:-1][:1]
    both = all(first and first[0] in PLAIN_FOLDERS for first in firsts)
    return int(both and entry.raw[1:-1] == wanted.raw[1:-1])


def hint(entry: Entry, wanted: Wanted, place: Path) -> int:
    """How many of its folders the annotation file's name says, as ``train`` of ``instances_train.json``."""
    return len(words_of(place) & set(entry.key[:-1]))


def path_end(entry: Entry, wanted: Wanted, place: Path) -> int:
    """How many folders at the end of both paths are the same, with those that formats put there."""
    return _common_head(entry.raw[-2::-1], wanted.raw[-2::-1])


def nearness(entry: Entry, wanted: Wanted, place: Path) -> int:
    """How many folders it shares with the annotation file."""
    return _common_head(entry.path.parent.parts, place.parent.parts)


def words_of(place: Path) -> set[str]:
    """The words of a file's name, as ``train`` of ``instances_train.json``."""
    text = place.stem.casefold()
    for separator in "_-. ":
        text = text.replace(separator, "/")
    return set(filter(None, text.split("/")))


def _common_head(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
