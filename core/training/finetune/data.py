"""The data of a fine-tuning: corrected photos of a revision, replayed ones, and the candidate's classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.datasets.splits import TRAIN, choose_validation
from core.errors import DatasetError
from core.file_names import free_name
from core.inference.predictions import CATEGORIES_SETTING, ensure_category_ids
from core.store import Store
from core.store.revisions import RevisionItem
from core.training.finetune.run_directory import CancelToken

NEW_WEIGHT_SPREAD = 0.01


@dataclass(frozen=True)
class Classes:
    """Class names in the order of the model's outputs; ``index_of`` is by category id or label key."""

    names: tuple[str, ...]
    index_of: Mapping[int | str, int]


def detector_classes(
    store: Store, known: Sequence[str], named: Iterable[tuple[int, str]], items: Iterable[RevisionItem]
) -> Classes:
    """The detector's classes: ``known`` are the champion's, ``named`` the revision's categories.

    A category that the champion learned under another name stays the same class. Only categories with boxes
    are added; where a class has the name already, a number is appended.
    """
    numbers = ensure_category_ids(store, known)
    index_of: dict[int | str, int] = {numbers[name]: index for index, name in enumerate(known)}
    used = {box.category_id for item in items for box in item.annotation.boxes}
    names = list(known)
    for category, name in named:
        if category in used and category not in index_of:
            index_of[category] = len(names)
            names.append(_unused_name(name, names))
    return Classes(tuple(names), index_of)


def remember_classes(store: Store, classes: Classes) -> None:
    """Record the id of each class's category in the store, which users may rename later."""
    ids = {classes.names[index]: category for category, index in classes.index_of.items()}
    known = store.settings.get(CATEGORIES_SETTING, {})
    if any(known.get(name) != category for name, category in ids.items()):
        store.settings.remember(CATEGORIES_SETTING, known | ids)


def classifier_classes(known: Sequence[str], items: Iterable[RevisionItem]) -> Classes:
    """The classifier's labels: the champion's, then the boxes' other labels, sorted; case is ignored."""
    names = list(known)
    index_of: dict[int | str, int] = {label_key(name): index for index, name in enumerate(names)}
    found = {box.label for item in items for box in item.annotation.boxes if box.label}
    for label in sorted(found):
        if label_key(label) not in index_of:
            index_of[label_key(label)] = len(names)
            names.append(label)
    return Classes(tuple(names), index_of)


def label_key(label: str) -> str:
    """A label without differences of case and white space."""
    return " ".join(label.casefold().split())


def extended_detector(
    state: Mapping[str, Tensor], fresh: Mapping[str, Tensor], known: int
) -> dict[str, Tensor]:
    """The champion's state with rows for new classes in its heads, as they are in a ``fresh`` model.

    A head's outputs are, for each of three anchors, box, objectness and the classes: (3 * (5 + C), ...).
    """
    grown = dict(state)
    for name, begun in fresh.items():
        if name.startswith("heads.") and name in state and state[name].shape != begun.shape:
            rows = begun.unflatten(0, (3, -1)).clone()  # (3, 5 + C, ...)
            rows[:, : 5 + known] = state[name].unflatten(0, (3, -1))
            grown[name] = rows.flatten(0, 1)
    return grown


def extended_classifier(
    state: Mapping[str, Tensor], layer: str, classes: int, seed: int
) -> dict[str, Tensor]:
    """The champion's state with rows for new labels in its last layer: small weights, an unlikely bias."""
    weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
    missing = classes - len(weight)
    if not missing:
        return dict(state)
    generator = torch.Generator().manual_seed(seed)
    spread = NEW_WEIGHT_SPREAD * torch.randn(missing, weight.shape[1], generator=generator)
    unlikely = bias.mean().expand(missing)
    grown = {f"{layer}.weight": torch.cat((weight, spread)), f"{layer}.bias": torch.cat((bias, unlikely))}
    return dict(state) | grown


def _unused_name(name: str, taken: Sequence[str]) -> str:
    known = {entry.casefold() for entry in taken}
    return free_name(name, lambda free: free.casefold() in known, "{stem} ({number})")


REPLAY_POOL = 2.0
"""The pool of replayed photos is this many times what an epoch takes of it, so that epochs differ."""


@dataclass(frozen=True)
class TrainingSubset:
    """Photos of a revision, without any of the holdout.

    ``corrected`` were annotated since the parent's revision; ``replayed`` were learned by the parent and keep
    it from forgetting; ``validation`` monitors the training.
    """

    corrected: tuple[RevisionItem, ...]
    replayed: tuple[RevisionItem, ...]
    validation: tuple[RevisionItem, ...]

    @property
    def photos(self) -> tuple[RevisionItem, ...]:
        """All photos, each once."""
        return tuple({item.photo.id: item for item in (*self.training, *self.validation)}.values())

    @property
    def training(self) -> tuple[RevisionItem, ...]:
        """The photos that are learned from."""
        return (*self.corrected, *self.replayed)

    def counts(self) -> dict[str, int]:
        """The numbers of photos and boxes, as they are recorded."""
        return {
            "corrected": len(self.corrected),
            "replayed": len(self.replayed),
            "validation": len(self.validation),
            "boxes": sum(len(item.annotation.boxes) for item in self.training),
        }


def select_subset(
    store: Store,
    revision: int,
    known: int | None,
    *,
    replay: float | None,
    seed: int,
    token: CancelToken,
) -> TrainingSubset:
    """The subset of a revision for a training whose parent learned revision ``known`` (None: no revision).

    Without a parent's revision all photos count as corrected. ``replay`` is as in the recipe; where it is
    None, all other photos are replayed. Deleted photos are left out. Which photos validate is the rule of
    ``core.datasets.splits``, which exports follow. Raises NotFoundError for an unknown
    revision, DatasetError where nothing is new.
    """
    live = [
        item
        for item in token.iterate(store.revisions.items(revision, holdout=False))
        if item.photo.deleted_at is None
    ]
    if not any(item.annotation.boxes for item in live):
        raise DatasetError(f"Revision {revision} has no photo with boxes outside the holdout to learn from.")
    annotations = {} if known is None else store.revisions.annotation_ids(known)
    chosen = choose_validation((item.photo.digest for item in live), seed)
    by_digest = {item.photo.digest: item for item in live}
    validation = tuple(by_digest[digest] for digest in chosen.digests)
    learned = [item for item in live if chosen.split_of(item.photo.digest, holdout=False) == TRAIN]
    corrected = [item for item in learned if annotations.get(item.photo.id) != item.annotation.id]
    others = [item for item in learned if annotations.get(item.photo.id) == item.annotation.id]
    if not corrected and replay is not None:
        raise DatasetError(
            f"Nothing was annotated since revision {known}, from which the champion learned: correct photos, "
            "freeze a new revision, or train in full."
        )
    return TrainingSubset(tuple(corrected), _pool(others, len(corrected), replay, seed), validation)


def _pool(
    others: Sequence[RevisionItem], corrected: int, replay: float | None, seed: int
) -> tuple[RevisionItem, ...]:
    """A random pool of the other photos, the same for the same seed."""
    most = len(others) if replay is None else round(REPLAY_POOL * replay * corrected)
    if most >= len(others):
        return tuple(others)
    chosen = np.random.default_rng((seed, 1)).permutation(len(others))[:most]
    return tuple(others[index] for index in sorted(chosen))
