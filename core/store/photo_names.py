"""Stored photos by the names that annotation files give, found by the rules for photos in folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from core.datasets.listed_paths import folded, listed_parts
from core.datasets.photo_index import NO_PHOTO, ListedName, NotFound, PhotoIndex, StoredPhoto
from core.datasets.single_photo_files import find_listed
from core.file_names import safe_path


def find_stored(
    listed: Sequence[ListedName], root: Path, stored: Iterable[tuple[str, int]]
) -> list[int | NotFound]:
    """The ids of stored photos (name, id) by the names in files below ``root``, or why there is none.

    As in a folder (:class:`PhotoIndex`): ``men/001.jpg`` is ``001.jpg``
    where only one of each is there, and never ``women/001.jpg``; a name without ending, or with another one,
    is the photo of that stem; a file of one photo goes by its own name first. A photo that several names or
    files would have goes to the first that fits best, to none where they differ and fit alike.

    >>> a, b, c = (ListedName(name, Path("set/x.json")) for name in ("a", "B.JPG", "c"))
    >>> find_stored([a, b], Path("set"), [("men/a.jpg", 1), ("b.jpg", 2)])
    [1, 2]
    >>> find_stored([c], Path("set"), [("c.jpg", 3), ("c.png", 4)])
    [NotFound(reason='several photos have this name: c.jpg, c.png', is_ambiguous=True)]
    """
    sought = {last for name in listed for last in _lasts(name)}
    ids: dict[Path, int] = {}
    doubled: dict[Path, int] = {}
    for name, id in stored:
        last = folded(PurePosixPath(name).name)
        if last and (last in sought or PurePosixPath(last).stem in sought):
            path = root / name
            if path in ids:
                doubled[path] = doubled.get(path, 1) + 1
            ids.setdefault(path, id)
    index = PhotoIndex(root, list(ids), is_store=True)
    moved = [name._replace(file=_as_stored(name.file, root)) for name in listed]
    taken: set[Path] = set()
    found: list[int | NotFound] = []
    for photo in _found(moved, index):
        if isinstance(photo, NotFound):
            found.append(photo)
        elif photo in doubled:
            found.append(NotFound(f"{doubled[photo]} stored photos have this name", True))
        elif photo in taken:
            found.append(NotFound(f"{photo.name} has other boxes of these files", True))
        else:
            taken.add(photo)
            found.append(ids[photo])
    return found


def find_at_ends(listed: Sequence[str], stored: Iterable[tuple[str, str]]) -> list[Sequence[StoredPhoto]]:
    """The stored photos (name, digest) whose whole names are ends of listed names, in any case and ending.

    >>> find_at_ends(["a/1.jpg", "b.jpg"], [("1.png", "d"), ("b/1.jpg", "e")])
    [[StoredPhoto(name='1.png', digest='d')], []]
    """
    root = Path("stored")
    sought = {last for name in listed for last in _lasts(ListedName(name, root))}
    photos: dict[Path, StoredPhoto] = {}
    for name, digest in stored:
        last = folded(PurePosixPath(name).name)
        if last and (last in sought or PurePosixPath(last).stem in sought):
            photos.setdefault(root / name, StoredPhoto(name, digest))
    index = PhotoIndex(root, list(photos))
    return [[photos[path] for path in index.whole_at_end(name)] for name in listed]


def _found(listed: Sequence[ListedName], index: PhotoIndex) -> list[Path | NotFound]:
    """The photos by the names as they are listed, and then as the store would write them."""
    found = find_listed(listed, index)
    left = [place for place, photo in enumerate(found) if photo == NotFound(NO_PHOTO)]
    again = [listed[place]._replace(name=safe_path(listed[place].name)) for place in left]
    first = {photo for photo in found if isinstance(photo, Path)}
    for place, photo in zip(left, find_listed(again, index), strict=True):
        if photo not in first:
            found[place] = photo
    return found


def _as_stored(file: Path, root: Path) -> Path:
    """A file with the folders and the name that the store would give it."""
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    return file if safe_path(name) == name else root / safe_path(name)


def _lasts(listed: ListedName) -> Iterator[str]:
    """What the photo's name may end with: as it is listed, without its ending, and as the file's own."""
    names = [listed.name, safe_path(listed.name)]
    lasts = [parts[-1] for name in names for parts, _ in listed_parts(name)]
    for last in (*lasts, *([listed.file.name] if listed.is_own else ())):
        yield folded(last)
        yield folded(PurePosixPath(last).stem)
