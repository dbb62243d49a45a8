"""What a reader leaves out of a dataset, or reads otherwise than it is written, in sentences."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from core.boxes import MOST_FLAG
from core.datasets.splits import HOLDOUT
from core.errors import DatasetError
from core.file_names import safe_name

Item = TypeVar("Item")
Read = TypeVar("Read")

log = logging.getLogger("lapel.datasets")

MOST_NAMED = 5
"""Photos or sentences that a report names; of the others it says how many there are."""
MOST_ENTRIES = 5000
"""Files and photos that a report has entries of; what is beyond them is counted together."""
MOST_CHARACTERS = 300
"""Of one sentence."""
IN_TWO_FORMS = "that are written in two Unicode forms (NFC and NFD)"
LEFT_ATTRIBUTES = (
    f"these attributes of boxes were left out, as names and values of at most {MOST_FLAG} characters "
    "together, without quotation marks, commas, semicolons and the like, are kept"
)


@dataclass(frozen=True)
class ReportEntry:
    """Sentences about one file or photo; ``loss`` is what did not come: file, photo, box, or nothing ("").

    ``count`` is how many photos, files or boxes were lost.
    """

    name: str
    reason: str
    loss: str = ""
    count: int = 0


class _Reasons:
    """The first sentences about one thing, and how many there were."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, reason: str) -> None:
        """One more sentence; a long one is cut."""
        self.count += 1
        if len(self._first) < MOST_NAMED:
            self._first.append(reason[:MOST_CHARACTERS].rstrip("."))

    def together(self, loss: str) -> str:
        """All of it in one sentence."""
        more = self.count - len(self._first)
        text = "; ".join(self._first) + (f"; and {more:,} more like these" if more else "")
        start = f"{self.count:,} rows were left out: " if loss == "box" and self.count > 1 else ""
        return f"{start}{text}."


