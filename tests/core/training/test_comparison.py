"""Two models are measured on the revision's holdout photos, in the store's categories, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.access import Actor
from core.errors import AccessError, DatasetError, NotFoundError, StoreError
from core.evaluation.photo_changes import PhotoChange
from core.inference.labeler import Labeler
from core.models.cards import read_card, write_card
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.models import ModelRow
from core.training.comparison import compare_models
from tests.core.store.models import add_candidate, candidate_file
from tests.core.training.holdout import add_photo, add_seen, annotate, boxes_seen
from tests.weights import MANY

pytestmark = pytest.mark.usefixtures("tiny_ships")


ONE = 53
"""The seed of a scene of which the tiny detector sees one garment, as the store keeps it."""

Add = Callable[..., list[AnnotatedBox]]


@pytest.fixture
def seen(store: Store, light_labeler: Labeler) -> Add:
    """Adds a scene annotated with what the champion sees on it."""
    return partial(add_seen, store, light_labeler)


@pytest.fixture
def champion(store: Store) -> ModelRow:
    return store.models.champion("detector")


def last_layers(tensors: dict[str, torch.Tensor], *parts: str) -> list[str]:
    """The names of the heads' last convolutions' weights and biases."""
    wanted = [f"heads.{head}.1.{part}" for head in range(3) for part in parts]
    assert set(wanted) <= tensors.keys()
    return wanted


def blinded(store: Store, folder: Path, kind: str = "detector") -> ModelRow:
    """A candidate that finds nothing, or has one answer to all."""
    source = store.models.file_of(store.models.champion(kind))
    file = candidate_file(source, folder / "blind.safetensors", name="blind")
    tensors = load_file(file)
    if kind == "detector":
        for name in last_layers(tensors, "bias"):
            tensors[name].view(3, -1)[:, 4] = -30.0
    else:
        last = next(name for name in tensors if tensors[name].shape == (6,))
        tensors[last] = torch.tensor([50.0, 0, 0, 0, 0, 0], dtype=tensors[last].dtype)
    save_file(tensors, file)
    return store.models.add(file)


def test_a_model_beside_itself_differs_in_nothing(store, champion, seen, tmp_path) -> None:
    boxes = len(seen(ONE)) + len(seen(MANY))
    same = add_candidate(store, tmp_path, shift=0.0)
    heard: list[tuple[int, int]] = []
    revision = store.revisions.create("ann").number
    row = compare_models(store, same.id, champion.id, revision, lambda *at: heard.append(at))
    compared = row.comparison
    assert compared.main.champion == pytest.approx(1.0) and compared.main.difference == 0.0
    assert compared.main.difference_interval == (0.0, 0.0) and row.changed == []
    assert (compared.photos, compared.boxes) == (2, boxes)
    assert heard == [(0, 2), (1, 2), (2, 2)]
    assert store.comparisons.of(same.id, champion.id) == [row]


def test_a_candidate_that_finds_nothing_loses_and_the_photos_say_what(store, champion, seen, tmp_path):
    boxes = seen(MANY)
    row = compare_models(
        store, blinded(store, tmp_path).id, champion.id, store.revisions.create("ann").number
    )
    assert row.comparison.main.candidate == 0.0 and row.comparison.main.difference == -1.0
    [change] = [PhotoChange.from_dict(entry) for entry in row.changed]
    names = sorted(store.categories.by_id()[box.category_id].name for box in boxes)
    assert change.gain == -len(boxes) and change.candidate == ()
    assert sorted(change.what) == [f"no longer finds {name}" for name in names]
    assert len(change.champion) == len(boxes)
    assert not row.verdict.passes and "too small to tell" in row.verdict.sentence


def test_only_the_holdout_as_it_was_in_the_revision_counts(store, champion, seen, tmp_path) -> None:
    boxes, kept = seen(ONE), store.photos.page(0, 1)[0].id
    seen(MANY, holdout=False)
    revision = store.revisions.create("ann").number
    store.annotations.submit(kept, [], author="ann", base_version=1, request="emptied")
    same = add_candidate(store, tmp_path)
    assert compare_models(store, same.id, champion.id, revision).comparison.boxes == len(boxes)


def test_deleted_and_damaged_photos_are_left_out_and_counted(store, champion, seen, tmp_path) -> None:
    seen(ONE)
    seen(MANY)
    gone = store.photos.page(0, 1)[0].id
    revision = store.revisions.create("ann").number
    store.photos.delete(gone, "ann")
    compared = compare_models(store, add_candidate(store, tmp_path).id, champion.id, revision).comparison
    assert (compared.photos, compared.skipped) == (1, 1)


def test_models_that_call_categories_otherwise_are_compared_by_the_stores(store, champion, seen, tmp_path):
    """The candidate knows them in another order; people have renamed one since."""
    boxes = seen(MANY)
    store.categories.rename(boxes[0].category_id, "renamed", "ann")
    file = candidate_file(store.models.file_of(champion), tmp_path / "turned.safetensors", name="turned")
    tensors, count = load_file(file), len(champion.card.categories)
    for name in last_layers(tensors, "weight", "bias"):
        parts = tensors[name].view(3, 5 + count, -1).clone()
        parts[:, 5:] = parts[:, 5:].flip(1)
        tensors[name] = parts.view_as(tensors[name]).contiguous()
    save_file(tensors, file)
    write_card(replace(read_card(file), categories=champion.card.categories[::-1]), file)
    turned = store.models.add(file)
    row = compare_models(store, turned.id, champion.id, store.revisions.create("ann").number)
    assert row.comparison.main.candidate == row.comparison.main.champion == pytest.approx(1.0)
    assert "renamed" in [entry.name for entry in row.comparison.classes if entry.boxes]


def test_classifiers_are_compared_on_labeled_boxes(store, light_labeler, tmp_path) -> None:
    champion = store.models.champion("classifier")
    photo = add_photo(store, MANY)
    boxes = boxes_seen(store, light_labeler, photo, labeled=True)
    others = [AnnotatedBox((1, 1, 60, 60), 1, "Cloak", uid="c"), AnnotatedBox((5, 5, 9, 9), 1, uid="d")]
    annotate(store, photo, [*boxes, *others])
    blind = blinded(store, tmp_path, "classifier")
    row = compare_models(store, blind.id, champion.id, store.revisions.create("ann").number)
    compared = row.comparison
    assert (compared.boxes, compared.photos, compared.skipped) == (len(boxes), 1, 1)
    assert compared.main.champion == 1.0
    right = sum(box.label == blind.card.categories[0] for box in boxes)
    assert compared.main.candidate == pytest.approx(right / len(boxes))
    changed = [PhotoChange.from_dict(entry) for entry in row.changed]
    assert sum(change.gain for change in changed) == right - len(boxes)


def test_what_cannot_be_compared_is_refused(store, champion, seen, tmp_path) -> None:
    same = add_candidate(store, tmp_path)
    seen(ONE, holdout=False)
    revision = store.revisions.create("ann").number
    with pytest.raises(DatasetError, match="no annotated boxes on holdout photos"):
        compare_models(store, same.id, champion.id, revision)
    with pytest.raises(NotFoundError):
        compare_models(store, same.id, champion.id, 99)
    with pytest.raises(StoreError, match="two models of a kind"):
        compare_models(store, same.id, store.models.champion("classifier").id, revision)
    with pytest.raises(AccessError):
        compare_models(store.acting(Actor.of("a", ["annotator"])), same.id, champion.id, revision)


def test_it_can_be_stopped(store, champion, seen, tmp_path) -> None:
    seen(ONE)
    same = add_candidate(store, tmp_path)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_models(store, same.id, champion.id, store.revisions.create("ann").number, stop)
    assert store.comparisons.of(same.id) == []
