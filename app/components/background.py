"""Long tasks of pages: done in the background, one at a time for all visitors.

It goes on when its visitor leaves the page, and whoever asks for the same meanwhile sees the same progress.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from threading import Event, Lock, Thread
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import LapelError
from core.progress import Progress

MOST_FINISHED = 20
UNEXPECTED = "Something went wrong that should not have; the server's log says what."

log = logging.getLogger("lapel.models")

Result = TypeVar("Result")


class Cancelled(Exception):
    """The task was cancelled."""


@dataclass
class Task:
    """How far a task is, and once it has ended its result, or why there is none."""

    done: int = 0
    total: int = 0
    state: str = "waiting"
    result: Any = None
    error: str = ""

    def __post_init__(self) -> None:
        self._cancelled, self._ended = Event(), Event()

    @property
    def is_going(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    @property
    def share(self) -> float:
        """The part that is done, 0..1; 0 as long as nobody knows how much there is."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def cancel(self) -> None:
        """Stop it at its next report."""
        self._cancelled.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, at the latest after so many seconds."""
        return self._ended.wait(seconds)

    def report(self, done: int, total: int, message: str = "") -> None:
        """Note the progress. Raises Cancelled."""
        if self._cancelled.is_set():
            raise Cancelled
        self.done, self.total = done, total

    def run(self, job: Callable[[Progress], Any]) -> None:
        """Do it, whatever comes of it."""
        try:
            self.report(0, 0)
            self.state = "running"
            self.result = job(self.report)
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except LapelError as error:
            self.error, self.state = str(error), "failed"
        except Exception:
            log.exception("a task of a page failed")
            self.error, self.state = UNEXPECTED, "failed"
        finally:
            self._ended.set()


class TaskRunner:
    """The tasks of a process by key, the last ``MOST_FINISHED`` of those that have ended."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._lock, self._turn = Lock(), Lock()

    def get(self, key: str) -> Task | None:
        """The task under a key, going or ended; None where there is none."""
        return self._tasks.get(key)

    def start(self, key: str, job: Callable[[Progress], Any]) -> Task:
        """Begin a task, unless it is going already."""
        with self._lock:
            known = self._tasks.get(key)
            if known is not None and known.is_going:
                return known
            task = self._tasks[key] = Task()
            ended = [name for name, other in self._tasks.items() if not other.is_going]
            for name in ended[:-MOST_FINISHED]:
                del self._tasks[name]
        Thread(target=self._run, args=(task, job), daemon=True, name="lapel-models").start()
        return task

    def _run(self, task: Task, job: Callable[[Progress], Any]) -> None:
        with self._turn:
            task.run(job)


def shown_on(bar: DeltaGenerator, text: str) -> Progress:
    """A callback that moves a bar of ``st.progress``; done, total and share are filled into its text."""

    def show(done: int, total: int, message: str = "") -> None:
        share = min(1.0, done / total) if total else 0.0
        bar.progress(share, text=text.format(done=done, total=total, share=share))

    return show


@st.cache_resource(show_spinner=False)
def task_runner() -> TaskRunner:
    """This process's."""
    return TaskRunner()


def submit(work: Callable[..., Result], *arguments: object) -> Future[Result]:
    """Compute in the background, one task at a time for the whole process, so that labeling stays quick."""
    return _workers().submit(work, *arguments)


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="lapel-background")
