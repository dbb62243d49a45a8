"""A model's card in short, and its figures as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components.choices import origin
from app.text import counted, literal, moment
from core.evaluation.bootstrap import Interval
from core.evaluation.comparison import ClassComparison
from core.evaluation.gate import has_enough_boxes, loses_too_much
from core.models.cards import ModelCard
from core.store.models import ModelRow


def show(role: str, model: ModelRow, names: Mapping[int, str]) -> None:
    """The card under its role; ``names`` are those of all models by id."""
    with st.container(border=True, height="stretch"):
        st.caption(role)
        st.markdown(f"**{literal(model.name)}**")
        st.markdown(facts(model, names))
        if model.card.notes:
            with st.expander("Notes and metrics", key=f"notes-{role}-{model.id}"):
                st.text(model.card.notes)
                plain = {k: v for k, v in model.card.metrics.items() if isinstance(v, int | float | str)}
                if plain:
                    st.text("\n".join(f"{name}: {value}" for name, value in plain.items()))


def facts(model: ModelRow, names: Mapping[int, str]) -> str:
    """The facts as lines of Markdown."""
    card = model.card
    parent = names.get(model.parent_id, "a deleted model") if model.parent_id is not None else "none"
    nouns = ("label", "labels") if model.kind == "classifier" else ("category", "categories")
    size = f"{card.input_size} pixels, {counted(len(card.categories), *nouns)}"
    rows = {
        "Trained on": origin(model),
        "Parent": parent,
        "Recipe": recipe_of(card),
        "Seed": fact_of(card, "seed"),
        "Commit": fact_of(card, "commit"),
        "Model": f"{card.model} {card.preset}, {size}",
        "Digest": model.digest[:16],
        "Made": f"{moment(model.at)} by {model.by}",
    }
    return "  \n".join(f"{name}: {literal(value)}" for name, value in rows.items())


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


def percent(share: float | None) -> str:
    """A share in percent.

    >>> percent(0.4125), percent(None)
    ('41.2 %', '–')
    """
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"


def gained(share: float | None) -> str:
    """A difference in percentage points, with its sign.

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


def mark(entry: ClassComparison) -> str:
    """The remark beside a class's difference."""
    if loses_too_much(entry):
        return "▼ lost too much"
    if entry.metric.difference is not None and not has_enough_boxes(entry):
        return "few boxes"
    return ""


def recipe_of(card: ModelCard) -> str:
    """The recipe's name and epochs, as far as the card has them."""
    recipe = _recipe(card)
    epochs = recipe.get("epochs")
    name = str(recipe.get("name") or NOT_MEASURED)
    return f"{name}, {epochs} epochs" if epochs else name


def fact_of(card: ModelCard, name: str) -> str:
    """A value of the card's training settings, or of its recipe."""
    found = card.training.get(name, _recipe(card).get(name))
    return NOT_MEASURED if found is None else str(found)


def _recipe(card: ModelCard) -> Mapping[str, Any]:
    """The settings of the training; a fine-tuning nests them one level deeper."""
    recipe = card.training.get("recipe")
    if isinstance(recipe, dict) and isinstance(recipe.get("recipe"), dict):
        recipe = recipe["recipe"]
    return recipe if isinstance(recipe, dict) else {"name": recipe}
