"""Annotators at work: a draft every few seconds, now and then a submit and the next photo.

``python -m benchmarks.load.people FOLDER --people 5`` prints one line of JSON: milliseconds of every save,
submit and next photo, the errors, and the versions that were acknowledged. With ``--patient`` what fails is
tried again each second until it is saved, as the editor does, and its time is that of all tries. The database
is the folder's, or ``LAPEL_DATABASE_URL``'s.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.load.many import some_boxes
from core.errors import LapelError
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.tasks import Task

DRAFTS_A_SUBMIT = 5
RETRY_SECONDS, MOST_TRIES = 1.0, 90


@dataclass
class Measurements:
    """What all annotators of a process have measured."""

    patient: bool = False
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """What the work returns; its time is noted, and None comes back where it failed."""
        started = time.perf_counter()
        try:
            return self._done(name, work)
        finally:
            self.milliseconds[name].append(round(1000 * (time.perf_counter() - started), 2))

    def _done(self, name: str, work: Callable[[], Any]) -> Any:
        for tries_left in reversed(range(MOST_TRIES if self.patient else 1)):
            try:
                return work()
            except LapelError as error:
                self.errors.append(f"{name}: {error}")
                if tries_left:
                    time.sleep(RETRY_SECONDS)
        return None


def annotate(store: Store, person: str, measured: Measurements, seconds: float, every: float) -> None:
    """One person's work for so many seconds, a save in each ``every`` of them."""
    random, categories = Random(person), [category.id for category in store.categories.all()]
    began = time.monotonic() + random.uniform(0, every)
    wait_until(began)
    task, turn = None, 0
    while time.monotonic() < began + seconds:
        task, turn = task or next_task(store, person, measured), turn + 1
        if task is not None:
            boxes, is_last = some_boxes(random, categories), turn % (DRAFTS_A_SUBMIT + 1) == 0
            save = submit if is_last else draft
            request = f"{person} {time.time_ns()}"
            saved = measured.timed(save.__name__, partial(save, store, person, task, boxes, turn, request))
            if is_last and saved is not None:
                measured.acknowledged.append((saved.photo_id, saved.version))
            task = None if is_last else task
        wait_until(began + every * turn)


@dataclass(frozen=True)
class OpenTask:
    """The photo that a person works on, and the version they began from."""

    task: Task
    base_version: int


def next_task(store: Store, person: str, measured: Measurements) -> OpenTask | None:
    """The person's next photo with what is known of it, as the page opens it."""
    task = measured.timed("next", partial(store.queue.next, person))
    if task is None:
        return None
    latest = None if task.kind == "second" else store.annotations.latest(task.photo_id)
    return OpenTask(task, latest.version if latest else 0)


def draft(
    store: Store, person: str, task: OpenTask, boxes: Sequence[AnnotatedBox], turn: int, _request: str
) -> None:
    """Save unfinished work, as the editor does after a change."""
    base = task.base_version
    store.drafts.save(task.task.photo_id, person, boxes=boxes, sequence=turn, base_version=base)


def submit(
    store: Store, person: str, task: OpenTask, boxes: Sequence[AnnotatedBox], _turn: int, request: str
) -> Any:
    """Save a version, as the editor does on Enter; a request that comes twice is one version."""
    kind = "second" if task.task.kind == "second" else "submitted"
    about: dict[str, Any] = {"author": person, "kind": kind, "request": request}
    return store.annotations.submit(
        task.task.photo_id, boxes, base_version=task.base_version, seconds=30.0, **about
    )


def wait_until(moment: float) -> None:
    """Sleep until then on the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))


def main() -> None:
    """Let them work, and print what they measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--name", default="person")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--patient", action="store_true", help="try again what fails, until it is saved")
    options = parser.parse_args()
    store, measured = Store.open(folder=options.folder), Measurements(options.patient)
    arguments = (measured, options.seconds, options.every)
    threads = [
        threading.Thread(target=annotate, args=(store, f"{options.name} {number}", *arguments))
        for number in range(options.people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = {"errors": measured.errors, "acknowledged": measured.acknowledged}
    print(json.dumps({"milliseconds": measured.milliseconds} | told))


if __name__ == "__main__":
    main()
