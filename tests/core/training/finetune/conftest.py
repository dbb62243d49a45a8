"""A store whose champion knows red and blue rectangles, and one thread for all that is learned."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from core.store import Store
from core.training.finetune import recipes
from tests.core.store.conftest import (
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
)
from tests.core.training.finetune.shapes import small, train_champion

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template"]


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def champion_weights(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder as that of the weights that ship: a detector of rectangles, the tiny classifier.

    One for all of pytest's processes, trained by the first that needs it.
    """
    alone = os.environ.get("PYTEST_XDIST_WORKER") is None
    folder = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    folder = folder / "champion"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "classifier.json").is_file():
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            train_champion(folder)
            torch.set_num_threads(threads)
            for name in ("classifier.safetensors", "classifier.json"):
                shutil.copy(tiny_weights / name, folder / name)
    return folder


@pytest.fixture
def store(fresh_store: Callable[[str], Store]) -> Store:
    """An empty store on SQLite: fine-tuning has no SQL of its own."""
    return fresh_store("sqlite")


@pytest.fixture
def as_shipped(champion_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The champion's folder, in place of the weights that ship; fine-tuning is small."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", champion_weights)
    monkeypatch.setattr(recipes, "FINETUNE_RECIPES", {key: small(*key) for key in recipes.FINETUNE_RECIPES})
    return champion_weights


@pytest.fixture
def world(as_shipped: Path, fresh_store: Callable[[str], Store]) -> Store:
    """An empty store, on SQLite, whose champion knows red and blue rectangles."""
    return fresh_store("sqlite")
