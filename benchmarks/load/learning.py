"""A training beside people: the detector that ships learns drawn garments, by the worker of a workspace."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from core.errors import LapelError
from core.images.decode import read_photo
from core.jobs.client import start_training
from core.store import Store, sqlite_url
from core.store.boxes import AnnotatedBox
from tools.synthetic import draw_scene

ROOT = Path(__file__).resolve().parents[2]
SIZE_WH = (300, 400)
READY_SECONDS = 300.0


def annotate_drawn(store: Store, count: int) -> None:
    """So many drawn persons in the store, each with its boxes annotated."""
    for seed in range(count):
        scene = draw_scene(1000 + seed, SIZE_WH, "person")
        picture = io.BytesIO()
        scene.image.save(picture, "PNG")
        row = store.photos.add(read_photo(picture.getvalue(), f"drawn {seed}.png"), by="benchmark").row
        if row is None:
            continue
        numbers = store.categories.ensure(scene.categories, "benchmark")
        boxes = [
            AnnotatedBox((float(b[0]), float(b[1]), float(b[2]), float(b[3])), numbers[category])
            for b, category in zip(scene.boxes_xyxy, scene.categories, strict=True)
        ]
        store.annotations.submit(row.id, boxes, author="benchmark", base_version=0, request=uuid4().hex)


@contextmanager
def training(folder: Path, photos: int = 80) -> Iterator[None]:
    """A full training of the detector on drawn photos, at work in the folder's store.

    Raises LapelError where it was over before the block was: what was measured then had nothing beside it.
    """
    store = Store.open(sqlite_url(folder), folder)
    annotate_drawn(store, photos)
    revision = store.revisions.create("benchmark").number
    id = start_training(store, "detector", "full", revision)
    command = [sys.executable, "-m", "core", "worker", "--data", str(folder), "--kinds", "train"]
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_WORKER_NICE")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    with subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for_steps(store, id)
            yield
            row = store.trainings.get(id)
            if row.state != "running":  # nothing was beside it then
                raise LapelError(f"expected a training that is still running, got one that is {row.state}")
        finally:
            process.kill()
            store.close()


def _wait_for_steps(store: Store, id: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while store.trainings.get(id).step < 2:
        if time.monotonic() > until or store.trainings.get(id).state in ("failed", "done"):
            raise LapelError(
                f"expected a training within {READY_SECONDS:.0f} s, got {store.trainings.get(id)}"
            )
        time.sleep(0.5)
