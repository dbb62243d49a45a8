"""Annotators at work: a draft every few seconds, now and then a submit and the next photo.

``python -m benchmarks.load.people FOLDER --people 5`` prints one line of JSON: milliseconds of every save,
submit and next photo, and the errors. The database is the folder's, or ``LAPEL_DATABASE_URL``'s.
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

DRAFTS_A_SUBMIT = 5


@dataclass
class Told:
    """What all annotators of a process have measured."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """What the work returns; its time is noted, and None comes back where it failed."""
        started = time.perf_counter()
        try:
            return work()
        except LapelError as error:
            self.errors.append(f"{name}: {error}")
            return None
        finally:
            self.milliseconds[name].append(round(1000 * (time.perf_counter() - started), 2))


def annotate(store: Store, person: str, told: Told, seconds: float, every: float) -> None:
    """One person's work for so many seconds, a save in each ``every`` of them."""
    random, categories = Random(person), [category.id for category in store.categories.all()]
    began = time.monotonic() + random.uniform(0, every)
    wait_until(began)
    task, turn = None, 0
    while time.monotonic() < began + seconds:
        task, turn = task or told.timed("next", partial(store.queue.next, person)), turn + 1
        if task is not None:
            boxes, is_last = some_boxes(random, categories), turn % (DRAFTS_A_SUBMIT + 1) == 0
            save = submit if is_last else draft
            told.timed(save.__name__, partial(save, store, person, task.photo_id, boxes, turn))
            task = None if is_last else task
        wait_until(began + every * turn)


def draft(store: Store, person: str, photo_id: int, boxes: Sequence[AnnotatedBox], turn: int) -> None:
    """Save unfinished work, as the editor does after a change."""
    store.drafts.save(photo_id, person, boxes=boxes, sequence=turn, base_version=0)


def submit(store: Store, person: str, photo_id: int, boxes: Sequence[AnnotatedBox], turn: int) -> None:
    """Save a version, as the editor does on Enter."""
    request = f"{person} {turn} {time.time_ns()}"
    store.annotations.submit(photo_id, boxes, author=person, base_version=0, request=request, seconds=30.0)


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
    options = parser.parse_args()
    store, told = Store.open(folder=options.folder), Told()
    arguments = (told, options.seconds, options.every)
    threads = [
        threading.Thread(target=annotate, args=(store, f"{options.name} {number}", *arguments))
        for number in range(options.people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"milliseconds": told.milliseconds, "errors": told.errors}))


if __name__ == "__main__":
    main()
