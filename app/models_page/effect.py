"""What corrections brought."""

from __future__ import annotations

from core.store import Store


def show(store: Store, kind: str) -> None:
    """Charts."""
