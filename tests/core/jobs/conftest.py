"""A store on both databases, and a worker in this process that labels with tiny models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.inference.labeler import Labeler
from core.jobs import engine, labeling, steps
from core.jobs.context import WorkerContext
from core.jobs.worker import Worker
from core.store import Store
from tests.core.store.conftest import (
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
    store,
)
from tests.waiting import until

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]


@pytest.fixture(autouse=True)
def eager_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in the queues is taken at once, not at the next look two seconds later."""
    monkeypatch.setattr(engine, "POLL_SECONDS", 0.2)  # ten a second took a tenth of a core


@pytest.fixture
def context(store: Store, light_labeler: Labeler, tiny_ships: Path) -> WorkerContext:
    """A store and its champions, the tiny models."""
    store.models.register_shipped()
    return WorkerContext(store, lambda: light_labeler)


@pytest.fixture
def worker(context: WorkerContext) -> Iterator[Worker]:
    """A worker that does nothing until it polls."""
    hired = Worker(context)
    yield hired
    hired.close()


@pytest.fixture
def carrier(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker that brings photos in, and neither labels nor orders: it has no models to load."""
    monkeypatch.setattr(labeling, "plan_chunks", lambda *_: {"failed": "There are no models."})
    monkeypatch.setattr(steps, "STEPS", steps.STEPS | {"order": lambda store, job: {"predicted": 0.0}})
    hired = Worker(WorkerContext(store))
    yield hired
    hired.close()


@pytest.fixture
def shoot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a permitted folder with so many photos, all different."""
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))

    def make(count: int, name: str = "shoot") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for number in range(count):
            patches = np.random.default_rng([*name.encode(), number]).integers(0, 256, (16, 17, 3), np.uint8)
            image = Image.fromarray(patches).resize((96, 128), Image.Resampling.BICUBIC)
            image.save(folder / f"{number:04d}.jpg", quality=92)
        return folder

    return make


def settle(worker: Worker) -> None:
    """Let a worker work until nothing is left to do."""

    def is_idle() -> bool:
        """A job that ends may ask for another one, before the engine says that it has ended."""
        return not worker.engine.busy_workers() and not worker.store.jobs.running()

    until(is_idle, worker.poll)
