"""Models for the store's tests: the tiny weights that ship in their stead, and candidates made of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from core.models.cards import read_card, shipped_weights, write_card
from core.store import Store
from core.store.models import ModelRow


def candidate_file(source: Path, target: Path, *, name: str = "candidate", shift: float = 0.0) -> Path:
    """A copy of weights with another name on its card, its largest tensor shifted by a little."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    write_card(replace(read_card(source), name=name), target)
    if shift:
        tensors = load_file(target)
        key = max(tensors, key=lambda key: tensors[key].numel())
        tensors[key] = (tensors[key].float() + shift).to(tensors[key].dtype)
        save_file(tensors, target)
    return target


def add_candidate(
    store: Store, folder: Path, kind: str = "detector", *, name: str = "candidate", shift: float = 0.001
) -> ModelRow:
    """A candidate in the store, made of the weights that ship."""
    file = candidate_file(shipped_weights(kind), folder / f"{name}.safetensors", name=name, shift=shift)
    return store.models.add(file, parent_id=store.models.champion(kind).id)


def watch_exports(monkeypatch: pytest.MonkeyPatch, store: Store) -> list[tuple[int, int]]:
    """Of each model that is exported from now on: its number, and that of the detector that serves then."""
    found: list[tuple[int, int]] = []

    def prepare(path: Path) -> None:
        found.append((int(path.name.split(".")[1]), store.models.champion("detector").id))

    monkeypatch.setattr("core.inference.promotion.prepare_engine", prepare)
    return found


def blob_path(store: Store, digest: str) -> Path:
    """Where a blob lies on this disk."""
    return Path(store.blobs.url) / digest[:2] / digest
