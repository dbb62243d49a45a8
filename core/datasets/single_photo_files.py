"""The photos of annotation files that are one photo's each (VOC, labelme), and of names that files list.

A file of one photo belongs to the photo of its own name, as LabelImg goes by; only where there is none, to
the one that it names, unless that one has a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from core.datasets.listed_paths import PHOTO_FOLDERS, PLAIN_FOLDERS, folded
from core.datasets.listed_photos import name_of_missing
from core.datasets.photo_index import NO_PHOTO, ListedName, NotFound, PhotoIndex
from core.datasets.report import ReadReport
from core.errors import DatasetError
from core.file_names import relative_name

Found = Path | NotFound


def find_listed(listed: Sequence[ListedName], index: PhotoIndex) -> list[Found]:
    """The photo of each name, or why there is none, as the readers of the files look for them."""
    found: list[Found] = [NotFound(NO_PHOTO)] * len(listed)
    places: dict[Path | None, list[int]] = {}
    for place, name in enumerate(listed):
        places.setdefault(None if name.is_own else name.file, []).append(place)
    for file, some in places.items():
        if file is None:
            photos = [photo for photo, _ in own_photos([listed[place] for place in some], index)]
        else:
            photos = index.find([listed[place].name for place in some], file)
        for place, photo in zip(some, photos, strict=True):
            found[place] = photo
    return found


def place_own(
    listed: Sequence[ListedName], index: PhotoIndex, report: ReadReport
) -> tuple[list[str | None], Path]:
    """Each file's photo, relative to one folder, and that folder.

    A photo that is not there keeps the name that its file gives; a file that has none is lost (None).
    """
    taken: set[Path | str] = set()
    chosen: list[Path | str | None] = []
    for name, (found, other) in zip(listed, own_photos(listed, index), strict=True):
        file = name.file
        photo = found if isinstance(found, Path) else _missing(name, found, taken, report)
        if isinstance(found, Path) and isinstance(other, Path) and other != found:
            report.remark(file, f"it says {other.name}; its boxes went to {found.name}, of its own name")
        if photo in taken:
            shown = photo.name if isinstance(photo, Path) else photo
            report.lose_file(file, f"{file.name}: every photo has one annotation file, {shown!r} has two")
            photo = None
        if photo is not None:
            taken.add(photo)
        chosen.append(photo)
    return _relative(chosen, index)


def own_photos(listed: Sequence[ListedName], index: PhotoIndex) -> list[tuple[Found, Found]]:
    """Each file's photo, and the one that the name in it means, where that says another."""
    folders = {name.file.parent for name in listed}
    is_free = len(folders) == 1 and not _mirrors(next(iter(folders)), index.root)
    own = [index.of_stem(name.file, is_free=is_free) for name in listed]
    others = _by_names(listed, own, index, is_free)
    photo_of: dict[Path, Found] = {}
    for name, mine, other in zip(listed, own, others, strict=True):
        is_unclear = isinstance(mine, NotFound) and mine.is_ambiguous  # of several, the one that it names
        photo_of[name.file] = other if is_unclear and isinstance(other, Path) else mine
    claimed = {photo for photo in photo_of.values() if isinstance(photo, Path)}
    found: list[tuple[Found, Found]] = []
    for name, other in zip(listed, others, strict=True):
        photo = photo_of[name.file]
        if photo == NotFound(NO_PHOTO):
            photo = other
            if isinstance(other, Path) and (other in claimed or _has_own_file(other, name.file, photo_of)):
                photo = NotFound(f"it says {other.name}, but {other.name} has a file of its own")
        found.append((photo, other))
    return found


def _has_own_file(photo: Path, file: Path, photo_of: Mapping[Path, Found]) -> bool:
    """Whether a photo's own annotation file lies beside another one, read or not, and is not another's."""
    try:
        own = file.with_name(photo.stem + file.suffix)
        return photo.stem != file.stem and own.is_file() and not isinstance(photo_of.get(own), Path)
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _by_names(
    listed: Sequence[ListedName], own: Sequence[Found], index: PhotoIndex, is_free: bool
) -> list[Found]:
    """The photo that each file's name means, where it says another than the file's own name does."""
    found: list[Found] = list(own)
    others: list[tuple[int, str]] = []
    for place, (given, mine) in enumerate(zip(listed, own, strict=True)):
        name = given.name.replace("\\", "/")
        if isinstance(mine, Path) and folded(PurePosixPath(name).stem) == folded(mine.stem):
            continue
        if "/" not in name and not is_free and given.file.parent.is_relative_to(index.root):
            name = (given.file.parent.relative_to(index.root) / name).as_posix()
        others.append((place, name))
    if others:
        photos = index.find([name for _, name in others], listed[0].file)
        for (place, _), photo in zip(others, photos, strict=True):
            found[place] = photo
    return found


def _mirrors(folder: Path, root: Path) -> bool:
    """Whether a folder of annotations lies in one that formats put beside the photos, as theirs do."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return len(parts) > 1 and any(folded(part) in PLAIN_FOLDERS for part in parts[:-1])


def _missing(name: ListedName, found: NotFound, taken: set[Path | str], report: ReadReport) -> str | None:
    """What a photo that is not there is called: as its file says, else as the file; None where it is lost."""
    file = name.file.name
    if found.reason != NO_PHOTO:
        report.lose_file(name.file, f"{file}: {found.reason}")
        return None
    if not report.strict:
        try:
            if (given := relative_name(name.name, file)) not in taken:
                return given
        except DatasetError:
            pass
        return name.file.stem
    return name_of_missing(name.name, name.file, report)


def _relative(chosen: Sequence[Path | str | None], index: PhotoIndex) -> tuple[list[str | None], Path]:
    """Names relative to the folder that all photos lie in or below; missing ones as they are listed."""
    found = [path for path in chosen if isinstance(path, Path)]
    folder = index.root
    if not found:
        usual = [folder / name for name in ("JPEGImages", *PHOTO_FOLDERS) if (folder / name).is_dir()]
        folder = usual[0] if usual else folder
    while found and len({path.relative_to(folder).parts[0] for path in found}) == 1:
        start, *below = found[0].relative_to(folder).parts
        if not below or start.lower() not in PLAIN_FOLDERS:
            break
        folder = folder / start
    names = [path.relative_to(folder).as_posix() if isinstance(path, Path) else path for path in chosen]
    return names, folder
