"""Workers that are killed in the middle of labeling: each photo has one result, none is labeled in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.addresses import Address
from core.jobs.batch_labeling import start_batch
from core.jobs.client import start_labeling
from core.store import Store
from core.store.schema import champions
from tests.core.store.rows import add_models, add_photos
from tests.databases import on_postgresql, on_sqlite
from tests.object_store import ObjectStore
from tests.pictures import jpeg
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]
PHOTOS = 400
Hire = Callable[[], subprocess.Popen[bytes]]

pytestmark = pytest.mark.slow


class Labeling:
    """A store with champions that are rows alone, and workers that label by a stand-in."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.log = store, folder / "log"
        self.models = add_models(store.database)
        with store.database.write() as connection:
            for kind, id in zip(("detector", "classifier"), self.models.as_list(), strict=True):
                connection.execute(champions.insert().values(kind=kind, model_id=id, at=1.0))

    def ask(self) -> None:
        """Have photos labeled that are rows alone."""
        self.ids, self.job = add_photos(self.store.database, PHOTOS), start_labeling(self.store)

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
    made = Labeling(store, tmp_path)
    made.ask()
    return made


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


@on_postgresql
def test_a_run_over_an_object_store_outlives_one_of_its_workers(
    store: Store, tmp_path: Path, s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Labeling(store, tmp_path)
    serving = dict(zip(("detector", "classifier"), workers.models.as_list(), strict=True))
    monkeypatch.setattr("core.store.models.Models.register_shipped", lambda models: None)
    monkeypatch.setattr("core.store.models.Models.champion", lambda models, kind: models.get(serving[kind]))
    names = [f"{number % 4}/{number:03d}.jpg" for number in range(PHOTOS)]
    s3.objects |= {f"bucket/in/{name}": jpeg() for name in names}
    chosen = {"source": "s3://bucket/in", "formats": ("jsonl",), "shard_photos": 25}
    run, job = start_batch(store, chosen, Address.of("s3://bucket/out"), 0.5, "ada")
    with workers.worker() as first, workers.worker():
        until(lambda: len(run.records()) >= 3)
        first.kill()
        assert len(run.records()) < run.plan.shards
        until(lambda: store.jobs.get(job).state == "done")
    lines = b"".join(data for key, data in s3.objects.items() if key.startswith("bucket/out/jsonl/"))
    assert sorted(json.loads(line)["photo"] for line in lines.splitlines()) == sorted(names)
    assert json.loads(s3.objects["bucket/out/manifest.json"])["labeled"] == PHOTOS
    assert len(workers.log.read_text().split()) <= PHOTOS + 25, "a shard that was done was done again"
