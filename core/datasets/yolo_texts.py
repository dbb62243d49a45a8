"""Which text of labels belongs to which photo of a YOLO dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.datasets.listed_paths import folded, name_key
from core.datasets.report import ReadReport

NO_LABELS = re.compile(
    r"(classes|labels|labelmap|train|val|valid|test|holdout|predefined_classes|readme.*|licen[cs]e.*"
    r"|requirements|deleted|renamed)\.txt",
    re.IGNORECASE,
)
"""Texts that tools leave beside the labels."""


def is_text(file: Path) -> bool:
    """Whether a file is called as one with labels may be."""
    return file.suffix.lower() == ".txt"


def pair_texts(
    files: Sequence[Path], texts: Sequence[Path], photos_root: Path, texts_root: Path, report: ReadReport
) -> dict[Path, Path]:
    """The text of each photo: beside it, in ``labels`` for ``images``, or of its name and folders.

    Where none of these is there, a text is taken whose name only these two have, and whose folders do not
    say otherwise. Texts without a photo are lost, except those that tools leave beside labels.
    """
    text_of: dict[Path, Path] = {}
    ways: tuple[Callable[[Path, Path], object], ...] = (
        *(_beside, _swapped, _by_folders, _with_ending),
        _by_name,
    )
    left, spare = list(files), list(texts)
    for way in ways:
        roots = (photos_root, texts_root)
        by_key = _unique([(way(text, roots[1]), text) for text in spare])
        if way in (_by_folders, _with_ending, _by_name):  # several photos of one key cannot be told apart
            found = {
                key: [file] for key, file in _unique([(way(file, roots[0]), file) for file in left]).items()
            }
        else:
            found = _grouped([(way(file, roots[0]), file) for file in left])
        for key, same in found.items():
            if key in by_key and (way is not _by_name or not _disagree(same[0], by_key[key], *roots)):
                text_of |= dict.fromkeys(same, by_key[key])
        used = set(text_of.values())
        left = [file for file in left if file not in text_of]
        spare = [text for text in spare if text not in used]
    for text in spare:
        if not NO_LABELS.fullmatch(text.name):
            report.lose_file(text, f"{text.name}: labels need a photo of that name, there is none")
    return text_of


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    folder = path.parent.relative_to(root).parts if path.is_relative_to(root) else path.parent.parts
    return (*folder, path.stem)


def _beside(path: Path, root: Path) -> object:
    return path.parent, path.stem


def _swapped(path: Path, root: Path) -> object:
    """Ultralytics' rule: the last folder called images is labels."""
    parts = [folded(part) for part in _parts(path, root)]
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] in ("images", "labels"):
            parts[place] = ""
            break
    return tuple(parts)


def _by_folders(path: Path, root: Path) -> object:
    return name_key("/".join(_parts(path, root)))


def _with_ending(path: Path, root: Path) -> object:
    """Some tools write ``a.jpg.txt`` for ``a.jpg``."""
    *folders, stem = _parts(path, root)
    return name_key("/".join((*folders, stem if is_text(path) else path.name)))


def _by_name(path: Path, root: Path) -> object:
    return folded(path.stem)


def _disagree(file: Path, text: Path, photos_root: Path, texts_root: Path) -> bool:
    """Whether both lie in folders that tell photos apart, and in different ones."""
    one, other = (
        name_key("/".join(_parts(path, root)))[:-1]
        for path, root in ((file, photos_root), (text, texts_root))
    )
    return bool(one and other) and one[-1] != other[-1]


def _grouped(pairs: Iterable[tuple[object, Path]]) -> dict[object, list[Path]]:
    found: dict[object, list[Path]] = {}
    for key, path in pairs:
        found.setdefault(key, []).append(path)
    return found


def _unique(pairs: Iterable[tuple[object, Path]]) -> dict[object, Path]:
    """Those whose key no other has."""
    return {key: paths[0] for key, paths in _grouped(pairs).items() if len(paths) == 1}
