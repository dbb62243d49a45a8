"""The photos that a person is labeling, kept on disk until they are saved, cleared or forgotten.

A kept draft is a spool (``photo_spools``) that is the person's, beside the store and not in it: it is work
that nobody has saved yet. ``000012.json`` says what the models found in a photo, or why the file was refused;
``incoming-000003.json`` names a file that waits; ``edits.jsonl`` has a line for each step of corrections, and
``settings.json`` what else a person has set. A file that is damaged costs itself, never the draft.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.corrections import Corrections, Edit, Step
from core.errors import StoreError, StoreFullError
from core.files import atomic_write, data_folder
from core.garments import Garment, LabeledPhoto, Refusal
from core.store.photo_spools import (
    Item,
    Origin,
    PendingUpload,
    Spool,
    SpooledPhoto,
    folder_bytes,
    is_stale,
    previews_folder,
)

KEPT_DAYS = 7
"""A kept draft is removed so long after it was looked at last."""

KEPT_BYTES = 4 * 2**30
"""The most that one person's draft takes on the disk."""

MOST_JSON_BYTES = 2**22
_TOUCH_SECONDS = 60.0
_EDITS, _SETTINGS = "edits.jsonl", "settings.json"

logger = logging.getLogger(__name__)


@dataclass
class Draft:
    """What a kept draft holds when it is opened again."""

    items: list[Item] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    waiting: list[PendingUpload] = field(default_factory=list)
    next_number: int = 0
    next_source: int = 0


class KeptSpool(Spool):
    """A person's folder, which outlives the process; one process at a time has it.

    ``owner`` is any text that stands for the person, of which the folder is called by a digest. Raises
    StoreError where another process has the folder, or it cannot be made.
    """

    def __init__(self, owner: str, *, most_bytes: int = KEPT_BYTES) -> None:
        self.folder = drafts_folder() / hashlib.sha256(owner.encode()).hexdigest()[:40]
        self.most_bytes = most_bytes
        self._touched = 0.0
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreError("Another server of this workspace has your photos open.") from error
        except OSError as error:
            raise StoreError(f"Your photos cannot be kept: {error.strerror or error}.") from error
        self._counting = threading.Lock()
        self._used = folder_bytes(self.folder)
        self.touch()

    def touch(self) -> None:
        """Note that the draft is looked at, which keeps it for another ``KEPT_DAYS``."""
        now = time.time()
        if now - self._touched > _TOUCH_SECONDS:
            self._touched = now
            with suppress(OSError):
                os.utime(self.folder)

    @property
    def used_bytes(self) -> int:
        """Bytes on the disk, as counted when they were written."""
        return self._used

    def add_upload(self, source: int, name: str, data: bytes | Path) -> PendingUpload:
        """As ``Spool.add_upload``; it is read again where the server is restarted meanwhile."""
        path = self.folder / f"incoming-{source:06d}"
        if isinstance(data, bytes):
            self._write({path: data})
            entry = PendingUpload(source, name, path)
        else:
            entry = PendingUpload(source, name, data.resolve())
        note = {"name": name, "path": None if entry.path == path else str(entry.path)}
        self._write({path.with_suffix(".json"): _json(note)})
        return entry

    def remove_uploads(self, waiting: Iterable[PendingUpload]) -> None:
        """As ``Spool.remove_uploads``."""
        for entry in waiting:
            path = self.folder / f"incoming-{entry.source:06d}"
            for file in (path, path.with_suffix(".json")):
                with suppress(OSError), self._counting:
                    size = file.stat().st_size
                    file.unlink()
                    self._used -= size

    def _write(self, files: Mapping[Path, bytes]) -> None:
        size = sum(len(data) for data in files.values())
        with self._counting:
            if self._used + size > self.most_bytes:
                raise StoreFullError(
                    f"There is no room: your photos here take {self._used / 2**20:,.0f} MB of "
                    f"{self.most_bytes / 2**20:,.0f}. Download them, and clear them."
                )
            self._used += size
        for path, data in files.items():
            with atomic_write(path, private=True) as file:
                file.write(data)

    def record(self, number: int, outcome: Item | Refusal, origin: Origin) -> None:
        """Note that a photo is labeled, or refused. Raises StoreFullError, OSError."""
        entry: dict[str, Any] = {"origin": [origin.source, origin.place]}
        if isinstance(outcome, Refusal):
            entry["refused"] = outcome.as_dict()
        else:
            entry["digest"] = outcome.spooled.digest
            entry["labeled"] = asdict(outcome.labeled)
        self._write({self.folder / f"{number:06d}.json": _json(entry)})

    def log(self, entry: Mapping[str, Any]) -> None:
        """Note a step of corrections (``step_entry``), an undo or a redo. Raises OSError."""
        line = _json(entry)
        with (self.folder / _EDITS).open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        with self._counting:
            self._used += len(line)

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Note what else a person has set. Raises OSError."""
        with atomic_write(self.folder / _SETTINGS, private=True) as file:
            file.write(_json(settings))

    def settings(self) -> dict[str, Any]:
        """What a person has set; empty where there is nothing, or the file is damaged."""
        with suppress(OSError, ValueError):
            found = json.loads(_read(self.folder / _SETTINGS))
            if isinstance(found, dict):
                return found
        return {}

    def close(self) -> None:
        """Remove the photos and the corrections; settings stay, and the folder is this process's still."""
        for path in list(self.folder.iterdir()):
            if path.name not in (_SETTINGS, ".lock"):
                with suppress(OSError):
                    path.unlink()
        self._used = folder_bytes(self.folder)

    def forget(self) -> None:
        """Remove all of it."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def release(self) -> None:
        """Let another process have the folder."""
        self._lock.release()

    def draft(self) -> Draft:
        """What lies in the folder; photos that are damaged are refused with a sentence."""
        found = Draft()
        done: dict[int, set[int]] = {}
        for path in sorted(self.folder.glob("[0-9]*.json")):
            number = int(path.stem) if path.stem.isdecimal() else -1
            found.next_number = max(found.next_number, number + 1)
            outcome, origin = self._outcome(path, number)
            done.setdefault(origin.source, set()).add(origin.place)
            if isinstance(outcome, Item):
                found.items.append(outcome)
            else:
                found.refusals.append(outcome)
        for note in sorted(self.folder.glob("incoming-*.json")):
            waiting = self._waiting(note)
            if waiting is not None:
                found.waiting.append(replace(waiting, done=frozenset(done.get(waiting.source, ()))))
        found.next_source = 1 + max([*done, *(entry.source for entry in found.waiting)], default=-1)
        return found

    def _outcome(self, path: Path, number: int) -> tuple[Item | Refusal, Origin]:
        origin = Origin(-1)
        try:
            entry = json.loads(_read(path))
            origin = Origin(*map(int, entry["origin"]))
            if "refused" in entry:
                refused = entry["refused"]
                return Refusal(str(refused["photo"]), str(refused["error"])), origin
            labeled = _labeled(entry["labeled"])
            photo = path.with_suffix(".jpg")
            photo.stat()
            small = photo.with_suffix(".small.jpg").read_bytes()
            spooled = SpooledPhoto(photo, labeled.photo, str(entry["digest"]), small, self)
            return Item(number, spooled, labeled), origin
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("a photo of a draft is damaged: %r", error)
            return Refusal(path.stem, "The photo was kept, but is damaged: drop it again."), origin

    def _waiting(self, note: Path) -> PendingUpload | None:
        try:
            entry = json.loads(_read(note))
            source = int(note.stem.rpartition("-")[2])
            path = Path(entry["path"]) if entry["path"] else note.with_suffix("")
            return PendingUpload(source, str(entry["name"]), path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("a file that waited is damaged: %r", error)
            return None

    def corrections(self) -> tuple[Corrections, dict[int, int]]:
        """The corrections with their undo and redo, and each photo's last sequence in the box editor."""
        corrections, sequences = Corrections(), dict[int, int]()
        for entry in self._logged():
            try:
                sequence = int(entry.get("sequence", 0))
                step: Step = ()
                if "step" in entry:
                    step = tuple(map(_edit, entry["step"]))
                    corrections.apply(*step)
                elif entry.get("undo"):
                    step = corrections.undo()
                elif entry.get("redo"):
                    step = corrections.redo()
                for edit in step:
                    sequences[edit.photo] = max(sequence, sequences.get(edit.photo, 0))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                logger.warning("a step of corrections is damaged: %r", error)
        return corrections, sequences

    def _logged(self) -> Iterator[dict[str, Any]]:
        with suppress(OSError), (self.folder / _EDITS).open("rb") as file:
            for line in file:
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        yield entry


