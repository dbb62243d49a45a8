"""The files below a folder, in order and within bounds, and which of them are pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from core.datasets.listed_paths import has_photo_ending
from core.file_names import is_hidden

MOST_FILES = 1_000_000
MOST_DEPTH = 64


def is_picture(path: Path) -> bool:
    """Whether a file is called like a picture, of a kind that is read or not."""
    return has_photo_ending(path.name.lower())


def files_below(
    folder: Path,
    on_skipped: Callable[[Path, str], None] = lambda path, reason: None,
    on_hidden: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """The files below a folder in order, without hidden ones and macOS' copies.

    At most a million files and 64 folders deep, so that a folder is not walked for ever. ``on_skipped`` is
    told what is not gone into, and why: links to folders, and what is beyond those bounds; ``on_hidden`` the
    hidden files.
    """
    seen = 0
    for parent, folders, files in os.walk(folder):
        deep = len(Path(parent).relative_to(folder).parts) >= MOST_DEPTH
        kept = []
        if on_hidden is not None:
            for name in sorted(filter(is_hidden, [*files, *folders])):
                for path in _files_of(Path(parent, name)):
                    on_hidden(path)
        for name in sorted(name for name in folders if not is_hidden(name)):
            path = Path(parent, name)
            if path.is_symlink():
                on_skipped(path, "it is a link to a folder, which is not followed")
            elif deep:
                on_skipped(path, f"folders are read {MOST_DEPTH} deep, this one lies deeper")
            else:
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            if not is_hidden(name):
                yield Path(parent, name)
                seen += 1
        if seen > MOST_FILES:
            on_skipped(folder, f"at most {MOST_FILES:,} files are read, it holds more")
            return


def _files_of(path: Path) -> Iterator[Path]:
    """A file itself, or all files below a folder; at most as many as ``files_below`` gives."""
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    below = (Path(parent, name) for parent, _, files in os.walk(path) for name in sorted(files))
    yield from islice(below, MOST_FILES)
