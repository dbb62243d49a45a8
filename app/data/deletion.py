"""Deleting photos with ten seconds to undo it; they go when the time is over, also if the page is closed."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from app.text import literal, repeat_flashes
from core.errors import LapelError, NotFoundError
from core.store import Store

UNDO_SECONDS = 10.0
KEY = "deletions"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """A photo that will be deleted at ``until`` on this process's monotonic clock, unless that is undone."""

    photo_id: int
    name: str
    until: float
    timer: threading.Timer = field(repr=False, compare=False)


@dataclass
class Deletions:
    """One user's deletions that can still be undone; ``failed`` holds errors that were not shown yet."""

    pending: dict[int, Pending] = field(default_factory=dict)
    deleting: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def schedule(
        self, store: Store, photo_id: int, name: str, by: str, undo_seconds: float | None = None
    ) -> None:
        """Delete the photo after ``undo_seconds``, also where the page is closed meanwhile."""
        seconds = UNDO_SECONDS if undo_seconds is None else undo_seconds
        timer = threading.Timer(seconds, self.delete_now, (store, photo_id, by))
        timer.daemon = True
        with self._lock:
            if photo_id in self.pending:
                return
            self.pending[photo_id] = Pending(photo_id, name, time.monotonic() + seconds, timer)
        timer.start()

    def cancel(self, photo_id: int) -> None:
        """Undo the deletion, unless it has happened already."""
        with self._lock:
            found = self.pending.pop(photo_id, None)
        if found is not None:
            found.timer.cancel()

    def delete_now(self, store: Store, photo_id: int, by: str) -> None:
        """Delete it now; an error is shown at the next run of the page."""
        with self._lock:  # from here on it cannot be undone
            found = self.pending.pop(photo_id, None)
            if found is None:
                return
            self.deleting.add(photo_id)
        found.timer.cancel()
        try:
            store.photos.delete(photo_id, by)
        except NotFoundError:
            pass  # somebody else was quicker
        except LapelError as error:
            logger.exception("photo %s was not deleted", photo_id)
            self.failed.append(f"{found.name} was not deleted. {error}")
        finally:
            with self._lock:
                self.deleting.discard(photo_id)

    def hides(self, photo_id: int) -> bool:
        """Whether the photo is hidden as deleted already."""
        return photo_id in self.pending or photo_id in self.deleting


def deletions() -> Deletions:
    """The deletions of this session."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Deletions()
    found: Deletions = st.session_state[KEY]
    return found


def show_pending(store: Store, by: str) -> None:
    """A line for every scheduled deletion with an undo button; redrawn every second."""
    mine = deletions()
    while mine.failed:
        st.error(literal(mine.failed.pop()), icon=":material/error:")
    if mine.pending:
        st.fragment(_tick, run_every=1.0)(store, by, tuple(mine.pending))


def _tick(store: Store, by: str, shown: tuple[int, ...]) -> None:
    """Draw the lines; where their number has changed, the whole page runs again for the gallery."""
    mine = deletions()
    going = list(mine.pending.values())
    if mine.failed or tuple(pending.photo_id for pending in going) != shown:
        repeat_flashes()
        st.rerun()
    for pending in going:
        seconds = max(0, round(pending.until - time.monotonic()))
        with st.container(horizontal=True, vertical_alignment="center", key=f"going-{pending.photo_id}"):
            st.text(f"{pending.name} is deleted in {seconds} s.", width="content")
            st.button(
                "Undo",
                icon=":material/undo:",
                key=f"keep-{pending.photo_id}",
                on_click=mine.cancel,
                args=(pending.photo_id,),
            )
            st.button(
                "Delete now",
                key=f"now-{pending.photo_id}",
                on_click=mine.delete_now,
                args=(store, pending.photo_id, by),
            )
