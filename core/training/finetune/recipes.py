"""Fine-tuning recipes, quick and full: freezing, replay, distillation from the champion, and the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.errors import RecipeError
from core.models.cards import ModelCard
from core.models.registry import classifier_config, finetuning_refusal
from core.training.recipes import (
    CLASSIFIER_RECIPES,
    DETECTOR_RECIPES,
    ClassifierRecipe,
    DetectorRecipe,
    Recipe,
)

ALL_STAGES = 5
"""The detector's backbone has five stages; frozen with the stem, they are all of it."""


@dataclass(frozen=True)
class FinetuneRecipe:
    """A recipe, and what keeps the champion's knowledge (learning without forgetting, replay).

    ``distillation_weight`` weighs the distillation loss beside the loss of the annotations. ``replay`` is the
    number of photos learned before that an epoch takes for each corrected one, None for all of them.
    ``sample_budget`` is the number of photos seen in all, by a detector of the preset nano; larger ones see
    fewer in the same time (``SAMPLE_SHARES``). The recipe's epochs are the maximum, ``fewest_epochs`` the
    minimum: an epoch takes all corrected photos, and as many others as the budget leaves room for.
    ``freeze_bn`` leaves batch norm's statistics as the champion has them.
    """

    recipe: Recipe
    distillation_weight: float
    replay: float | None
    sample_budget: int | None = None
    fewest_epochs: int = 1
    freeze_bn: bool = False
    ema_warmup_steps: int = 300

    def __post_init__(self) -> None:
        if self.distillation_weight < 0 or (self.replay is not None and self.replay < 0):
            raise RecipeError("expected distillation_weight and replay of 0 or more")

    @property
    def is_backbone_frozen(self) -> bool:
        """Whether only the layers after the backbone learn."""
        if isinstance(self.recipe, DetectorRecipe):
            return self.recipe.frozen_stages == ALL_STAGES
        return self.recipe.backbone_rate == 0

    def for_photos(self, count: int, seed: int) -> FinetuneRecipe:
        """With the epochs for ``count`` photos (or crops) an epoch, and a seed."""
        epochs = self.recipe.epochs
        if self.sample_budget is not None:
            epochs = max(self.fewest_epochs, min(epochs, round(self.sample_budget / max(count, 1))))
        return replace(self, recipe=replace(self.recipe, epochs=epochs, seed=seed))

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain data, as it is recorded."""
        return asdict(self)


SAMPLE_SHARES = {"pico": 1.0, "nano": 1.0, "tiny": 0.6, "small": 0.4, "medium": 0.2, "full": 0.1}
"""How much of a sample budget detectors of each preset see: about their speed beside nano's on a CPU."""

QUICK_DETECTOR = DetectorRecipe(
    "quick",
    learning_rate=6e-4,
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
    ema_decay=0.98,
    validate_every=3,
    frozen_stages=3,
)

QUICK_CLASSIFIER = ClassifierRecipe(
    "quick",
    optimizer="adamw",
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

FINETUNE_RECIPES: Mapping[tuple[str, str], FinetuneRecipe] = {
    ("detector", "quick"): FinetuneRecipe(
        QUICK_DETECTOR,
        distillation_weight=0.25,
        replay=100.0,  # all there are, as far as the sample budget leaves room
        sample_budget=2400,
        fewest_epochs=6,
        freeze_bn=True,
        ema_warmup_steps=20,
    ),
    ("detector", "full"): FinetuneRecipe(
        DETECTOR_RECIPES["street-onward"], distillation_weight=0.25, replay=None
    ),
    ("classifier", "quick"): FinetuneRecipe(
        QUICK_CLASSIFIER,
        distillation_weight=0.5,
        replay=2.0,
        sample_budget=4000,
        fewest_epochs=5,
        freeze_bn=True,
        ema_warmup_steps=20,
    ),
    ("classifier", "full"): FinetuneRecipe(
        CLASSIFIER_RECIPES["onward"], distillation_weight=0.25, replay=None
    ),
}
"""By kind and mode."""


def finetune_recipe(mode: str, card: ModelCard) -> FinetuneRecipe:
    """The fine-tuning recipe for a champion with this card.

    Raises RecipeError for an unknown mode, and for a model that is not fine-tuned.
    """
    refusal = finetuning_refusal(card.model)
    if refusal:
        raise RecipeError(refusal)
    found = FINETUNE_RECIPES.get((card.kind, mode))
    if found is None:
        raise RecipeError(f"expected a training that is quick or full, got {mode!r}")
    if isinstance(found.recipe, DetectorRecipe):
        recipe = replace(found.recipe, model=card.model, preset=card.preset)
        budget = found.sample_budget and round(found.sample_budget * SAMPLE_SHARES.get(card.preset, 1.0))
        return replace(found, recipe=recipe, sample_budget=budget)
    config = classifier_config(card.model, len(card.categories), card.preset, card.input_size)
    network: dict[str, Any] = {"model": config.name, "preset": config.preset, "input_size": config.size}
    return replace(found, recipe=replace(found.recipe, **network))
