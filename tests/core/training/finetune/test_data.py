"""The candidate's classes, and the photos that fine-tuning learns from: corrected, replayed, validation."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.datasets.splits import choose_validation
from core.errors import DatasetError
from core.images.decode import Photo
from core.inference.predictions import ensure_category_ids
from core.models.cards import ModelCard
from core.models.yolov4 import YOLOv4
from core.store import Store
from core.store.revisions import RevisionItem
from core.training.finetune.data import (
    TrainingSubset,
    classifier_classes,
    detector_classes,
    extended_classifier,
    extended_detector,
    remember_classes,
    select_subset,
)
from core.training.finetune.detector import plan_detector
from core.training.finetune.recipes import finetune_recipe
from core.training.finetune.run_directory import CancelToken, TrainingCancelled
from tests.core.training.finetune.shapes import annotate

Make = Callable[..., Photo]


def items_with(store: Store, make: Make, *names: str) -> tuple[list[RevisionItem], tuple]:
    """A photo with a box of each name, as the revision has it; and the revision's categories."""
    row = store.photos.add(make(1), by="ada").row
    assert row is not None
    annotate(store, row.id, names, [(10, 10, 60, 70)] * len(names), request="one")
    revision = store.revisions.create("ada")
    return list(store.revisions.items(revision.number)), revision.categories


def test_new_categories_come_behind_those_that_are_known(store: Store, make_photo: Make) -> None:
    store.categories.ensure(["unused"], "ada")
    items, named = items_with(store, make_photo, "cape", "dress", "apron")
    classes = detector_classes(store, ("top", "dress"), named, items)
    assert classes.names == ("top", "dress", "cape", "apron")
    numbers = store.categories.ensure(["cape", "dress"], "ada")
    assert (classes.index_of[numbers["dress"]], classes.index_of[numbers["cape"]]) == (1, 2)


def test_a_renamed_category_stays_the_class_that_it_was(store: Store, make_photo: Make) -> None:
    number = ensure_category_ids(store, ["top"])["top"]
    store.categories.rename(number, "blouse", "ada")
    items, named = items_with(store, make_photo, "blouse", "top")  # another category has the old name now
    classes = detector_classes(store, ("top",), named, items)
    assert classes.index_of[number] == 0
    assert classes.names == ("top", "top (2)")
    remember_classes(store, classes)
    later = store.categories.ensure(["top"], "ada")["top"]
    assert ensure_category_ids(store, classes.names) == ensure_category_ids(store, [])
    assert ensure_category_ids(store, ["top (2)"])["top (2)"] == later


def test_labels_are_the_same_whatever_their_case(store: Store, make_photo: Make) -> None:
    items, _ = items_with(store, make_photo, "t-shirt", "cape")  # labeled T-Shirt and Cape
    classes = classifier_classes(("Dress", "t-shirt"), items)
    assert classes.names == ("Dress", "t-shirt", "Cape")


def test_a_detector_with_more_classes_says_the_same_of_those_it_knew() -> None:
    torch.manual_seed(0)
    champion, grown = (YOLOv4("pico", count, ghost=True).eval() for count in (2, 4))
    state = extended_detector(champion.state_dict(), grown.state_dict(), 2)
    grown.load_state_dict(state)
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for before, after in zip(champion(picture), grown(picture), strict=True):
            assert torch.allclose(before, after[..., :7], atol=1e-5)


def test_a_classifier_with_more_labels_keeps_its_rows() -> None:
    state = {"classifier.weight": torch.rand(2, 5), "classifier.bias": torch.tensor([1.0, 3.0])}
    grown = extended_classifier(state, "classifier", 4, seed=0)
    assert torch.equal(grown["classifier.weight"][:2], state["classifier.weight"])
    assert grown["classifier.bias"].tolist() == [1.0, 3.0, 2.0, 2.0]
    again = extended_classifier(state, "classifier", 4, seed=0)
    assert torch.equal(grown["classifier.weight"], again["classifier.weight"])
    assert extended_classifier(state, "classifier", 2, seed=0).keys() == state.keys()


NEVER = CancelToken(lambda: False)


def fill(store: Store, make: Make, seeds: range, *, holdout: bool = False) -> list[int]:
    """Photos with one red box each; their numbers."""
    ids = []
    for seed in seeds:
        row = store.photos.add(make(seed, holdout=holdout), by="ada").row
        assert row is not None
        annotate(store, row.id, ["red"], [(10, 10, 60, 70)], request=f"first {seed}")
        ids.append(row.id)
    return ids


def ids_of(items: tuple) -> list[int]:
    return [item.photo.id for item in items]


