"""A person's own keys for the editor, kept in the store so that they are there on every machine."""

from __future__ import annotations

from collections.abc import Mapping

from core.store import Store

SETTING = "keys"


def own_keys(store: Store, person: str) -> dict[str, str]:
    """The keys that the person has changed, by action; none for most."""
    found = store.settings.own(person, SETTING, {})
    return {str(action): str(key) for action, key in found.items()} if isinstance(found, dict) else {}


def save_keys(store: Store, person: str, keys: Mapping[str, str]) -> None:
    """Keep the person's keys; an empty mapping brings the usual ones back."""
    store.settings.put_own(person, SETTING, dict(keys))
