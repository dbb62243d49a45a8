"""A candidate's classes: the champion's keep their places, new ones come behind, whoever renames what."""

from __future__ import annotations

from collections.abc import Callable

import torch

from core.images.decode import Photo
from core.inference.predictions import category_numbers
from core.models.yolov4 import YOLOv4
from core.store import Store
from core.store.revisions import RevisionItem
from core.training.finetune.data import (
    classifier_classes,
    detector_classes,
    grown_classifier,
    grown_detector,
    remember_classes,
)
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
    number = category_numbers(store, ["top"])["top"]
    store.categories.rename(number, "blouse", "ada")
    items, named = items_with(store, make_photo, "blouse", "top")  # another category has the old name now
    classes = detector_classes(store, ("top",), named, items)
    assert classes.index_of[number] == 0
    assert classes.names == ("top", "top (2)")
    remember_classes(store, classes)
    later = store.categories.ensure(["top"], "ada")["top"]
    assert category_numbers(store, classes.names) == category_numbers(store, [])
    assert category_numbers(store, ["top (2)"])["top (2)"] == later


def test_labels_are_the_same_whatever_their_case(store: Store, make_photo: Make) -> None:
    items, _ = items_with(store, make_photo, "t-shirt", "cape")  # labelled T-Shirt and Cape
    classes = classifier_classes(("Dress", "t-shirt"), items)
    assert classes.names == ("Dress", "t-shirt", "Cape")


def test_a_detector_with_more_classes_says_the_same_of_those_it_knew() -> None:
    torch.manual_seed(0)
    champion, grown = (YOLOv4("pico", count, ghost=True).eval() for count in (2, 4))
    state = grown_detector(champion.state_dict(), grown.state_dict(), 2)
    grown.load_state_dict(state)
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for before, after in zip(champion(picture), grown(picture), strict=True):
            assert torch.allclose(before, after[..., :7], atol=1e-5)


def test_a_classifier_with_more_labels_keeps_its_rows() -> None:
    state = {"classifier.weight": torch.rand(2, 5), "classifier.bias": torch.tensor([1.0, 3.0])}
    grown = grown_classifier(state, 4, seed=0)
    assert torch.equal(grown["classifier.weight"][:2], state["classifier.weight"])
    assert grown["classifier.bias"].tolist() == [1.0, 3.0, 2.0, 2.0]
    again = grown_classifier(state, 4, seed=0)
    assert torch.equal(grown["classifier.weight"], again["classifier.weight"])
    assert grown_classifier(state, 2, seed=0).keys() == state.keys()
