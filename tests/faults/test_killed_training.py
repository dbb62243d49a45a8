"""A training whose worker is killed, again and again, ends with the weights of one that nobody disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from core.jobs.client import start_training
from core.store import Store
from core.store.models import ModelRow
from core.training.finetune.run_directory import RunDirectory
from tests.core.training.finetune.conftest import champion_weights
from tests.core.training.finetune.shapes import KNOWN, add_photo
from tests.faults.counts import times
from tests.waiting import until

__all__ = ["champion_weights"]

ROOT = Path(__file__).parents[2]


@contextmanager
def a_trainer(store: Store, weights: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own, at work."""
    url = store.database.engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"LAPEL_DATABASE_URL": url, "LAPEL_DATA": str(store.folder)}
    command = [sys.executable, "-m", "tests.faults.trainer", str(weights)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def learned(store: Store, weights: Path, revision: int) -> ModelRow:
    """A training that nobody disturbs, to its end; the candidate."""
    id = start_training(store, "detector", "quick", revision)
    with a_trainer(store, weights):
        until(partial(has_ended, store, id))
    return candidate_of(store, id)


def has_ended(store: Store, training: int) -> bool:
    """Whether the job of a training is over, which is noted down after the training itself."""
    return store.jobs.get(f"train-{training}").state not in ("waiting", "running")


def candidate_of(store: Store, training: int) -> ModelRow:
    """The one model that came out of a training."""
    (model,) = [model for model in store.models.all() if model.training_id == training]
    return model


@pytest.mark.slow
def test_a_training_killed_at_any_moment_ends_as_one_in_peace(
    fresh_store: Callable[[str], Store],
    champion_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", champion_weights)
    store, kills, moments = fresh_store("sqlite"), times(2), Random(2)
    for seed in range(8):
        add_photo(store, seed, KNOWN)
    revision = store.revisions.create("ada").number
    calm = learned(store, champion_weights, revision)
    killed = 0
    while killed < kills:
        id = start_training(store, "detector", "quick", revision)
        while killed < kills:
            with a_trainer(store, champion_weights) as worker:
                time.sleep(moments.uniform(0.0, 12.0))
                worker.kill()
            killed += 1
            if has_ended(store, id):
                break
        with a_trainer(store, champion_weights):
            until(partial(has_ended, store, id))
        assert store.trainings.get(id).state == store.jobs.get(f"train-{id}").state == "done"
        assert candidate_of(store, id).digest == calm.digest
        assert not RunDirectory.of(store, id).folder.exists()
