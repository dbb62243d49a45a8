"""Figures, differences and models in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.evaluation.gate import CLASS_BOXES, CLASS_LOSS
from core.evaluation.paired import ClassPair
from core.evaluation.resampling import Interval
from core.models.cards import ModelCard
from core.store.models import ModelRow

NAMES = {
    "mAP50": "mAP50",
    "mAP": "mAP",
    "precision": "Precision",
    "recall": "Recall",
    "top1": "Top-1",
    "top3": "Top-3",
    "top5": "Top-5",
}
NOT_MEASURED = "–"
ROUNDING = 1e-9


def percent(share: float | None) -> str:
    """A share in percent.

    >>> percent(0.4125), percent(None)
    ('41.2 %', '–')
    """
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"


def gained(share: float | None) -> str:
    """A difference in points, with its sign.

    >>> gained(0.0125), gained(-0.2)
    ('+1.2', '-20.0')
    """
    return NOT_MEASURED if share is None else f"{100 * share:+.1f}"


def between(interval: Interval | None, signed: bool = False) -> str:
    """An interval's ends, in percent or points."""
    if interval is None:
        return ""
    form = "+.1f" if signed else ".1f"
    return f"{100 * interval[0]:{form}} to {100 * interval[1]:{form}}"


def is_lost(entry: ClassPair) -> bool:
    """Whether a class with enough boxes loses more than the gate allows."""
    return entry.boxes >= CLASS_BOXES and (entry.figure.difference or 0.0) < -CLASS_LOSS - ROUNDING


def mark(entry: ClassPair) -> str:
    """What is to be said of a class beside its difference."""
    if is_lost(entry):
        return "▼ lost too much"
    if entry.figure.difference is not None and entry.boxes < CLASS_BOXES:
        return "few boxes"
    return ""


def origin(model: ModelRow) -> str:
    """Where a model comes from, in a few words."""
    return f"revision {model.revision}" if model.revision is not None else "came with Lapel"


def recipe_of(card: ModelCard) -> str:
    """The recipe's name and epochs, as far as the card has them."""
    recipe = _recipe(card)
    epochs = recipe.get("epochs")
    name = str(recipe.get("name") or NOT_MEASURED)
    return f"{name}, {epochs} epochs" if epochs else name


def fact_of(card: ModelCard, name: str) -> str:
    """A plain fact of the card's training, or of its recipe."""
    found = card.training.get(name, _recipe(card).get(name))
    return NOT_MEASURED if found is None else str(found)


def _recipe(card: ModelCard) -> Mapping[str, Any]:
    """The settings of the training; a retraining's lie one further down."""
    recipe = card.training.get("recipe")
    if isinstance(recipe, dict) and isinstance(recipe.get("recipe"), dict):
        recipe = recipe["recipe"]
    return recipe if isinstance(recipe, dict) else {"name": recipe}
