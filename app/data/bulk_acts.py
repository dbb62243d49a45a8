"""Acts on many photos in the background: most are done at once, of a longer one the page shows how far it is.

They are a person's and not a browser tab's: a reload finds the act that is going on, and the last undo.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.background import Task, TaskRunner
from app.data.chosen import RESULT_KEY
from app.text import counted, flash
from core.inference.predictions import Drafted
from core.progress import Progress
from core.store import Store

KEY = "act"
SHORT_SECONDS = 2.0
"""How long a button waits for its act: most are done by then."""
TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Going:
    """An act that was begun; ``told`` says its result in a sentence, ``undo`` undoes also a part of it."""

    what: str
    task: Task
    told: Callable[[Any], str]
    undo: tuple[str, str] | None = None


@dataclass(frozen=True)
class PreparedFile:
    """An export of chosen photos on disk, until the next one."""

    path: Path
    photos: int
    home: tempfile.TemporaryDirectory[str] = field(repr=False, compare=False)


@dataclass
class BulkActs:
    """One person's acts: what is going on, and how the last relabeling is undone or redone."""

    going: Going | None = None
    undo: tuple[str, str] | None = None
    """A bulk change's name, and what its undo is called."""
    drafted: Drafted | None = None
    """The drafts that the last relabeling changed, of predicted boxes."""
    file: PreparedFile | None = None

    def __post_init__(self) -> None:
        self._runner = TaskRunner()

    def begin(
        self,
        what: str,
        job: Callable[[Progress], Any],
        told: Callable[[Any], str],
        undo: tuple[str, str] | None = None,
    ) -> None:
        """Do it, for use in a button's callback. One act goes on at a time."""
        if self.going is not None and self.going.task.is_going:
            flash(RESULT_KEY, f"{self.going.what} is still going on: wait for it, or stop it.", error=True)
            return
        self.going = Going(what, self._runner.start(KEY, job), told, undo)
        self.going.task.wait(SHORT_SECONDS)
        self.end()

    def end(self) -> None:
        """Say what came of the act, once it is over."""
        going = self.going
        if going is None or going.task.is_going:
            return
        self.going, task = None, going.task
        if task.state == "done":
            flash(RESULT_KEY, going.told(task.result))
            return
        if going.undo is not None and task.done:
            self.undo = going.undo  # and the drafts that were changed by then
        before = f" {task.done:,} of {counted(task.total, 'photo')} were done by then." if task.done else ""
        said = (task.error or f"{going.what} was stopped.") + before
        flash(RESULT_KEY, said, error=task.state == "failed")


def bulk_acts(store: Store, person: str) -> BulkActs:
    """This person's in this store."""
    return _known().setdefault((str(store.database.engine.url), person), BulkActs())


def show_going(acts: BulkActs) -> None:
    """How far the act is, with a button that stops it."""
    acts.end()
    if acts.going is not None:
        st.fragment(_show_progress, run_every=TICK_SECONDS)(acts)


def _show_progress(acts: BulkActs) -> None:
    going = acts.going
    if going is None or not going.task.is_going:
        st.rerun()
    done, total = going.task.done, going.task.total
    with st.container(horizontal=True, vertical_alignment="center"):
        far = f"{going.what}: {done:,} of {counted(total, 'photo')}" if total else f"{going.what}…"
        st.progress(done / total if total else 0.0, text=far)
        st.button(
            "Stop",
            icon=":material/stop:",
            key="act-stop",
            help="What is done by then stays; a relabeling can be undone as far as it came.",
            on_click=going.task.cancel,
        )


@st.cache_resource(show_spinner=False)
def _known() -> dict[tuple[str, str], BulkActs]:
    return {}
