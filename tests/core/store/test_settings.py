"""Settings: a value a name."""

from __future__ import annotations


def test_what_was_not_chosen_is_the_default(store):
    assert store.settings.get("second_share", 0.1) == 0.1 and store.settings.get("other") is None


def test_a_chosen_value_comes_back(store):
    for value in ("before", 0.25, "text", {"submit": "Enter", "ü": [1, 2]}, [], None, False):
        store.settings.put("name", value)
        assert store.settings.get("name", "default") == value
