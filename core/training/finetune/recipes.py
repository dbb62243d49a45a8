"""How a champion is trained further: the recipes of quick and full, and how long they go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.errors import RecipeError
from core.models.cards import ModelCard
from core.training.recipes import (
    CLASSIFIER_RECIPES,
    DETECTOR_RECIPES,
    ClassifierRecipe,
    DetectorRecipe,
    Recipe,
)

ALL_STAGES = 5
"""Of the detector's backbone: with the stem they are all of it."""


@dataclass(frozen=True)
class Retraining:
    """A recipe and what holds on to what the champion knows.

    ``guard`` weighs the distillation from the champion beside the loss of the annotations; ``replay`` is how
    many other annotated photos an epoch takes for each corrected one, None for all of them. ``passes`` is
    how many photos are looked at in all: the recipe's epochs are the most, ``fewest_epochs`` the least, so
    that of many corrections each is still seen a few times.
    ``keep_statistics`` leaves batch norm's as the champion has them.
    """

    recipe: Recipe
    guard: float
    replay: float | None
    passes: int | None = None
    fewest_epochs: int = 1
    keep_statistics: bool = False
    ema_warmup_steps: int = 300

    def __post_init__(self) -> None:
        if self.guard < 0 or (self.replay is not None and self.replay < 0):
            raise RecipeError(f"guard and replay are 0 or more, got {self.guard} and {self.replay}")

    @property
    def is_backbone_frozen(self) -> bool:
        """Whether only what lies behind the backbone learns."""
        if isinstance(self.recipe, DetectorRecipe):
            return self.recipe.frozen_stages == ALL_STAGES
        return self.recipe.backbone_rate == 0

    def for_photos(self, count: int, seed: int) -> Retraining:
        """With its epochs for so many photos (or crops) an epoch, and a seed."""
        epochs = self.recipe.epochs
        if self.passes is not None:
            epochs = max(self.fewest_epochs, min(epochs, round(self.passes / max(count, 1))))
        return replace(self, recipe=replace(self.recipe, epochs=epochs, seed=seed))

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for the record."""
        return asdict(self)


QUICK_DETECTOR = DetectorRecipe(
    "quick",
    learning_rate=4e-4,
    weight_decay=0.02,
    batch=8,
    epochs=12,
    clean_epochs=3,
    box_weight=1.0,
    class_weight=0.5,
    objectness_target="iou",
    mosaic=0.25,
    masking=0.1,
    rebalance=0.1,
    warmup_epochs=0.5,
    ema_decay=0.97,
    validate_every=3,
    frozen_stages=ALL_STAGES,
)

QUICK_CLASSIFIER = ClassifierRecipe(
    "quick",
    optimiser="adamw",
    learning_rate=3e-4,
    backbone_rate=0.0,
    weight_decay=0.02,
    batch=16,
    epochs=12,
    schedule="cosine",
    warmup_epochs=0.5,
    augmentation="rich",
    label_smoothing=0.05,
    dropout=0.2,
    rebalance=0.05,
    ema_decay=0.97,
)

RETRAININGS: Mapping[tuple[str, str], Retraining] = {
    ("detector", "quick"): Retraining(
        QUICK_DETECTOR,
        guard=0.5,
        replay=2.0,
        passes=1500,
        fewest_epochs=6,
        keep_statistics=True,
        ema_warmup_steps=20,
    ),
    ("detector", "full"): Retraining(DETECTOR_RECIPES["street-onward"], guard=0.25, replay=None),
    ("classifier", "quick"): Retraining(
        QUICK_CLASSIFIER,
        guard=0.5,
        replay=2.0,
        passes=4000,
        fewest_epochs=5,
        keep_statistics=True,
        ema_warmup_steps=20,
    ),
    ("classifier", "full"): Retraining(CLASSIFIER_RECIPES["onward"], guard=0.25, replay=None),
}
"""By kind and mode."""


def retraining_of(mode: str, card: ModelCard) -> Retraining:
    """The retraining of a champion with this card. Raises RecipeError where there is none of that mode."""
    found = RETRAININGS.get((card.kind, mode))
    if found is None:
        raise RecipeError(f"expected a training that is quick or full, got {mode!r}")
    if isinstance(found.recipe, DetectorRecipe):
        return replace(found, recipe=replace(found.recipe, model=card.model, preset=card.preset))
    return replace(found, recipe=replace(found.recipe, model=card.model))
