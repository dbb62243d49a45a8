"""What was brought in: how far it is, what became of the photos, and which files were refused and why.

What an import notes down in a folder of its own: the files it is to bring in, and how far it is.

Where files wait to be imported, and which folders of the server an import may look into.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.access import LOCAL, Actor, Right, needs
from core.errors import AccessError, NotFoundError, StoreError, StoreFullError
from core.store.database import Database, one_line
from core.store.people import note_in
from core.store.schema import import_refusals, imports
from core.store.sources import Item

FINISHED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class ImportRow:
    """One import. ``counts`` says for each outcome how many photos had it; ``at`` is when it began.

    ``state`` is waiting, running, done, failed or cancelled; ``folder`` is where the files lie.
    """

    id: int
    source: str
    folder: str | None
    state: str
    done: int
    total: int
    counts: Mapping[str, int]
    message: str
    by: str
    at: float


@dataclass(frozen=True)
class RefusedFile:
    """A file that was not taken, with the sentence for the person who brought it."""

    name: str
    reason: str


@dataclass(frozen=True)
class Imports:
    """The store's imports."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def begin(self, source: str, by: str, folder: str | None = None) -> int:
        """Note down that something is to be brought in, in the audit log as well; gives its number."""
        who = self.actor.known_as(one_line(by, 200))
        values: dict[str, Any] = {"source": one_line(source), "folder": folder, "by": who.name}
        values |= {"state": "waiting", "at": self.database.now}
        begun = sa.insert(imports).values(**values).returning(imports.c.id)
        with self.database.write() as connection:
            id = int(connection.execute(begun).scalar_one())
            note_in(connection, self.database, who, "import", f"import {id}, {source}", id=id, folder=folder)
            return id

    @needs(Right.IMPORT)
    def progress(
        self,
        id: int,
        done: int,
        total: int,
        counts: Mapping[str, int],
        state: str = "running",
        message: str = "",
    ) -> None:
        """How far an import is; one that has ended stays as it is. Raises NotFoundError for none."""
        values: dict[str, Any] = {"done": done, "total": total, "counts": dict(counts), "state": state}
        with self.database.write() as connection:
            change = sa.update(imports).where(imports.c.id == id, imports.c.state.not_in(FINISHED))
            result = connection.execute(change.values(**values, message=one_line(message)))
            if not result.rowcount and not connection.scalar(
                sa.select(imports.c.id).where(imports.c.id == id)
            ):
                raise NotFoundError("There is no such import.")

    @needs(Right.IMPORT)
    def cancel(self, id: int) -> None:
        """An import is to stop; what it has brought in stays. One that has ended stays as it is."""
        change = sa.update(imports).where(imports.c.id == id, imports.c.state.not_in(FINISHED))
        with self.database.write() as connection:
            connection.execute(change.values(state="cancelled", message=""))

    @needs(Right.IMPORT)
    def again(self, id: int) -> None:
        """An import that failed or was cancelled waits again."""
        stopped = sa.update(imports).where(imports.c.id == id, imports.c.state.in_(("failed", "cancelled")))
        with self.database.write() as connection:
            connection.execute(stopped.values(state="waiting", message=""))

    @needs(Right.IMPORT)
    def refuse(self, id: int, name: str, reason: str) -> None:
        """Note down a file that was not taken; said again, the last reason stays."""
        values = {"import_id": id, "name": one_line(name), "reason": one_line(reason)}
        insert = self.database.insert(import_refusals).values(**values)
        keys = [import_refusals.c.import_id, import_refusals.c.name]
        with self.database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=keys, set_={"reason": values["reason"]})
            )

    @needs(Right.READ)
    def get(self, id: int) -> ImportRow:
        """One import. Raises NotFoundError for no such import."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(imports).where(imports.c.id == id)).one_or_none()
        if row is None:
            raise NotFoundError("There is no such import.")
        return ImportRow(**row._mapping)

    @needs(Right.READ)
    def recent(self, most: int = 20) -> tuple[ImportRow, ...]:
        """The latest imports, newest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(imports).order_by(imports.c.id.desc()).limit(most)).all()
        return tuple(ImportRow(**row._mapping) for row in rows)

    @needs(Right.READ)
    def refusals(self, id: int) -> tuple[RefusedFile, ...]:
        """The files of an import that were not taken, in the order in which they came."""
        chosen = sa.select(import_refusals.c.name, import_refusals.c.reason)
        with self.database.read() as connection:
            rows = connection.execute(
                chosen.where(import_refusals.c.import_id == id).order_by(import_refusals.c.id)
            ).all()
        return tuple(RefusedFile(row.name, row.reason) for row in rows)


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


FOLDERS_VARIABLE = "LAPEL_IMPORT_FOLDERS"
STALE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Incoming:
    """The folder of uploads that wait, and of what imports note down while they run."""

    folder: Path

    @classmethod
    def of(cls, home: Path) -> Incoming:
        """The one of a store's folder."""
        return cls(home / "incoming")

    def work(self, import_id: int) -> Path:
        """An import's own folder, there after the call. Raises StoreError where it cannot be made."""
        path = self.folder / f"import-{import_id}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {path} cannot be used: {error.strerror}.") from error
        return path

    def holds(self, path: Path) -> bool:
        """Whether the path is an upload's, which the store may remove once it is brought in."""
        return path != self.folder and _resolved(path).is_relative_to(_resolved(self.folder))

    def clear(self, import_id: int, source: Path | None) -> None:
        """Remove what an import leaves behind: its notes, and the upload; a server's folder stays."""
        shutil.rmtree(self.folder / f"import-{import_id}", ignore_errors=True)
        if source is not None and self.holds(source):
            shutil.rmtree(self._top(source), ignore_errors=True)

    def sweep(self, wanted: set[Path]) -> int:
        """Remove day-old uploads that no import waits for; returns how many went."""
        kept = {self._top(path) for path in wanted if self.holds(path)}
        stale = [path for path in self._entries() if path not in kept and _is_old(path)]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return len(stale)

    def _top(self, path: Path) -> Path:
        """The upload's folder right below this one."""
        inside = _resolved(path).relative_to(_resolved(self.folder))
        return self.folder / inside.parts[0]

    def _entries(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_dir() and not path.is_symlink())


def import_folders() -> tuple[Path, ...]:
    """The folders that imports may look into: ``LAPEL_IMPORT_FOLDERS``, else the home folder."""
    listed = os.environ.get(FOLDERS_VARIABLE)
    if listed is None:
        return (_resolved(Path.home()),)
    return tuple(_resolved(Path(entry).expanduser()) for entry in listed.split(os.pathsep) if entry)


def permitted(path: Path) -> Path:
    """The path without links, if it lies in a folder that imports may look into.

    Raises AccessError for one elsewhere, also where a link leads there, and StoreError for none at all.
    """
    try:
        resolved = path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"That is no path on this machine: {error}.") from error
    folders = import_folders()
    if not any(resolved.is_relative_to(folder) for folder in folders):
        named = ", ".join(str(folder) for folder in folders) or "none"
        raise AccessError(
            f"Imports may come from these folders and what is in them: {named}. Got {resolved}."
        )
    if not resolved.exists():
        raise StoreError(f"There is no {resolved} on the machine that Lapel's worker runs on.")
    return resolved


def _resolved(path: Path) -> Path:
    return path.resolve()


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - STALE_SECONDS
    except OSError:
        return False
