"""What an import notes down in a folder of its own: the files it is to bring in, and how far it is."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.errors import StoreError, StoreFullError
from core.store.sources import Item


@dataclass(frozen=True)
class Mark:
    """How far an import is: ``offset`` is the byte in its notes, ``newest`` the newest photo before the step.

    A step that is repeated after a crash finds its own photos by ``newest``, and counts them as it did.
    """

    total: int = 0
    done: int = 0
    offset: int = 0
    newest: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether everything has been looked at."""
        return self.done >= self.total

    def as_dict(self) -> dict[str, Any]:
        """The form in which it is kept."""
        return asdict(self)


@dataclass(frozen=True)
class Notes:
    """An import's notes: a line of JSON for each file, and the mark."""

    folder: Path

    def write(self, items: Iterable[Item]) -> int:
        """Note down all items, or none of them where this is cut off; returns how many there are."""
        part, total = self._items.with_suffix(".part"), 0
        with _writing(self.folder):
            with part.open("w", encoding="utf-8") as out:
                for item in items:
                    out.write(json.dumps(item.as_list()) + "\n")
                    total += 1
                out.flush()
                os.fsync(out.fileno())
            part.replace(self._items)
        return total

    def read(self, offset: int) -> Iterator[tuple[Item, int]]:
        """The items from a byte on, each with the byte after it. Raises StoreError without notes."""
        try:
            with self._items.open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    offset += len(line)
                    yield Item.from_list(json.loads(line)), offset
        except FileNotFoundError:
            raise StoreError("The files of this import are not on this machine, or were removed.") from None

    def keep(self, mark: Mark) -> Mark:
        """Keep the mark, for a run after a failure."""
        part = self._mark.with_suffix(".part")
        with _writing(self.folder):
            part.write_text(json.dumps(mark.as_dict()), encoding="utf-8")
            part.replace(self._mark)
        return mark

    def mark(self) -> Mark | None:
        """The mark that was kept last; None before the first."""
        try:
            return Mark(**json.loads(self._mark.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):  # none, or cut off with the machine's power
            return None

    @property
    def _items(self) -> Path:
        return self.folder / "files.jsonl"

    @property
    def _mark(self) -> Path:
        return self.folder / "mark.json"


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What hinders writing as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError("There is no room left on the disk for the import's notes.") from error
        raise StoreError(f"The import cannot be noted down in {folder}: {error.strerror}.") from error
