"""Finds the photos that annotation files name, however they write the path."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from core.datasets.folder_files import files_below, is_picture
from core.datasets.listed_paths import (
    SPLIT_FOLDERS,
    Key,
    folded_key,
    has_photo_ending,
    listed_parts,
    name_key,
    plain_key,
    stem_of,
    stored_forms,
)
from core.datasets.name_matching import (
    NO_FIT,
    Entry,
    Fit,
    Keys,
    Wanted,
    hint,
    mirror,
    nearness,
    path_end,
    same_parts,
)
from core.datasets.report import named
from core.file_names import decoded_name

MOST_ALIKE = 100
"""Photos of one name that are told apart by more than their paths."""

SHOWN_PARTS = 2
"""Of a listed path in a sentence; the folders above are those of some machine."""

NO_PHOTO = "there is no such photo"


@dataclass(frozen=True)
class NotFound:
    """Why a name gives no photo."""

    reason: str
    is_ambiguous: bool = False


class StoredPhoto(NamedTuple):
    """A photo that is elsewhere already: its name there, and the SHA-256 (hex) of the file that came."""

    name: str
    digest: str


class ListedName(NamedTuple):
    """What an annotation file calls a photo; ``is_own`` where the file is that photo's alone."""

    name: str
    file: Path
    is_own: bool = False


