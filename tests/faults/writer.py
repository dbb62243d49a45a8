"""A process that works at a store until it is killed, and tells of each thing once the store has returned."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from core.errors import ConflictError, NotFoundError, StoreBusyError
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.importing import finish_import, import_batch, prepare_import
from tests.core.store.conftest import drawn
from tests.pictures import encoded

Result = TypeVar("Result")
PEOPLE = ("Anna", "Ben")
STEP = 3
"""Photos that an import brings in at a time."""


class Teller:
    """Sends lines to whoever listens; the threads take turns."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, what: str, **facts: Any) -> None:
        with self._lock:
            self._pipe.send_bytes(json.dumps({"what": what, **facts}).encode())


class Worker:
    """One of the process's threads: the store, its own random numbers, and whom to tell."""

    def __init__(self, store: Store, name: str, tell: Teller) -> None:
        self.store, self.name, self.tell = store, name, tell
        self.random = Random(name)
        self.categories = [category.id for category in store.categories.all()]
        self.count = 0

    def request(self) -> str:
        """A name that no other save has."""
        self.count += 1
        return f"{self.name}-{self.count}"

    def boxes(self) -> list[AnnotatedBox]:
        """A few boxes on a photo of 96 x 128 pixels."""
        corners = [(self.random.randrange(48), self.random.randrange(64)) for _ in range(4)]
        chosen = corners[: self.random.randrange(5)]
        return [
            AnnotatedBox((x, y, x + 40, y + 60), self.random.choice(self.categories), uid=f"{n}-{x}-{y}")
            for n, (x, y) in enumerate(chosen)
        ]


def write(pipe: Connection, url: str, folder: Path, seed: str) -> None:
    """Open the store and work at it in five threads, for ever."""
    store = patiently(lambda: Store.open(url, folder))
    tell = Teller(pipe)
    steps = (partial(annotate, person=PEOPLE[0]), partial(annotate, person=PEOPLE[1]))
    for number, step in enumerate((*steps, add, revise, partial(bring_folder_in, folder=folder))):
        worker = Worker(store, f"{seed}-{number}", tell)
        threading.Thread(target=_for_ever, args=(step, worker), daemon=True).start()
    threading.Event().wait()


def annotate(worker: Worker, person: str) -> None:
    """Save a draft, or submit, on one of the newest photos."""
    store, photos = worker.store, patiently(lambda: worker.store.photos.page(0, 20))
    if not photos:
        time.sleep(0.01)
        return
    photo = worker.random.choice(photos)
    latest = patiently(lambda: store.annotations.latest(photo.id))
    base, boxes = latest.version if latest else 0, worker.boxes()
    about = {"photo": photo.id, "person": person, "boxes": plain(boxes)}
    if worker.random.random() < 0.7:
        sequence = time.time_ns() // 1000
        draft = partial(store.drafts.save, boxes=boxes, sequence=sequence, base_version=base)
        patiently(lambda: draft(photo.id, person))
        worker.tell("draft", **about, sequence=sequence)
        return
    request = worker.request()
    worker.tell("submitting", **about)
    submit = partial(store.annotations.submit, author=person, base_version=base, request=request)
    saved = patiently(lambda: submit(photo.id, boxes))
    worker.tell("submitted", **about, version=saved.version, request=request)


def add(worker: Worker) -> None:
    """Add a photo; now and then delete it again, or remove pictures that nobody needs."""
    seed = worker.random.randrange(2**31)
    photo = drawn(seed, name=f"{worker.name} {seed}.jpg")
    row = patiently(lambda: worker.store.photos.add(photo, by="Anna")).row
    assert row is not None
    worker.tell("added", photo=row.id, digest=photo.digest)
    if worker.random.random() < 0.2:
        worker.tell("deleting", photo=row.id)
        patiently(lambda: worker.store.photos.delete(row.id, "Anna"))
        worker.tell("deleted", photo=row.id)
    elif worker.random.random() < 0.2:
        patiently(worker.store.photos.sweep)


def revise(worker: Worker) -> None:
    """Make a revision of what is there."""
    time.sleep(worker.random.random())
    made = patiently(lambda: worker.store.revisions.create("Anna"))
    worker.tell("revision", number=made.number, digest=made.digest)


def bring_folder_in(worker: Worker, folder: Path) -> None:
    """Import a folder of photos step by step; first whatever a killed process has left."""
    store = worker.store
    recent = patiently(lambda: store.imports.recent(50))
    left = next((row.id for row in recent if row.state in ("waiting", "running")), None)
    if left is None:
        source = make_photos(folder / worker.request(), worker.random)
        left = patiently(lambda: store.imports.begin("a folder", "Anna", str(source)))
        worker.tell("import", id=left, done=0)
    import_all_of(store, left, lambda done: worker.tell("import", id=left, done=done))


def import_all_of(store: Store, import_id: int, tell: Callable[[int], object]) -> None:
    """Bring an import in to its end in small steps; ``tell`` learns how many files are done after each."""
    mark = patiently(lambda: prepare_import(store, import_id, trusted=True))
    while not mark.ended:
        mark = patiently(partial(import_batch, store, import_id, mark, most=STEP))
        tell(mark.done)
    patiently(partial(finish_import, store, import_id, mark))


def make_photos(folder: Path, random: Random, count: int = 8) -> Path:
    """A new folder of photos: all different, but for a copy of the first, and one that is broken."""
    folder.mkdir(parents=True)
    for number in range(count):
        data = encoded(drawn(random.randrange(2**31)).image, "JPEG")
        (folder / f"{number}.jpg").write_bytes(data)
        if number == 0:
            (folder / "copy.jpg").write_bytes(data)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing else")
    return folder


def patiently(do: Callable[[], Result]) -> Result:
    """Do it until the database has the time for it; what was done already must do no harm."""
    while True:
        try:
            return do()
        except StoreBusyError:
            time.sleep(0.02)


def plain(boxes: Sequence[AnnotatedBox]) -> list[list[Any]]:
    """What boxes are compared by."""
    return [[box.uid, box.category_id, list(box.box_xyxy)] for box in boxes]


def _for_ever(step: Callable[[Worker], None], worker: Worker) -> None:
    while True:
        try:
            step(worker)
        except (ConflictError, NotFoundError):
            continue  # another person was faster, or the photo is gone
        except BaseException as error:
            worker.tell("failed", error=repr(error))
            raise
