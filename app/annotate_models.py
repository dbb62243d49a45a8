"""The finer labels that the editor offers, and the category that each of them belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import WeightsError
from core.models.weights import WEIGHTS_FOLDER, read_card
from core.store.categories import Category
from core.taxonomy import load_taxonomy, taxonomy_names


@st.cache_resource(show_spinner=False)
def labels() -> tuple[str, ...]:
    """The finer names that the classifier knows, from its card; none without one."""
    try:
        return read_card(WEIGHTS_FOLDER / "classifier.safetensors").categories
    except WeightsError:
        return ()


def parents_of(categories: Mapping[int, Category]) -> dict[str, int]:
    """The category that each label belongs to, by the store's number, where the store has it."""
    numbers = {category.name.casefold(): category.id for category in categories.values()}
    names = {
        label: parent for name in taxonomy_names() for label, parent in load_taxonomy(name).parents.items()
    }
    return {label: numbers[name.casefold()] for label, name in names.items() if name.casefold() in numbers}
