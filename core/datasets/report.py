"""What a reader leaves out of a data set, or reads otherwise than it is written, in sentences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.datasets.splits import HOLDOUT
from core.errors import DatasetError

Item = TypeVar("Item")
Read = TypeVar("Read")

log = logging.getLogger("lapel.datasets")

MOST_NAMED = 5
"""Photos or sentences that a report names; of the others it says how many there are."""
MOST_ENTRIES = 5000
"""Files and photos that a report has entries of; what is beyond them is counted together."""
MOST_CHARACTERS = 300
"""Of one sentence."""


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

    Evaluation and training read strictly, since a figure from part of a data set would mislead. Imports take
    what they can, and show the report.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.holdout: set[str] = set()
        """Photos that files set apart as their holdout, as they are listed."""
        self._reasons: dict[tuple[str, str], _Reasons] = {}
        self._dropped: dict[str, dict[str, int]] = {}

    def lose_file(self, name: str, reason: str) -> None:
        """An annotation file that is not read at all."""
        self._lose("file", name, reason)

    def lose_photo(self, name: str, reason: str) -> None:
        """A listed photo that does not come."""
        self._lose("photo", name, reason)

    def lose_box(self, source: str, reason: str) -> None:
        """A row of an annotation file that gives no box."""
        self._lose("box", source, reason)

    def drop_boxes(self, source: str, photo_name: str, count: int) -> None:
        """Boxes without area or outside their photo; counted by strict readers too, and never raised."""
        if count:
            of_source = self._dropped.setdefault(source, {})
            of_source[photo_name] = of_source.get(photo_name, 0) + count

    def remark(self, name: str, reason: str) -> None:
        """Something that was read otherwise than it is written, and lost nothing."""
        if self.strict:
            log.warning("%s: %s", name, reason)
        else:
            self._add("", name, reason)

    def note_holdout(self, name: str, entry: Mapping[str, object]) -> None:
        """Remember a photo whose entry says, by ``holdout`` or ``split``, that it is set apart."""
        is_marked = str(entry.get("holdout")).strip().lower() in ("true", "1")
        if is_marked or str(entry.get("split")).strip().lower() == HOLDOUT:
            self.holdout.add(name)

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
        for (loss, name), reasons in self._reasons.items():
            if not loss:
                yield ReportEntry(name, reasons.together(loss))

    def _lose(self, loss: str, name: str, reason: str) -> None:
        if self.strict:
            raise DatasetError(reason)
        self._add(loss, name, reason)

    def _add(self, loss: str, name: str, reason: str) -> None:
        if (loss, name) not in self._reasons and len(self._reasons) >= MOST_ENTRIES:
            name = "And more"
        own = f"{name.rpartition('/')[2]}: "  # stands before the sentence in the report
        self._reasons.setdefault((loss, name), _Reasons()).add(reason.removeprefix(own))


def read_each(
    items: Iterable[Item], read: Callable[[Item], Read], lose: Callable[[Item, str], None]
) -> Iterator[Read]:
    """What is read of each item; one that raises ``DatasetError`` is lost with its sentence."""
    for item in items:
        try:
            yield read(item)
        except DatasetError as error:
            lose(item, str(error))


def named(names: Sequence[object]) -> str:
    """The first of these names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(map(str, names[:MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")
