"""Where files wait to be imported, and which folders of the server an import may look into."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import AccessError, StoreError

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
