"""The finer labels that the editor offers, and the category that each of them belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from core.store.categories import Category
from core.taxonomy import load_taxonomy, taxonomy_names


def labels() -> tuple[str, ...]:
    """The finer names to choose from: the classifier's, known without loading it."""
    return load_taxonomy("catalog").categories


def parents_of(categories: Mapping[int, Category]) -> dict[str, int]:
    """The category that each label belongs to, by the store's number, where the store has it."""
    numbers = {category.name.casefold(): category.id for category in categories.values()}
    names = {
        label: name for title in taxonomy_names() for label, name in load_taxonomy(title).parents.items()
    }
    return {label: numbers[name.casefold()] for label, name in names.items() if name.casefold() in numbers}
