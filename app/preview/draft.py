"""What a person is labeling, the same in all of their tabs, and found again after a restart."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.preview.batch import Batch
from core.corrections import Corrections, Edit, Step
from core.errors import LapelError, StoreError
from core.files import store_error
from core.store.photo_drafts import KeptSpool, step_entry
from core.store.photo_spools import Spool

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

UNUSED_SECONDS = 3600.0
"""Work that no tab has shown for so long leaves the memory, and stays on the disk."""

NOT_KEPT = "The correction holds in this tab, but could not be kept"

logger = logging.getLogger(__name__)


class PreviewDraft:
    """A person's photos, corrections, names and settings; without ``kept`` they are in memory alone.

    ``sequences`` are those of each photo's last change in the box editor.
    """

    def __init__(self, kept: KeptSpool | None = None) -> None:
        self.kept = kept
        self.batch: Batch | None = None
        self.corrections = Corrections()
        self.sequences: dict[int, int] = {}
        self.settings: dict[str, Any] = {}
        self.problem = ""
        self.used_at = time.monotonic()
        self._lock = threading.RLock()
        if kept is not None:
            self._restore(kept)

    def _restore(self, kept: KeptSpool) -> None:
        self.settings = kept.settings()
        names = self.settings.get("names")
        self.settings["names"] = {
            ours: theirs
            for ours, theirs in (names.items() if isinstance(names, dict) else ())
            if isinstance(theirs, str)
        }
        draft = kept.draft()
        if draft.items or draft.refusals or draft.waiting:
            self.batch = Batch(None, kept, draft)
            self.corrections, self.sequences = kept.corrections()

    @property
    def names(self) -> dict[str, str]:
        """The shop's names by Lapel's."""
        names: dict[str, str] = self.settings.setdefault("names", {})
        return names

    @property
    def batch_id(self) -> str:
        """What tells these photos from those that were cleared before, in the browser's memory too."""
        return str(self.settings.get("batch", ""))

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss it in memory."""
        running = self.batch is not None and self.batch.progress().running
        return not running and time.monotonic() - self.used_at > UNUSED_SECONDS

    def start(self, labeler: Labeler) -> Batch:
        """The batch, which labels with these models; what waited goes on."""
        with self._lock:
            if self.batch is None:
                self.batch = Batch(labeler, self.kept or Spool())
                with suppress(StoreError):  # it holds in memory, as the photos do then
                    self.set("batch", uuid.uuid4().hex[:12])
            self.batch.use(labeler)
            if not self.batch.is_stopped:
                self.batch.resume()
            return self.batch

    def apply(self, *edits: Edit, sequence: int = 0) -> None:
        """Correct garments as one step. Raises StoreError where it could not be kept."""
        with self._lock:
            if self.corrections.apply(*edits):
                step, sequence = self.corrections.done[-1], sequence or _now()
                self._note(step, sequence)
                self._log(step_entry(step, sequence))

    def undo(self) -> Step:
        """Undo the last step. Raises StoreError where that could not be kept."""
        with self._lock:
            step = self.corrections.undo()
            if step:
                self._note(step, sequence := _now())
                self._log({"undo": True, "sequence": sequence})
            return step

    def redo(self) -> Step:
        """Redo the step that was undone last. Raises StoreError where that could not be kept."""
        with self._lock:
            step = self.corrections.redo()
            if step:
                self._note(step, sequence := _now())
                self._log({"redo": True, "sequence": sequence})
            return step

    def _note(self, step: Step, sequence: int) -> None:
        """A box editor that is open takes what has a later sequence than its own."""
        for edit in step:
            self.sequences[edit.photo] = max(sequence, self.sequences.get(edit.photo, 0) + 1)

    def _log(self, entry: dict[str, Any]) -> None:
        if self.kept is not None:
            try:
                self.kept.log(entry)
            except OSError as error:
                raise store_error(error, f"{NOT_KEPT}: the disk is full.", NOT_KEPT) from error

    def set(self, name: str, value: Any) -> None:
        """Set one of ``settings``. Raises StoreError where that could not be kept."""
        with self._lock:
            self.settings[name] = value
            if self.kept is not None:
                try:
                    self.kept.save_settings(self.settings)
                except OSError as error:
                    raise store_error(error, "The disk is full.", "This could not be kept") from error

    def clear(self, *, everything: bool = False) -> None:
        """Forget photos and corrections, and with ``everything`` names and settings."""
        with self._lock:
            if self.batch is not None:
                self.batch.close()
            self.batch, self.corrections, self.sequences = None, Corrections(), {}
            self.settings.pop("open", None)  # numbers begin again
            if everything:
                self.settings = {}
                if self.kept is not None:
                    self.kept.save_settings({})

    def touch(self) -> None:
        """Note that somebody looks at it."""
        self.used_at = time.monotonic()
        if self.kept is not None:
            self.kept.touch()


class PreviewDrafts:
    """The drafts of all people who have a tab open, by owner."""

    def __init__(self) -> None:
        self._drafts: dict[str, PreviewDraft] = {}
        self._lock = threading.Lock()

    def of(self, owner: str) -> PreviewDraft:
        """A person's draft, opened again where it was kept.

        Where it cannot be kept, it is in memory alone, and ``problem`` says why.
        """
        with self._lock:
            if owner not in self._drafts:
                self._drop_idle()
                self._drafts[owner] = _opened(owner)
            found = self._drafts[owner]
        found.touch()
        return found

    def forget(self) -> None:
        """Leave all of it to the disk, as a server that stops does."""
        with self._lock:
            for owner in list(self._drafts):
                self._drop(owner)

    def _drop_idle(self) -> None:
        for owner, draft in list(self._drafts.items()):
            if draft.is_idle:
                self._drop(owner)

    def _drop(self, owner: str) -> None:
        draft = self._drafts.pop(owner)
        if draft.kept is not None:
            draft.kept.release()


DRAFTS = PreviewDrafts()


def _opened(owner: str) -> PreviewDraft:
    try:
        return PreviewDraft(KeptSpool(owner))
    except LapelError as error:
        problem = f"{error} What you do here goes with this server."
    except Exception:  # whatever lies on the disk is no reason to show no page
        logger.exception("a kept draft could not be opened")
        problem = str(StoreError("Your earlier photos could not be opened; the log says why."))
    draft = PreviewDraft()
    draft.problem = problem
    return draft


def _now() -> int:
    """Milliseconds of the clock, as the box editor counts its changes."""
    return int(time.time() * 1000)
