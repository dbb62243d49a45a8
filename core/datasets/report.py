"""What a reader leaves out of a data set, or reads otherwise than it is written, in sentences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.errors import DatasetError

Item = TypeVar("Item")
Read = TypeVar("Read")

log = logging.getLogger("lapel.datasets")

MOST_NAMED = 5
"""Photos or sentences that a report names; of the others it says how many there are."""


@dataclass(frozen=True)
class ReportEntry:
    """Sentences about one file or photo; ``loss`` is what did not come: file, photo, box, or nothing ("").

    ``count`` is how many boxes were lost.
    """

    name: str
    reason: str
    loss: str = ""
    count: int = 0


class ReadReport:
    """Collects what readers leave out; where it is ``strict``, the first loss raises DatasetError instead.

    Evaluation and training read strictly, since a figure from part of a data set would mislead. Imports take
    what they can, and show the report.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._reasons: dict[tuple[str, str], list[str]] = {}
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
            self._reasons.setdefault(("", name), []).append(reason)

    def entries(self) -> Iterator[ReportEntry]:
        """What was left out, by file or photo, in the order in which it was met; then the remarks."""
        for (loss, name), reasons in self._reasons.items():
            if loss:
                count = len(reasons) if loss == "box" else 0
                yield ReportEntry(name, _together(reasons, count), loss, count)
        for source, of_source in self._dropped.items():
            count = sum(of_source.values())
            counted = "1 box was" if count == 1 else f"{count:,} boxes were"
            reason = f"{counted} left out: without area or outside the photo, in {named(list(of_source))}."
            yield ReportEntry(source, reason, "box", count)
        for (loss, name), reasons in self._reasons.items():
            if not loss:
                yield ReportEntry(name, _together(reasons, 0))

    def _lose(self, loss: str, name: str, reason: str) -> None:
        if self.strict:
            raise DatasetError(reason)
        self._reasons.setdefault((loss, name), []).append(reason)


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


def _together(reasons: Sequence[str], boxes: int) -> str:
    """The first sentences; of the others how many there are, and of boxes how many were lost in all."""
    text = "; ".join(reason.rstrip(".") for reason in reasons[:MOST_NAMED])
    more = len(reasons) - MOST_NAMED
    text += f"; and {more:,} more like these" if more > 0 else ""
    if boxes > 1:
        text = f"{boxes:,} rows were left out: {text}"
    return f"{text}."
