"""A restore into PostgreSQL that is killed has left nothing or everything, and can be done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from core.store import Store
from core.store.backup import backup, restore
from core.store.boxes import AnnotatedBox
from tests.core.store.conftest import drawn
from tests.faults.counts import times
from tests.faults.processes import Child, tell
from tests.faults.wholeness import faults_of

PHOTOS = 8


def run_restore(pipe: Connection, url: str, folder: Path, file: Path) -> None:
    """In a child: the whole restore, once it has said that it begins."""
    store = Store.open(url, folder)
    tell(pipe, what="begins")
    restore(file, store)
    tell(pipe, what="restored")


def test_a_restore_killed_at_any_moment_has_left_nothing_or_everything(
    fresh_store: Callable[[str], Store], fresh_url: Callable[[str], str], tmp_path: Path
) -> None:
    file, moments = tmp_path / "backup.zip", Random(1)
    digest = fill(fresh_store("sqlite"), file)
    for number in range(times(3)):
        url, folder = fresh_url("postgresql"), tmp_path / f"restored {number}"
        child = Child(run_restore, url, folder, file)
        assert child.next()["what"] == "begins"
        time.sleep(moments.uniform(0.0, 0.5))
        restored = bool(child.kill())
        store = Store.open(url, folder)
        assert [*faults_of(store)] == [], f"after kill number {number + 1}"
        assert store.photos.count() in ({PHOTOS} if restored else {0, PHOTOS})
        if store.photos.count() == 0:
            restore(file, store)
        assert store.photos.count() == PHOTOS and store.revisions.get(1).digest == digest
        assert [*faults_of(store)] == []
        store.close()


def fill(store: Store, file: Path) -> str:
    """A store with annotated photos and a revision, saved in a file; the revision's digest."""
    boxes = [AnnotatedBox((10, 10, 50, 60), store.categories.all()[0].id)]
    for seed in range(PHOTOS):
        row = store.photos.add(drawn(seed), by="Anna").row
        assert row is not None
        store.annotations.submit(row.id, boxes, author="Anna", base_version=0, request=str(seed))
    made = store.revisions.create("Anna")
    backup(store, file)
    return made.digest
