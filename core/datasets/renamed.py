"""``renamed.txt`` of an export: photos under other names than they came with, which an import gives back."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.datasets.listed_paths import PLAIN_FOLDERS, SPLIT_FOLDERS, folded
from core.datasets.parsing import MIB, read_lines
from core.datasets.photo_index import ListedName
from core.datasets.report import ReadReport
from core.datasets.splits import SPLITS
from core.errors import DatasetError

RENAMED = "renamed.txt"
RENAMED_HEAD = "What photos were called when they came: the name here, a tab, the name that came.\n"
OLDER_HEAD = "Photos under another name than they came with: the name here, a tab, the name that came.\n"
MOST_RENAMED_BYTES = 64 * MIB
LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\"""")
"""A text as Python writes it, so that a name may hold tabs and line ends."""


def renamed_line(name: str, came: str) -> str:
    """The line of a photo that is called ``name`` in the export, and came as ``came``.

    >>> renamed_line("a_2.png", "a.png")
    "a_2.png\\t'a.png'\\n"
    """
    return f"{name}\t{came!r}\n"


def loses_folders(name: str) -> bool:
    """Whether a photo lies in a folder that formats and splits add, which says nothing where it comes in."""
    outer, _, rest = name.partition("/")
    return bool(rest) and folded(outer) in (*PLAIN_FOLDERS, *SPLIT_FOLDERS)


@dataclass(frozen=True)
class Renamed:
    """The names that photos came with, by the folder of their export and their path in it without ending."""

    by_folder: Mapping[Path, Mapping[str, str]]
    with_splits: frozenset[Path] = frozenset()  # of these, whose photos lie in a folder a split

    @classmethod
    def of(cls, files: Iterable[Path], report: ReadReport) -> Renamed:
        """Out of the files that are called ``renamed.txt``; lines that are none are told."""
        lists = {file.parent: file for file in files if file.name.lower() == RENAMED}
        names = {folder: _read(file, report) for folder, file in lists.items()}
        return cls(names, frozenset(filter(_has_splits, lists)))

    def came(self, path: Path) -> str | None:
        """The name that a picture or a file of labels came with; None where it is the same, or not known."""
        return self._found(path)[0]

    def picture_name(self, path: Path) -> str | None:
        """What a picture of an export was called, as it came or else as it is; None for one of no export."""
        came, here = self._found(path)
        return came or here

    def _found(self, path: Path) -> tuple[str | None, str | None]:
        """The name that came, and the one in the export, without the folders that its format adds."""
        for folder in path.parents if self.by_folder else ():
            if names := self.by_folder.get(folder):
                parts = path.relative_to(folder).parts
                if len(parts) > 1 and folded(parts[0]) in PLAIN_FOLDERS:
                    parts = parts[1:]
                if folder in self.with_splits and len(parts) > 1 and folded(parts[0]) in SPLIT_FOLDERS:
                    parts = parts[1:]
                here = "/".join(parts)
                return names.get(_stem(here)), here
        return None, None

    def original(self, listed: ListedName) -> ListedName:
        """A photo's name in an annotation file as the photo came; the same where it is not known."""
        came = self.came(listed.file) if listed.is_own else self.came(listed.file.parent / listed.name)
        return listed if came is None else ListedName(came, listed.file)


def _read(file: Path, report: ReadReport) -> dict[str, str]:
    """The names that came; of photos that kept theirs, those in the lists of splits beside it.

    These have endings, which tell ``a.jpg`` from an ``a.png`` that is called otherwise here.
    """
    names: dict[str, str] = {}
    odd = 0
    try:
        lines = read_lines(file, MOST_RENAMED_BYTES)
    except DatasetError as error:
        report.remark(file, str(error))
        return {}
    for line in lines:
        name, tab, came = line.partition("\t")
        if tab and LITERAL.fullmatch(came):
            names[_stem(name)] = _text(came)
        elif line.strip() and f"{line}\n" not in (RENAMED_HEAD, OLDER_HEAD):
            odd += 1
    if odd:
        lines_are = "1 line is" if odd == 1 else f"{odd:,} lines are"
        report.remark(file, f"{lines_are} not read: the name here, a tab and the name that came are expected")
    for split in SPLITS if names else ():
        beside = file.with_name(f"{split}.txt")
        if beside.is_file():
            for name in read_lines(beside):
                kept = name.strip().removeprefix("./").removeprefix("images/")
                names.setdefault(_stem(kept), kept)
    return names


def _has_splits(folder: Path) -> bool:
    images = folder / "images"
    return images.is_dir() and all(path.is_dir() and path.name in SPLITS for path in images.iterdir())


def _text(literal: str) -> str:
    try:
        return str(ast.literal_eval(literal)) if "\\" in literal else literal[1:-1]
    except (SyntaxError, ValueError):  # half an escape
        return literal[1:-1]


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", str(PurePosixPath(name).with_suffix("")) if name.strip("./ ") else "")
