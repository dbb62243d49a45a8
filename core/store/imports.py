"""Imports: their rows and refused files, the folder where uploads wait, and the folders they may read."""

from __future__ import annotations

import io
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from core.access import LOCAL, Actor, Right, needs
from core.errors import AccessError, DatasetError, NotFoundError, StoreError
from core.file_names import decoded_name, free_name, relative_name, safe_name
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.schema import import_refusals, imports

FINISHED = ("done", "failed", "cancelled")
FOLDERS_VARIABLE = "LAPEL_IMPORT_FOLDERS"
MOST_REASON = 1000
CUT = "…"
STALE_SECONDS = 24 * 3600.0


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
    """A file that was refused, with the sentence for the user."""

    name: str
    reason: str


@dataclass(frozen=True)
class Imports:
    """The store's imports."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def begin(self, source: str, by: str, folder: str | None = None) -> int:
        """Add an import that waits, in the audit log as well; returns its id."""
        who = self.actor.known_as(one_line(by, 200))
        values: dict[str, Any] = {"source": one_line(source), "folder": folder, "by": who.name}
        values |= {"state": "waiting", "at": self.database.now}
        begun = sa.insert(imports).values(**values).returning(imports.c.id)
        with self.database.write() as connection:
            id = int(connection.execute(begun).scalar_one())
            record_audit(
                connection, self.database, who, "import", f"import {id}, {source}", id=id, folder=folder
            )
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
        """Stop an import; its photos stay in the store. One that has ended stays as it is."""
        change = sa.update(imports).where(imports.c.id == id, imports.c.state.not_in(FINISHED))
        self.database.change(change.values(state="cancelled", message=""))

    @needs(Right.IMPORT)
    def retry(self, id: int) -> None:
        """Have an import that failed or was cancelled wait again."""
        stopped = sa.update(imports).where(imports.c.id == id, imports.c.state.in_(("failed", "cancelled")))
        self.database.change(stopped.values(state="waiting", message=""))

    @needs(Right.IMPORT)
    def refuse(self, id: int, name: str, reason: str) -> None:
        """Record why a file was refused, behind other reasons for that name; the same one stays once.

        What is more than 1,000 characters in all is cut off.
        """
        name, reason = one_line(decoded_name(name)), one_line(decoded_name(reason))
        keys = [import_refusals.c.import_id, import_refusals.c.name]
        known = sa.select(import_refusals.c.reason).where(keys[0] == id, keys[1] == name)
        insert = self.database.insert(import_refusals)
        with self.database.write() as connection:
            told = connection.scalar(known.with_for_update())
            if told is not None and (reason in told or told.endswith(CUT)):
                return
            whole = reason if told is None else f"{told} {reason}"
            whole = whole if len(whole) <= MOST_REASON else whole[: MOST_REASON - len(CUT)] + CUT
            change = insert.values(import_id=id, name=name, reason=whole)
            connection.execute(change.on_conflict_do_update(index_elements=keys, set_={"reason": whole}))

    @needs(Right.READ)
    def get(self, id: int) -> ImportRow:
        """One import. Raises NotFoundError for no such import."""
        chosen = sa.select(imports).where(imports.c.id == id)
        row = self.database.found(chosen, "There is no such import.")
        return ImportRow(**row._mapping)

    @needs(Right.READ)
    def recent(self, most: int = 20) -> tuple[ImportRow, ...]:
        """The latest imports, newest first."""
        chosen = sa.select(imports).order_by(imports.c.id.desc()).limit(most)
        return tuple(ImportRow(**row._mapping) for row in self.database.rows(chosen))

    @needs(Right.READ)
    def refusals(self, id: int) -> tuple[RefusedFile, ...]:
        """The refused files of an import, in the order in which they came."""
        chosen = sa.select(import_refusals.c.name, import_refusals.c.reason)
        chosen = chosen.where(import_refusals.c.import_id == id).order_by(import_refusals.c.id)
        return tuple(RefusedFile(*row) for row in self.database.rows(chosen))


@dataclass(frozen=True)
class UploadFolder:
    """The folder of uploads that wait to be imported, and of running imports' manifests."""

    folder: Path

    @classmethod
    def of(cls, store_folder: Path) -> UploadFolder:
        """The upload folder inside a store's folder."""
        return cls(store_folder / "incoming")

    def import_folder(self, import_id: int) -> Path:
        """An import's own folder, there after the call. Raises StoreError where it cannot be made."""
        path = self.folder / f"import-{import_id}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {path} cannot be used: {error.strerror}.") from error
        return path

    def stage(self, files: Iterable[tuple[str, bytes | BinaryIO]]) -> Path:
        """Write uploaded files to a new folder, and give it: by name, and their bytes or an open file.

        The folders of a dataset are kept, doubled names told apart. Raises StoreError where the disk does
        not take the files; none of them stays.
        """
        home = self.folder / uuid.uuid4().hex
        try:
            home.mkdir(parents=True)
            for name, content in files:
                path = _free_path(home / _safe_path(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(io.BytesIO(content) if isinstance(content, bytes) else content, file)
        except OSError as error:
            shutil.rmtree(home, ignore_errors=True)
            raise StoreError(f"The files could not be written to {self.folder}: {error.strerror}.") from error
        return home

    def contains(self, path: Path) -> bool:
        """Whether the path is an upload's, which the store may remove once it is brought in."""
        return path != self.folder and path.resolve().is_relative_to(self.folder.resolve())

    def clear(self, import_id: int, source: Path | None) -> None:
        """Remove what an import leaves behind: its manifest and the upload; a server's folder stays."""
        shutil.rmtree(self.folder / f"import-{import_id}", ignore_errors=True)
        if source is not None and self.contains(source):
            shutil.rmtree(self._top(source), ignore_errors=True)

    def sweep(self, wanted: set[Path]) -> int:
        """Remove day-old uploads that no import waits for; returns how many went."""
        wanted_tops = {self._top(path) for path in wanted if self.contains(path)}
        stale = [path for path in self._entries() if path not in wanted_tops and _is_old(path)]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return len(stale)

    def _top(self, path: Path) -> Path:
        """The upload's folder right below this one."""
        inside = path.resolve().relative_to(self.folder.resolve())
        return self.folder / inside.parts[0]

    def _entries(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_dir() and not path.is_symlink())


def _safe_path(name: str) -> Path:
    """The name as a path that stays in the folder; each part is made fit to be shown."""
    try:
        parts = Path(relative_name(name, "upload")).parts
    except DatasetError:
        parts = (name,)
    return Path(*(safe_name(part) for part in parts))


def _free_path(path: Path) -> Path:
    return path.with_name(free_name(path.name, lambda name: path.with_name(name).exists()))


def import_folders() -> tuple[Path, ...]:
    """The folders that imports may look into: ``LAPEL_IMPORT_FOLDERS``, else the home folder."""
    listed = os.environ.get(FOLDERS_VARIABLE)
    if listed is None:
        return (Path.home().resolve(),)
    return tuple(Path(entry).expanduser().resolve() for entry in listed.split(os.pathsep) if entry)


def is_permitted(path: Path) -> bool:
    """Whether a path lies in a folder that imports may look into, also once its links are followed."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder) for folder in import_folders())


def permitted(path: Path) -> Path:
    """The path without links, if it lies in a folder that imports may look into.

    Raises AccessError for one elsewhere, also where a link leads there, and StoreError for none at all.
    """
    try:
        resolved = path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"That is no path on this machine: {error}.") from error
    if not is_permitted(resolved):
        named = ", ".join(str(folder) for folder in import_folders()) or "none"
        raise AccessError(
            f"Imports may come from these folders and what is in them: {named}. Got {resolved}."
        )
    if not resolved.exists():
        raise StoreError(f"There is no {resolved} on the machine that Lapel's worker runs on.")
    return resolved


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - STALE_SECONDS
    except OSError:
        return False
