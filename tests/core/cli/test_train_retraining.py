"""``train --revision``: a training in the shell says as JSON what came out; how it failed is in the store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cli import train as command
from core.errors import ConflictError, DatasetError, RecipeError, StoreError
from core.jobs.client import start_training
from core.models.cards import read_card, write_card
from core.store import Store
from core.training.finetune import run
from core.training.finetune.run_directory import RunDirectory


@pytest.fixture
def store(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one revision, whose trainings give a copy of the champion at once."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    store = Store.open(folder=tmp_path)
    store.revisions.create("ada")

    def learn(store: Store, training: int, stop: Callable[[], bool], **told: Any) -> Path:
        assert not stop() and told["device"] == "cpu"
        champion = store.models.champion(store.trainings.get(training).kind)
        settings = {"parent": champion.name, "photos": {"corrected": 0}}
        store.trainings.prepared(training, parent_id=champion.id, settings=settings)
        told["on_progress"](1, 2, "Learning.")
        target = RunDirectory.of(store, training).folder / "final.safetensors"
        target.parent.mkdir(parents=True)
        shutil.copy(store.models.file_of(champion), target)
        write_card(replace(read_card(store.models.file_of(champion)), name="better"), target)
        return target

    monkeypatch.setattr(run, "train_revision", learn)
    return store


def train(store: Store, revision: str = "latest", kind: str = "detector") -> None:
    command.train_revision(kind, revision, quick=True, device="cpu", data=store.folder)


def test_what_came_out_is_told_as_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    train(store)
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["mode"], told["revision"], told["parent"]) == (
        "better", "quick", 1, "tiny detector",
    )  # fmt: skip
    assert told["comparison"] is None and "was not compared" in told["message"]
    (row,) = store.trainings.recent()
    assert (row.state, row.job, store.jobs.recent()) == ("done", None, ())
    assert store.models.named("better").training_id == row.id


def test_a_failure_is_noted_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Path:
        raise DatasetError("Nothing is new.")

    monkeypatch.setattr(run, "train_revision", fail)
    with pytest.raises(DatasetError):
        train(store)
    (row,) = store.trainings.recent()
    assert (row.state, row.message) == ("failed", "Nothing is new.")


def test_what_is_trained_already_or_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no revision 7"):
        train(store, "7")
    with pytest.raises(RecipeError, match="a detector or a classifier"):
        train(store, kind="labeler")
    start_training(store, "detector", "full", 1)
    with pytest.raises(ConflictError, match="being trained already"):
        train(store)
