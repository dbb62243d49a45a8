"""Deleting photos with a moment to think better of it: they go when the moment is over, seen or not."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from app.text import literal
from core.errors import LapelError, NotFoundError
from core.store import Store

GRACE_SECONDS = 10.0
KEY = "deletions"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """A photo that is about to go: at ``until`` on this process's monotonic clock, unless it is kept."""

    photo_id: int
    name: str
    until: float
    timer: threading.Timer = field(repr=False, compare=False)


@dataclass
class Deletions:
    """One person's deletions that can still be taken back; ``failed`` holds sentences not yet shown."""

    pending: dict[int, Pending] = field(default_factory=dict)
    leaving: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(
        self, store: Store, photo_id: int, name: str, by: str, grace_seconds: float | None = None
    ) -> None:
        """Have the photo go after the grace, also where the page is closed meanwhile."""
        seconds = GRACE_SECONDS if grace_seconds is None else grace_seconds
        timer = threading.Timer(seconds, self.carry_out, (store, photo_id, by))
        timer.daemon = True
        with self._lock:
            if photo_id in self.pending:
                return
            self.pending[photo_id] = Pending(photo_id, name, time.monotonic() + seconds, timer)
        timer.start()

    def take_back(self, photo_id: int) -> None:
        """Keep the photo, unless it has gone already."""
        with self._lock:
            found = self.pending.pop(photo_id, None)
        if found is not None:
            found.timer.cancel()

    def carry_out(self, store: Store, photo_id: int, by: str) -> None:
        """Delete it now; what went wrong is told at the next run of the page."""
        with self._lock:  # from here on it cannot be taken back any more
            found = self.pending.pop(photo_id, None)
            if found is None:
                return
            self.leaving.add(photo_id)
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
                self.leaving.discard(photo_id)

    def hides(self, photo_id: int) -> bool:
        """Whether the photo counts as gone already."""
        return photo_id in self.pending or photo_id in self.leaving


def deletions() -> Deletions:
    """The deletions of the person whose page this is."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Deletions()
    found: Deletions = st.session_state[KEY]
    return found


def show_pending(store: Store, by: str) -> None:
    """A line for every photo that is about to go, with a way to keep it; redrawn until all are gone."""
    mine = deletions()
    while mine.failed:
        st.error(literal(mine.failed.pop()), icon=":material/error:")
    if mine.pending:
        st.fragment(_tick, run_every=1.0)(store, by, tuple(mine.pending))


def _tick(store: Store, by: str, shown: tuple[int, ...]) -> None:
    """Draw the lines; once one more or less is pending, the wall of photos has to be drawn anew as well."""
    mine = deletions()
    going = list(mine.pending.values())
    if mine.failed or tuple(pending.photo_id for pending in going) != shown:
        st.rerun()
    for pending in going:
        seconds = max(0, round(pending.until - time.monotonic()))
        with st.container(horizontal=True, vertical_alignment="center", key=f"going-{pending.photo_id}"):
            st.text(f"{pending.name} is deleted in {seconds} s.", width="content")
            st.button(
                "Keep it",
                icon=":material/undo:",
                key=f"keep-{pending.photo_id}",
                on_click=mine.take_back,
                args=(pending.photo_id,),
            )
            st.button(
                "Delete now",
                key=f"now-{pending.photo_id}",
                on_click=mine.carry_out,
                args=(store, pending.photo_id, by),
            )