class ReadReport:
    """Collects what readers leave out; where it is ``strict``, the first loss raises DatasetError instead.

    Evaluation and training read strictly, since a figure from part of a dataset would mislead. Imports take
    what they can, and show the report. Files that are given as paths are named from ``root`` on.
    """

    def __init__(self, *, strict: bool = False, root: Path | None = None) -> None:
        self.strict, self._root = strict, root
        self.unreadable: set[str] = set()
        """Names of listed photos that are there, and could not be opened."""
        self.holdout: set[str] = set()
        """Photos that files set apart as their holdout, as they are listed."""
        self.splits: dict[str, str] = {}
        """The split of photos whose entry names one, as they are listed."""
        self._reasons: dict[tuple[str, str], _Reasons] = {}
        self._dropped: dict[str, dict[str, int]] = {}
        self._attributes: dict[str, dict[str, int]] = {}
        self._parts: dict[str, Counter[str]] = {}
        self._forms: dict[str, str] = {}
        self._several_forms: dict[str, None] = {}

    def name_of(self, file: Path | str) -> str:
        """What the report calls a file."""
        if isinstance(file, str):
            return file
        is_below = self._root is not None and file != self._root and file.is_relative_to(self._root)
        return file.relative_to(self._root).as_posix() if self._root and is_below else file.name

    def lose_file(self, name: Path | str, reason: str) -> None:
        """An annotation file that is not read at all."""
        self._lose("file", name, reason)

    def lose_photo(self, name: Path | str, reason: str) -> None:
        """A listed photo that does not come."""
        self._lose("photo", name, reason)

    def lose_unreadable(self, photo: Path, name: str, reason: str) -> None:
        """A listed photo that is there, and cannot be opened; ``name`` is for reports without a root."""
        name = name if self._root is None else self.name_of(photo)
        self.lose_photo(name, reason)
        self.unreadable.add(name)

    def lose_box(self, source: Path | str, reason: str) -> None:
        """A row of an annotation file that gives no box."""
        self._lose("box", source, reason)

    def lose_category(self, source: Path | str, reason: str) -> None:
        """A category that has no name or number; its boxes are lost by themselves."""
        if self.strict:
            raise DatasetError(reason)
        self.remark(source, reason)

    def drop_boxes(self, source: Path | str, photo_name: str, count: int) -> None:
        """Boxes without area or outside their photo; counted by strict readers too, and never raised."""
        if count:
            of_source = self._dropped.setdefault(self.name_of(source), {})
            of_source[photo_name] = of_source.get(photo_name, 0) + count

    def leave_attribute(self, source: Path | str, attribute: str) -> None:
        """An attribute of a box whose name or value is none that is kept; counted, never raised."""
        of_source = self._attributes.setdefault(self.name_of(source), {})
        shown = safe_name(attribute)[:MOST_FLAG] if attribute.strip() else "one without a name"
        shown = shown if shown in of_source or len(of_source) < MOST_ENTRIES else "others"
        of_source[shown] = of_source.get(shown, 0) + 1

    def leave_part(self, source: Path | str, part: str) -> None:
        """A part of an object, which has a box of its own in its file; counted, never raised."""
        of_source = self._parts.setdefault(self.name_of(source), Counter())
        of_source[safe_name(part)[:MOST_FLAG] if len(of_source) < MOST_NAMED else "others"] += 1

    def one_form(self, text: str) -> str:
        """A text in NFC; one that came in another Unicode form as well is told at the end, once."""
        composed = in_one_form(text)
        if composed.isascii():
            return text
        if self._forms.setdefault(composed, text) != text:
            self._several_forms[composed] = None
        return composed

    def remark(self, name: Path | str, reason: str) -> None:
        """Something that was read otherwise than it is written, and lost nothing."""
        if self.strict:
            log.warning("%s: %s", self.name_of(name), reason)
        else:
            self._add("", name, reason)

    def note_holdout(self, name: str, entry: Mapping[str, object]) -> None:
        """Remember a photo whose entry says, by ``holdout`` or ``split``, that it is set apart."""
        is_marked = str(entry.get("holdout")).strip().lower() in ("true", "1")
        split = str(entry.get("split") or "").strip().lower()
        if is_marked or split == HOLDOUT:
            self.holdout.add(name)
        if is_marked or split:
            self.splits[name] = HOLDOUT if is_marked else split

    @property
    def has_lost_files(self) -> bool:
        """Whether an annotation file was not read."""
        return any(loss == "file" for loss, _ in self._reasons)

    def entries(self) -> Iterator[ReportEntry]:
        """What was left out, by file or photo, in the order in which it was met; then the remarks."""
        for (loss, name), reasons in self._reasons.items():
            if loss:
                yield ReportEntry(name, reasons.together(loss), loss, reasons.count)
        for source, of_source in self._dropped.items():
            count = sum(of_source.values())
            counted = "1 box was" if count == 1 else f"{count:,} boxes were"
            reason = f"{counted} left out: without area or outside the photo, in {named(list(of_source))}."
            yield ReportEntry(source, reason, "box", count)
        for source, of_source in self._attributes.items():
            left = named([f"{name} ({count:,})" for name, count in of_source.items()])
            yield ReportEntry(source, f"{LEFT_ATTRIBUTES}: {left}.")
        for source, parts in self._parts.items():
            left = named([f"{name} ({count:,})" for name, count in parts.items()])
            yield ReportEntry(source, f"the boxes of objects' parts are not read: {left}.")
        for (loss, name), reasons in self._reasons.items():
            if not loss:
                yield ReportEntry(name, reasons.together(loss))
        if self._several_forms:
            texts = named([text[:60] for text in self._several_forms])
            yield ReportEntry("Unicode", f"texts {IN_TWO_FORMS} are one here: {texts}.")

    def _lose(self, loss: str, name: Path | str, reason: str) -> None:
        if self.strict:
            raise DatasetError(reason)
        self._add(loss, name, reason)

    def _add(self, loss: str, file: Path | str, reason: str) -> None:
        name = self.name_of(file)
        if (loss, name) not in self._reasons and len(self._reasons) >= MOST_ENTRIES:
            name = "And more"
        own = re.escape(name.rpartition("/")[2])  # stands before the sentence in the report
        reason = re.sub(f"^{own}(: | (?=line ))", "", reason)
        self._reasons.setdefault((loss, name), _Reasons()).add(reason)


def read_each(
    items: Iterable[Item], read: Callable[[Item], Read], lose: Callable[[Item, str], None]
) -> Iterator[Read]:
    """What is read of each item; one that raises ``DatasetError`` is lost with its sentence."""
    for item in items:
        try:
            yield read(item)
        except DatasetError as error:
            lose(item, str(error))


def in_one_form(text: str) -> str:
    """A text in NFC, the form that names are kept and compared in."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def named(names: Sequence[object]) -> str:
    """The first of these names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(map(str, names[:MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")
