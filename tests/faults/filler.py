"""Fills a store until there is no room, looks what is left of it, makes room, and goes on.

``python -m tests.faults.filler DISK database|blobs|both|postgresql BESIDE`` prints one line of JSON. DISK is
a folder on a small disk, BESIDE one on a large disk, for the part of the store that is not to be filled.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from core.errors import StoreFullError
from core.store import Store, sqlite_url
from core.store.boxes import AnnotatedBox
from tests import postgres
from tests.core.store.conftest import drawn
from tests.faults.promises import Promises
from tests.faults.wholeness import faults_of
from tests.faults.writer import Worker, plain

Result = TypeVar("Result")
Names = Set[str]
BALLAST_BYTES = 2**19
MOST_ROUNDS = 5000
SAVES = frozenset({"photo", "draft", "submit"})
REFUSED = {
    "database": SAVES,
    "blobs": frozenset({"photo"}),
    "both": SAVES,
    "postgresql": frozenset({"submit"}),  # what is small, or replaces something, finds room for long
}
"""What cannot be done any more, by what is full."""


class Filler:
    """Saves in a store, with all that it was promised and what was refused of late."""

    def __init__(self, store: Store) -> None:
        self.store, self.promises = store, Promises()
        self.refused: dict[str, str] = {}
        self._worker = Worker(store, "filler", lambda *_, **__: None)  # type: ignore[arg-type]
        self._numbers = count(1)

    def save_all(self) -> None:
        """Add a photo, and save a draft and a version of it, or of an older one."""
        number, photos = next(self._numbers), self.store.photos
        small = drawn(number)
        photo = replace(small, image=small.image.resize((480, 640)))
        row = self._attempt("photo", lambda: photos.add(photo, by="Anna").row)
        if row is not None:
            self._promised("added", photo=row.id, digest=photo.digest)
        for row in photos.page(number % 3, 1):
            self._save_work(row.id, number)

    def fill(self, wanted: Names) -> None:
        """Save until all that is wanted is refused in one round."""
        for _ in range(MOST_ROUNDS):
            self.refused.clear()
            self.save_all()
            if self.refused.keys() >= wanted:
                return
        raise AssertionError(f"there is still room after {MOST_ROUNDS} rounds, refused: {self.refused}")

    def _save_work(self, photo: int, number: int) -> None:
        boxes = [self._named_at_random(box) for _ in range(60) for box in self._worker.boxes()]
        latest = self.store.annotations.latest(photo)
        base = latest.version if latest else 0
        about = {"photo": photo, "person": "Anna", "boxes": plain(boxes)}
        given: dict[str, Any] = {"boxes": boxes, "base_version": base}
        draft, submit = self.store.drafts.save, self.store.annotations.submit
        if self._attempt("draft", lambda: draft(photo, "Anna", sequence=number, **given)):
            self._promised("draft", sequence=number, **about)
        request = f"request {number}"
        saved = self._attempt("submit", lambda: submit(photo, author="Ben", request=request, **given))
        if saved is not None:
            self._promised("submitted", version=saved.version, request=request, **about)

    def _named_at_random(self, box: AnnotatedBox) -> AnnotatedBox:
        """A box that cannot be compressed."""
        return replace(box, uid=f"{self._worker.random.getrandbits(240):060x}")

    def _attempt(self, name: str, work: Callable[[], Result]) -> Result | None:
        try:
            return work()
        except StoreFullError as error:
            self.refused[name] = str(error)
            return None

    def _promised(self, what: str, **facts: Any) -> None:
        self.promises.hear([{"what": what, **facts}])


def fill_and_go_on(store: Store, wanted: Names, make_room: Callable[[], object]) -> dict[str, Any]:
    """What is refused while there is no room and afterwards, and what is broken then and afterwards."""
    filler = Filler(store)
    filler.fill(wanted)
    refused, broken = dict(filler.refused), [*filler.promises.broken(store)]
    make_room()
    filler.refused.clear()
    filler.save_all()
    return {
        "saved": filler.promises.heard,
        "refused": refused,
        "broken": broken,
        "refused_afterwards": filler.refused,
        "broken_afterwards": [*filler.promises.broken(store), *faults_of(store)],
    }


@contextmanager
def opened(disk: Path, full: str, beside: Path) -> Iterator[Store]:
    """A store of which the part that is to be full lies on the disk."""
    if full != "postgresql":
        beside.mkdir(exist_ok=True)
        database, folder = (disk if full != "blobs" else beside), (disk if full != "database" else beside)
        yield Store.open(sqlite_url(database), folder)
        return
    with postgres.server() as server:
        place = disk / "tablespace"
        place.mkdir()
        shutil.chown(place, postgres.account())
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            connection.execute("CREATE DATABASE filled TABLESPACE small TEMPLATE template0")
        yield Store.open(f"{server}/filled", beside)


def main(arguments: Sequence[str]) -> None:
    """Fill, and print what came of it."""
    disk, full, beside = Path(arguments[0]), arguments[1], Path(arguments[2])
    ballast = disk / "ballast"
    ballast.write_bytes(os.urandom(BALLAST_BYTES))
    with opened(disk, full, beside) as store:
        print(json.dumps(fill_and_go_on(store, REFUSED[full], ballast.unlink)))
        store.close()


if __name__ == "__main__":
    main(sys.argv[1:])
