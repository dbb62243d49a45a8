"""Workers that are killed in the middle of labeling: each photo has one result, none is labeled in vain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.jobs.client import start_labeling
from core.store import Store
from core.store.schema import champions
from tests.core.store.rows import add_models, add_photos
from tests.databases import on_postgresql, on_sqlite
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]
PHOTOS = 400
Hire = Callable[[], subprocess.Popen[bytes]]

pytestmark = pytest.mark.slow


class Labeling:
    """A labeling of photos that are rows alone, and the workers that do it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.log = store, folder / "log"
        self.models, self.ids = add_models(store.database), add_photos(store.database, PHOTOS)
        with store.database.write() as connection:
            for kind, id in zip(("detector", "classifier"), self.models.as_list(), strict=True):
                connection.execute(champions.insert().values(kind=kind, model_id=id, at=1.0))
        self.job = start_labeling(store)

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process for as long as it is wanted."""
        url = self.store.database.engine.url.render_as_string(hide_password=False)
        models = map(str, self.models.as_list())
        command = [sys.executable, "-m", "tests.core.jobs.stand_in_worker"]
        with subprocess.Popen(
            [*command, str(self.store.folder), str(self.log), *models],
            cwd=ROOT,
            env=os.environ | {"LAPEL_DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def left(self) -> int:
        return self.store.predictions.missing_count(self.models)

    def is_over(self) -> bool:
        return self.store.jobs.get(self.job).state == "done"

    def require_whole(self, kills: int) -> None:
        """Each photo was labeled; again only those at which a worker was killed."""
        begun = Counter(map(int, self.log.read_text().split()))
        assert self.left() == 0 and sorted(begun) == self.ids
        assert sum(begun.values()) - PHOTOS <= kills
        row = self.store.jobs.get(self.job)
        assert (row.done <= row.total == PHOTOS, row.message) == (True, "")


@pytest.fixture
def labeling(store: Store, tmp_path: Path) -> Labeling:
    return Labeling(store, tmp_path)


@on_sqlite
def test_a_labeling_whose_worker_is_killed_is_finished_by_the_next(labeling):
    for least in (PHOTOS - 30, PHOTOS // 2):
        with labeling.worker() as worker:
            until(lambda least=least: labeling.left() < least)
            worker.kill()
    assert labeling.left() > 0 and not labeling.is_over()
    with labeling.worker():
        until(labeling.is_over)
    labeling.require_whole(kills=2)


@on_sqlite
def test_a_worker_that_is_asked_to_stop_ends_with_the_photo_at_hand(labeling):
    with labeling.worker() as worker:
        until(lambda: labeling.left() < PHOTOS - 30)
        worker.terminate()
        assert worker.wait(PATIENCE_SECONDS) == 0
    begun = labeling.log.read_text().split()
    assert 0 < len(begun) == PHOTOS - labeling.left() < PHOTOS
    with labeling.worker():
        until(labeling.is_over)
    labeling.require_whole(kills=0)


@on_postgresql
def test_of_two_workers_that_label_one_is_killed_and_the_other_does_its_chunks(labeling):
    with labeling.worker() as first, labeling.worker():
        until(lambda: labeling.left() < PHOTOS - 60)
        first.kill()
        assert labeling.left() > 0
        until(labeling.is_over)
    labeling.require_whole(kills=1)
