"""Actions on many photos in the background: most are done at once, a longer one shows how far it is.

They are a person's and not a browser tab's: a reload finds the action that is going on, and the last undo.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from app.components.background import Task, TaskRunner
from app.data.selection import RESULT_KEY
from app.text import counted, flash
from core.inference.predictions import DraftRelabeling
from core.progress import Progress
from core.store import Store

KEY = "action"
SHORT_SECONDS = 2.0
"""How long a button waits for its action: most are done by then."""
TICK_SECONDS = 1.0


@dataclass(frozen=True)
class RunningAction:
    """An action that was begun.

    ``result_text`` gives its result in a sentence; ``undo`` undoes also a part of it.
    """

    what: str
    task: Task
    result_text: Callable[[Any], str]
    undo: tuple[str, str] | None = None


@dataclass(frozen=True)
class PreparedFile:
    """An export of chosen photos on disk, until the next one."""

    path: Path
    photos: int
    home: tempfile.TemporaryDirectory[str] = field(repr=False, compare=False)


@dataclass
class BackgroundActions:
    """One person's actions: what is going on, and how the last relabeling is undone or redone."""

    running: RunningAction | None = None
    undo: tuple[str, str] | None = None
    """A bulk change's name, and what its undo is called."""
    draft_relabeling: DraftRelabeling | None = None
    """The drafts that the last relabeling changed, of predicted boxes."""
    file: PreparedFile | None = None

    def __post_init__(self) -> None:
        self._runner = TaskRunner()

    def begin(
        self,
        what: str,
        job: Callable[[Progress], Any],
        result_text: Callable[[Any], str],
        undo: tuple[str, str] | None = None,
    ) -> None:
        """Do it, for use in a button's callback. One action goes on at a time."""
        if self.running is not None and self.running.task.is_going:
            flash(RESULT_KEY, f"{self.running.what} is still going on: wait for it, or stop it.", error=True)
            return
        self.running = RunningAction(what, self._runner.start(KEY, job), result_text, undo)
        self.running.task.wait(SHORT_SECONDS)
        self.end()

    def end(self) -> None:
        """Say what came of the action, once it is over."""
        running = self.running
        if running is None or running.task.is_going:
            return
        self.running, task = None, running.task
        if task.state == "done":
            flash(RESULT_KEY, running.result_text(task.result))
            return
        if running.undo is not None and task.done:
            self.undo = running.undo  # and the drafts that were changed by then
        before = f" {task.done:,} of {counted(task.total, 'photo')} were done by then." if task.done else ""
        message = (task.error or f"{running.what} was stopped.") + before
        flash(RESULT_KEY, message, error=task.state == "failed")


def background_actions(store: Store, person: str) -> BackgroundActions:
    """This person's in this store."""
    return _known().setdefault((str(store.database.engine.url), person), BackgroundActions())


def show_running(actions: BackgroundActions) -> None:
    """How far the action is, with a button that stops it."""
    actions.end()
    if actions.running is not None:
        st.fragment(_show_progress, run_every=TICK_SECONDS)(actions)


def _show_progress(actions: BackgroundActions) -> None:
    running = actions.running
    if running is None or not running.task.is_going:
        st.rerun()
    done, total = running.task.done, running.task.total
    with st.container(horizontal=True, vertical_alignment="center"):
        far = f"{running.what}: {done:,} of {counted(total, 'photo')}" if total else f"{running.what}…"
        st.progress(running.task.share, text=far)
        st.button(
            "Stop",
            icon=":material/stop:",
            key="action-stop",
            help="What is done by then stays; a relabeling can be undone as far as it came.",
            on_click=running.task.cancel,
        )


@st.cache_resource(show_spinner=False)
def _known() -> dict[tuple[str, str], BackgroundActions]:
    return {}
