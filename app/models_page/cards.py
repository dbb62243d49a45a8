"""A model's card in short: what it is, what it came from, how it can be known again."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.models_page.words import fact_of, origin, recipe_of
from app.wording import counted, literal, moment
from core.store.models import ModelRow


def show(role: str, model: ModelRow, names: Mapping[int, str]) -> None:
    """The card under its role; ``names`` are those of all models by number."""
    with st.container(border=True, height="stretch"):
        st.caption(role)
        st.markdown(f"**{literal(model.name)}**")
        st.markdown(facts(model, names))
        if model.card.notes:
            with st.expander("Notes and figures of its own", key=f"notes-{role}-{model.id}"):
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
        "Learned from": origin(model),
        "Parent": parent,
        "Recipe": recipe_of(card),
        "Seed": fact_of(card, "seed"),
        "Commit": fact_of(card, "commit"),
        "Model": f"{card.model} {card.preset}, {size}",
        "Digest": model.digest[:16],
        "Made": f"{moment(model.at)} by {model.by}",
    }
    return "  \n".join(f"{name}: {literal(value)}" for name, value in rows.items())
