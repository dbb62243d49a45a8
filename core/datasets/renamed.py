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
RENAMED_HEAD = "Photos under another name than they came with: the name here, a tab, the name that came.\n"
MOST_RENAMED_BYTES = 64 * MIB
LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\"""")
"""A text as Python writes it, so that a name may hold tabs and line ends."""


def renamed_line(name: str, came: str) -> str:
    """The line of a photo that is called ``name`` in the export, and came as ``came``.

    >>> renamed_line("a_2.png", "a.png")
    "a_2.png\\t'a.png'\\n"
    """
    return f"{name}\t{came!r}\n"


@dataclass(frozen=True)
class Renamed:
    """The names that photos came with, by the folder of their export and their path in it without ending."""

    by_folder: Mapping[Path, Mapping[str, str]]

    @classmethod
    def of(cls, files: Iterable[Path], report: ReadReport) -> Renamed:
        """Out of the files that are called ``renamed.txt``; lines that are none are told."""
        return cls({file.parent: _read(file, report) for file in files if file.name.lower() == RENAMED})

    def came(self, path: Path) -> str | None:
        """The name that a picture or a file of labels came with; None where it is the same, or not known."""
        for folder in path.parents if self.by_folder else ():
            if (names := self.by_folder.get(folder)) is not None:
                parts = path.relative_to(folder).parts
                if len(parts) > 1 and folded(parts[0]) in PLAIN_FOLDERS:
                    parts = parts[1:]
                splits = (parts[1:],) if len(parts) > 1 and folded(parts[0]) in SPLIT_FOLDERS else ()
                found = (names.get(_stem("/".join(some))) for some in (parts, *splits))
                return next((name for name in found if name is not None), None)
        return None

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
        elif line.strip() and line != RENAMED_HEAD.strip():
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


def _text(literal: str) -> str:
    try:
        return str(ast.literal_eval(literal)) if "\\" in literal else literal[1:-1]
    except (SyntaxError, ValueError):  # half an escape
        return literal[1:-1]


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", str(PurePosixPath(name).with_suffix("")) if name.strip("./ ") else "")
