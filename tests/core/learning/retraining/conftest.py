"""A store whose champion knows red and blue rectangles, and one thread for all that is learned."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from core.learning.retraining import recipes
from core.store import Store
from tests.core.learning.retraining.shapes import small, train_champion
from tests.core.store.conftest import (
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
    store,
)

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def champion_weights(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A folder as that of the weights that ship: a detector of rectangles, the tiny classifier."""
    folder, threads = tmp_path_factory.mktemp("champion"), torch.get_num_threads()
    torch.set_num_threads(1)
    train_champion(folder)
    torch.set_num_threads(threads)
    for name in ("classifier.safetensors", "classifier.json"):
        shutil.copy(tiny_weights / name, folder / name)
    return folder


@pytest.fixture
def as_shipped(champion_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The champion's folder, in place of the weights that ship; retraining is small."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", champion_weights)
    monkeypatch.setattr(recipes, "RETRAININGS", {key: small(*key) for key in recipes.RETRAININGS})
    return champion_weights


@pytest.fixture
def world(as_shipped: Path, fresh_store: Callable[[str], Store]) -> Store:
    """An empty store, on SQLite, whose champion knows red and blue rectangles."""
    return fresh_store("sqlite")
