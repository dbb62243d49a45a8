"""Settings: a value a name."""

from __future__ import annotations

import pytest


def test_what_was_not_chosen_is_the_default(store):
    assert store.settings.get("second_share", 0.1) == 0.1 and store.settings.get("other") is None


@pytest.mark.parametrize("value", [0.25, "text", {"submit": "Enter", "ü": [1, 2]}, [], None, False], ids=repr)
def test_a_chosen_value_comes_back(store, value):
    store.settings.put("name", "before")
    store.settings.put("name", value)
    assert store.settings.get("name", "default") == value
