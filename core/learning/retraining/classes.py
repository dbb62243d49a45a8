"""The classes of a candidate: the champion's in their order, then the revision's new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.learning.predicting import NUMBERS_SETTING, category_numbers
from core.store import Store
from core.store.revisions import RevisionItem

NEW_WEIGHT_SPREAD = 0.01


@dataclass(frozen=True)
class Classes:
    """Names in the order of the model's outputs; ``index_of`` takes a category's number, or a label's key."""

    names: tuple[str, ...]
    index_of: Mapping[int | str, int]


def detector_classes(
    store: Store, known: Sequence[str], named: Iterable[tuple[int, str]], items: Iterable[RevisionItem]
) -> Classes:
    """The detector's classes: ``known`` are the champion's, ``named`` the revision's categories.

    A category that the champion learned under another name stays the same class. New ones are those that
    have boxes. A new name that a class has already gets a number behind it.
    """
    numbers = category_numbers(store, known)
    index_of: dict[int | str, int] = {numbers[name]: index for index, name in enumerate(known)}
    used = {box.category_id for item in items for box in item.annotation.boxes}
    names = list(known)
    for category, name in named:
        if category in used and category not in index_of:
            index_of[category] = len(names)
            names.append(_free(name, names))
    return Classes(tuple(names), index_of)


def remember_classes(store: Store, classes: Classes) -> None:
    """Keep which category of the store each class is, however people rename it later."""
    ids = {classes.names[index]: category for category, index in classes.index_of.items()}
    known = store.settings.get(NUMBERS_SETTING, {})
    if any(known.get(name) != category for name, category in ids.items()):
        store.settings.remember(NUMBERS_SETTING, known | ids)


def classifier_classes(known: Sequence[str], items: Iterable[RevisionItem]) -> Classes:
    """The classifier's labels: the champion's, then those that boxes have besides, case apart, sorted."""
    names = list(known)
    index_of: dict[int | str, int] = {label_key(name): index for index, name in enumerate(names)}
    found = {box.label for item in items for box in item.annotation.boxes if box.label}
    for label in sorted(found):
        if label_key(label) not in index_of:
            index_of[label_key(label)] = len(names)
            names.append(label)
    return Classes(tuple(names), index_of)


def label_key(label: str) -> str:
    """What two spellings of a label share."""
    return " ".join(label.casefold().split())


def grown_detector(state: Mapping[str, Tensor], fresh: Mapping[str, Tensor], known: int) -> dict[str, Tensor]:
    """The champion's state with rows for new classes in its heads, as a ``fresh`` model has them.

    A head's outputs are, for each of three anchors, box, objectness and the classes: (3 * (5 + C), ...).
    """
    grown = dict(state)
    for name, begun in fresh.items():
        if name.startswith("heads.") and name in state and state[name].shape != begun.shape:
            rows = begun.unflatten(0, (3, -1)).clone()  # (3, 5 + C, ...)
            rows[:, : 5 + known] = state[name].unflatten(0, (3, -1))
            grown[name] = rows.flatten(0, 1)
    return grown


def grown_classifier(state: Mapping[str, Tensor], classes: int, seed: int) -> dict[str, Tensor]:
    """The champion's state with rows for new labels in its last layer: small weights, an unlikely bias."""
    weight, bias = state["classifier.weight"], state["classifier.bias"]
    missing = classes - len(weight)
    if not missing:
        return dict(state)
    generator = torch.Generator().manual_seed(seed)
    spread = NEW_WEIGHT_SPREAD * torch.randn(missing, weight.shape[1], generator=generator)
    unlikely = bias.mean().expand(missing)
    grown = {"classifier.weight": torch.cat((weight, spread)), "classifier.bias": torch.cat((bias, unlikely))}
    return dict(state) | grown


def _free(name: str, taken: Sequence[str]) -> str:
    known, number, free = {entry.casefold() for entry in taken}, 2, name
    while free.casefold() in known:
        free, number = f"{name} ({number})", number + 1
    return free
