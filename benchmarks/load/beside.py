"""What runs beside people: the worker with an import, the labeling of what comes, and the queue's order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from PIL import Image

from core.jobs.client import start_import, start_labeling
from core.store import Store
from core.store.schema import photos, predictions

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120.0


def draw_photos(folder: Path, count: int) -> Path:
    """A folder of photos of 480 x 640 pixels in random patches: quickly drawn, and all different."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        patches = random.integers(0, 256, (16, 17, 3), dtype=np.uint8)
        picture = Image.fromarray(patches).resize((480, 640), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:05d}.jpg", quality=90)
    return folder


@contextmanager
def worker(store: Store, source: Path) -> Iterator[None]:
    """A worker at work on an import of the folder, with the labeling of what comes after it."""
    import_id = store.imports.begin("a folder", "benchmark", str(source))
    start_import(store, import_id)
    start_labeling(store)
    command = [sys.executable, "-m", "core", "worker"]
    environment = {
        **os.environ,
        "LAPEL_DATA": str(store.folder),
        "LAPEL_DATABASE_URL": store.database.engine.url.render_as_string(hide_password=False),
        "LAPEL_IMPORT_FOLDERS": str(source.parent),
    }
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for_work(store, import_id)
            yield
        finally:
            process.terminate()


def progress(store: Store) -> dict[str, int]:
    """How many photos the worker has brought in and labeled."""
    brought = sa.select(sa.func.count()).select_from(photos).where(photos.c.import_id.is_not(None))
    labeled = brought.where(sa.exists().where(predictions.c.photo_id == photos.c.id))
    with store.database.read() as connection:
        return {
            "imported": connection.execute(brought).scalar_one(),
            "labeled": connection.execute(labeled).scalar_one(),
        }


def pretend_labeled(store: Store) -> None:
    """Let the shipped models have said nothing of any photo so far: those without pictures are then left."""
    store.models.register_shipped()
    ids = store.models.champion_ids()
    models = (sa.literal(ids["detector"]), sa.literal(ids["classifier"]))
    chosen = sa.select(photos.c.id, *models, sa.literal([], sa.JSON), store.database.now)
    columns = ["photo_id", "detector_id", "classifier_id", "garments", "at"]
    with store.database.write() as connection:
        connection.execute(sa.insert(predictions).from_select(columns, chosen))


def _wait_for_work(store: Store, import_id: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while store.imports.get(import_id).done == 0:
        if time.monotonic() > until:
            raise TimeoutError(f"the worker has brought nothing in for {READY_SECONDS:.0f} seconds")
        time.sleep(0.2)