class PhotoIndex:
    """The photos below ``root``, found by whole paths, by their ends, and by base names that are unambiguous.

    Upper and lower case, NFC and NFD make no difference, except between photos that differ in nothing else.
    ``paths`` are the photos, where they are known; otherwise the folder is walked at the first search.

    ``stored_among`` says which of some names are exactly those of stored photos. Such a name goes to the
    photo at the path that it gives, from ``root``, the annotation file or their folder of photos; else it is
    not found here (``passed_over`` has it with the photo below ``root`` whose path merely ends alike), since
    the stored photo fits better. ``stored_at_ends`` gives the stored photos whose whole names are ends of
    such a name, as ``1.jpg`` is of ``a/1.jpg``: they may have come without their outer folders, so that the
    name may be theirs, and goes to neither unless both are one file. ``is_store`` says that ``paths`` are
    such names.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[Path] | None = None,
        stored_among: Callable[[Collection[str]], Collection[str]] | None = None,
        stored_at_ends: Callable[[Sequence[str]], Sequence[Sequence[StoredPhoto]]] | None = None,
        *,
        is_store: bool = False,
    ) -> None:
        self.root = root
        self.passed_over: dict[str, Path] = {}
        self._given, self._stored_among, self._stored_at_ends = paths, stored_among, stored_at_ends
        self._is_store = is_store

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """All photos, in order."""
        if self._given is not None:
            return tuple(self._given)
        return tuple(path for path in files_below(self.root) if is_picture(path))

    def find(self, names: Sequence[str], place: Path) -> list[Path | NotFound]:
        """A photo, or why there is none, for each name that the annotation file ``place`` gives.

        A name without ending finds the photo of that stem. A relative name never finds a photo of another
        folder than it says. Where several photos fit, the one whose folders the name of ``place`` says is
        taken, then that with the name's own folders (``images`` as well), then the one near it. Where several
        names would fit one photo, the closest has it; none, where several are as close.
        """
        ranked = self._without_stored(names, [self._closest(name, place) for name in names], place)
        closest: dict[Path, Fit] = {}
        for found, fit in ranked:
            if isinstance(found, Path):
                closest[found] = max(fit, closest.get(found, NO_FIT))
        rivals: dict[Path, dict[Key, str]] = {}
        for name, (found, fit) in zip(names, ranked, strict=True):
            if isinstance(found, Path) and fit == closest[found]:
                rivals.setdefault(found, {}).setdefault(name_key(name.replace("\\", "/").strip()), name)
        ambiguous = {path: list(alike.values()) for path, alike in rivals.items() if len(alike) > 1}
        reasons = {
            path: f"{path.name} could be any of {named([_end(name) for name in alike])}"
            for path, alike in ambiguous.items()
        }
        photos: list[Path | NotFound] = []
        for found, fit in ranked:
            if isinstance(found, Path) and fit < closest[found]:
                found = NotFound(NO_PHOTO)
            elif isinstance(found, Path) and found in reasons:
                found = NotFound(reasons[found], True)
            photos.append(found)
        return photos

    def of_stem(self, path: Path, *, is_free: bool = False) -> Path | NotFound:
        """The photo that an annotation file belongs to by its own name and folders.

        With ``is_free``, its folder is that of all annotations, and says nothing of the photo's.
        """
        ranked = [self._best(self._by_stem, Wanted.of(stem_of(self._parts(path)), is_free), path)]
        return self._without_stored([self._shown(path.with_suffix(""))], ranked, path, has_ending=False)[0][0]

    def unless_stored(self, file: Path, photo: Path) -> Path | NotFound:
        """The photo, unless a stored one fits its annotation file's name better, or as well."""
        name = self._shown(file.with_suffix(""))
        return self._without_stored([name], [(photo, NO_FIT)], file, has_ending=False)[0][0]

    def whole_at_end(self, name: str) -> list[Path]:
        """The photos whose whole paths, without ending, are ends of a listed one."""
        found: dict[Path, None] = {}
        for parts, _ in listed_parts(name):
            stem = stem_of(parts) if has_photo_ending(parts[-1].lower()) else parts
            key = plain_key(folded_key(stem))
            for start in range(len(key)):
                found |= dict.fromkeys(entry.path for entry in self._by_stem.wholes.get(key[start:], ()))
        return list(found)

    def _without_stored(
        self,
        names: Sequence[str],
        ranked: list[tuple[Path | NotFound, Fit]],
        place: Path,
        *,
        has_ending: bool = True,
    ) -> list[tuple[Path | NotFound, Fit]]:
        """The same without photos that merely end as names do that are exactly a stored photo's."""
        if self._stored_among is None:
            return ranked
        asked: dict[int, set[str]] = {}
        for number, (name, (found, _)) in enumerate(zip(names, ranked, strict=True)):
            if self._is_elsewhere(found, name, place):
                asked[number] = set(stored_forms(name, has_ending))
        stored = set(self._stored_among(set().union(*asked.values()))) if asked else set()
        kept = list(ranked)
        for number, theirs in asked.items():
            if theirs & stored:
                kept[number] = NotFound(NO_PHOTO), NO_FIT
                if isinstance(found := ranked[number][0], Path):
                    self.passed_over[min(theirs & stored)] = found
        self._drop_ambiguous(names, kept, place)
        return kept

    def _drop_ambiguous(
        self, names: Sequence[str], kept: list[tuple[Path | NotFound, Fit]], place: Path
    ) -> None:
        """Take photos back that names may mean as well as stored ones."""
        ambiguous: dict[int, int] = {}
        for number, (name, (found, _)) in enumerate(zip(names, kept, strict=True)):
            if isinstance(found, Path) and (parts := self._parts_that_fit(found, name, place)) is not None:
                ambiguous[number] = parts
        if self._stored_at_ends is None or not ambiguous:
            return
        rivals = self._stored_at_ends([names[number] for number in ambiguous])
        for (number, parts), some in zip(ambiguous.items(), rivals, strict=True):
            found = kept[number][0]
            others = [photo for photo in some if len(name_key(photo.name)) > parts]
            if isinstance(found, Path) and others and not _is_one_of(found, others):
                stored = named([photo.name for photo in others])
                reason = f"it may be {self._shown(found)} or, of the stored photos, {stored}"
                kept[number] = NotFound(reason, True), NO_FIT

    def _parts_that_fit(self, found: Path, name: str, place: Path) -> int | None:
        """Parts of a photo's whole path that are a listed path's end; None where it lies just there."""
        key = stem_of(plain_key(folded_key(self._parts(found))))
        for parts, is_free in listed_parts(name):
            wanted = plain_key(folded_key(parts))
            if is_free and key in (wanted[-len(key) :], stem_of(wanted)[-len(key) :]):
                return len(key)
        return 0 if self._is_elsewhere(found, name, place, free=False) else None

    def _is_elsewhere(self, found: Path | NotFound, name: str, place: Path, *, free: bool = True) -> bool:
        """Whether a photo lies not where its name says, or several such photos are as close.

        Names with another machine's folders say nothing of that; they do where these are not ``free``.
        """
        if isinstance(found, NotFound):
            return found.is_ambiguous
        for parts, is_free in listed_parts(name):
            wanted = Wanted.of(parts, is_free)
            for base in (self.root, place.parent):
                if (is_free and free) or _is_at(found, base, wanted.key):
                    return False
        return True

    def _closest(self, name: str, place: Path) -> tuple[Path | NotFound, Fit]:
        for index, wanted in self._readings(name):
            found, fit = self._best(index, wanted, place)
            if isinstance(found, Path) or found.is_ambiguous:
                return found, fit
        return NotFound(NO_PHOTO), NO_FIT

    def _readings(self, name: str) -> Iterator[tuple[Keys, Wanted]]:
        """What a name may mean: a file as it is written, a stem, or a path of another machine."""
        for parts, is_free in listed_parts(name):
            yield self._by_name, Wanted.of(parts, is_free)
            stem = stem_of(parts) if has_photo_ending(parts[-1].lower()) else parts
            yield self._by_stem, Wanted.of(stem, is_free)

    def _best(self, index: Keys, wanted: Wanted, place: Path) -> tuple[Path | NotFound, Fit]:
        """The entry with the longest end in common with the name, and how close it is."""
        for length in range(min(len(wanted.key), self._deepest), 0, -1):
            is_whole = not wanted.is_free and length < len(wanted.key)
            entries = (index.wholes if is_whole else index.ends).get(wanted.key[-length:])
            if entries:
                found, fit = self._one_of(entries, wanted, length, place)
                rivals = self._unwrapped_rivals(index, wanted, length, found) if self._is_store else []
                if rivals and isinstance(found, Path):
                    several = named([self._shown(path) for path in (found, *rivals)])
                    return NotFound(f"several photos may be meant: {several}", True), NO_FIT
                return found, fit
        return NotFound(NO_PHOTO), NO_FIT

    @staticmethod
    def _unwrapped_rivals(index: Keys, wanted: Wanted, length: int, found: Path | NotFound) -> list[Path]:
        """Photos whose whole path ends the name, where the one that was found has more folders than both."""
        wholes = [entry.path for entry in index.wholes.get(wanted.key[-length:], ())]
        if found in wholes:
            return []
        shorter = (index.wholes.get(wanted.key[-short:], ()) for short in range(1, length))
        return [entry.path for entries in shorter for entry in entries]

    def _one_of(
        self, entries: list[Entry], wanted: Wanted, length: int, place: Path
    ) -> tuple[Path | NotFound, Fit]:
        """One of the entries that fit equally: by the whole path, by what the place says, else none."""
        by_raw = [entry for entry in entries if self._cut(entry.raw, wanted) == wanted.raw]
        whole = by_raw or [entry for entry in entries if len(entry.key) == length]
        best = whole or entries
        if len(best) > 1:
            same = [same_parts(entry, wanted, length) for entry in best]
            best = [entry for entry, count in zip(best, same, strict=True) if count == max(same)]
        for closeness in (mirror, hint, path_end, nearness):
            if 1 < len(best) <= MOST_ALIKE:
                close = [closeness(entry, wanted, place) for entry in best]
                best = [entry for entry, count in zip(best, close, strict=True) if count == max(close)]
        if len(best) > 1:
            names = named([self._shown(entry.path) for entry in best])
            return NotFound(f"several photos have this name: {names}", True), NO_FIT
        has_ending = best[0].raw[-1] == wanted.raw[-1]
        is_whole = bool(by_raw) or path_end(best[0], wanted, place) == len(wanted.raw) - 1
        return best[0].path, (length, is_whole, has_ending, same_parts(best[0], wanted, length))

    @staticmethod
    def _cut(raw: Key, wanted: Wanted) -> Key:
        """The entry's path with or without its ending, as the name has it."""
        return raw if raw[-1] == wanted.raw[-1] else (*raw[:-1], PurePosixPath(raw[-1]).stem)

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    def _parts(self, path: Path) -> Key:
        return PurePosixPath(unicodedata.normalize("NFC", decoded_name(self._shown(path)))).parts

    @cached_property
    def _entries(self) -> tuple[Entry, ...]:
        entries = []
        for path in self.paths:
            parts = self._parts(path)
            raw = folded_key(parts)
            entries.append(Entry(path, raw, plain_key(raw), plain_key(parts)))
        return tuple(entries)

    @cached_property
    def _deepest(self) -> int:
        """Parts of the longest path: a listed one of thousands costs no more."""
        return max((len(entry.key) for entry in self._entries), default=0)

    @cached_property
    def _by_name(self) -> Keys:
        return Keys.of((entry.key, entry) for entry in self._entries)

    @cached_property
    def _by_stem(self) -> Keys:
        return Keys.of((stem_of(entry.key), entry) for entry in self._entries)


def _is_at(photo: Path, base: Path, key: Key) -> bool:
    """Whether a photo lies below a folder where a name says, but for folders of formats and splits."""
    if not photo.is_relative_to(base):
        return False
    own = name_key(photo.relative_to(base).as_posix())
    while len(own) > len(key) and own[0] in SPLIT_FOLDERS:
        own = own[1:]
    if len(own) > len(key):
        return False
    whole = (*name_key((base / "x").as_posix())[:-1], *own)[-len(key) :]
    return key in (whole, stem_of(whole)) or stem_of(key) == stem_of(whole)


def _is_one_of(file: Path, photos: Sequence[StoredPhoto]) -> bool:
    """Whether a file is what a stored photo came in."""
    try:
        with file.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError:
        return False
    return any(photo.digest == digest for photo in photos)


def _end(name: str) -> str:
    return "/".join(PurePosixPath(name.replace("\\", "/")).parts[-SHOWN_PARTS:])