def step_entry(step: Step, sequence: int = 0) -> dict[str, Any]:
    """A step as ``KeptSpool.log`` takes it; ``sequence`` is that of the editor that made it."""
    edits = [
        {
            "photo": edit.photo,
            "garment": edit.garment,
            "before": edit.before and edit.before.as_saved(),
            "after": edit.after and edit.after.as_saved(),
            "uid": edit.uid,
        }
        for edit in step
    ]
    return {"step": edits, "sequence": sequence}


def _edit(entry: Mapping[str, Any]) -> Edit:
    before, after = (entry[side] and Garment.from_saved(entry[side]) for side in ("before", "after"))
    return Edit(
        int(entry["photo"]), int(entry["garment"]), before or None, after or None, str(entry.get("uid", ""))
    )


def _labeled(entry: Mapping[str, Any]) -> LabeledPhoto:
    return LabeledPhoto(
        str(entry["photo"]),
        int(entry["width"]),
        int(entry["height"]),
        float(entry["seconds"]),
        {str(kind): str(name) for kind, name in entry["models"].items()},
        tuple(map(Garment.from_saved, entry["garments"])),
    )


def drafts_folder() -> Path:
    """Where the kept drafts of all people lie."""
    return data_folder() / "photo-drafts"


def sweep_drafts() -> int:
    """Remove the spools of killed processes, and kept drafts that are too old; returns how many."""
    stale = [path for path in previews_folder().glob("*") if path.is_dir() and is_stale(path)]
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    stale += [path for path in drafts_folder().glob("*") if path.is_dir() and path.stat().st_mtime < oldest]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise ValueError("larger than such a file is ever written")
    return data


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=True) + "\n").encode()