def subset_now(
    store: Store, known: int | None = None, *, replay: float | None = 2.0, seed: int = 0
) -> TrainingSubset:
    number = store.revisions.create("ada").number
    return select_subset(store, number, known, replay=replay, seed=seed, token=NEVER)


def test_photos_of_the_holdout_are_neither_learned_from_nor_validated_on(
    store: Store, make_photo: Make
) -> None:
    pool = fill(store, make_photo, range(12))
    fill(store, make_photo, range(100, 104), holdout=True)
    subset = subset_now(store)
    assert sorted(ids_of(subset.photos)) == pool
    assert len(subset.corrected) == 11 and not subset.replayed and len(subset.validation) == 1
    assert set(ids_of(subset.validation)).isdisjoint(ids_of(subset.training))


def test_corrected_is_what_was_annotated_since_the_parent_s_revision(store: Store, make_photo: Make) -> None:
    first = fill(store, make_photo, range(12))
    known = store.revisions.create("ada").number
    annotate(store, first[3], ["blue"], [(10, 10, 60, 70)], request="again")
    second = fill(store, make_photo, range(12, 15))
    held_out = set(ids_of(subset_now(store, known).validation))
    assert set(ids_of(subset_now(store, known).corrected)) == {first[3], *second} - held_out
    assert set(ids_of(subset_now(store, known, replay=None).replayed)) == set(first) - {first[3]} - held_out
    assert len(subset_now(store, known, replay=0.5).replayed) == 4  # twice what an epoch takes


def test_deleted_photos_are_left_out(store: Store, make_photo: Make) -> None:
    ids = fill(store, make_photo, range(3))
    number = store.revisions.create("ada").number
    store.photos.delete(ids[0], "ada")
    subset = select_subset(store, number, None, replay=2.0, seed=0, token=NEVER)
    assert ids_of(subset.corrected) == ids[1:]


def test_few_photos_are_both_learned_from_and_validated_on(store: Store, make_photo: Make) -> None:
    subset = subset_of(store, make_photo, 4)
    assert len(subset.corrected) == 4
    assert set(ids_of(subset.validation)) <= set(ids_of(subset.corrected))


def subset_of(store: Store, make: Make, count: int) -> TrainingSubset:
    fill(store, make, range(count))
    return subset_now(store)


def test_validation_photos_are_those_of_the_splits(store: Store, make_photo: Make) -> None:
    fill(store, make_photo, range(12))
    number = store.revisions.create("ada").number
    subset = select_subset(store, number, None, replay=2.0, seed=number, token=NEVER)
    items = store.revisions.items(number, holdout=False)
    chosen = choose_validation((item.photo.digest for item in items), number)
    assert tuple(item.photo.digest for item in subset.validation) == chosen.digests


def test_nothing_new_and_nothing_at_all_are_different_errors(store: Store, make_photo: Make) -> None:
    with pytest.raises(DatasetError, match="no photo with boxes outside the holdout"):
        subset_now(store)
    fill(store, make_photo, range(2))
    known = store.revisions.create("ada").number
    with pytest.raises(DatasetError, match=f"Nothing was annotated since revision {known}"):
        subset_now(store, known)
    assert len(subset_now(store, known, replay=None).replayed) == 2


def test_a_cancel_token_stops_between_two_photos(store: Store, make_photo: Make) -> None:
    fill(store, make_photo, range(2))
    number = store.revisions.create("ada").number
    with pytest.raises(TrainingCancelled):
        select_subset(store, number, None, replay=1.0, seed=0, token=CancelToken(lambda: True))


@pytest.mark.parametrize(
    ("preset", "corrected", "share", "epochs"),
    [
        ("nano", 50, 1.0, 7),  # 2,400 photos in all: seven times 50 + 300
        ("small", 50, 110 / 300, 6),  # 960 photos: six times 50 + 110
        ("small", 300, 0.5, 6),  # the corrected ones alone are more than 960: half as many others
    ],
)
def test_an_epoch_takes_the_corrected_photos_and_as_many_others_as_the_budget_leaves_room_for(
    preset: str, corrected: int, share: float, epochs: int
) -> None:
    items: Any = [SimpleNamespace(photo=SimpleNamespace(id=id, width=400, height=600)) for id in range(1000)]
    subset = TrainingSubset(tuple(items[:corrected]), tuple(items[-300:]), ())
    card = ModelCard("detector", "yolov4-gs", preset, ("top",), 416)
    plan = plan_detector(finetune_recipe("quick", card), subset, card, 0)
    assert plan.recipe.extra_share == pytest.approx(share)  # type: ignore[union-attr]
    assert plan.recipe.epochs == epochs and plan.recipe.input_wh == (288, 416)  # type: ignore[union-attr]
