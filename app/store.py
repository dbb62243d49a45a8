"""The store as a page gets it: in the name of whoever is there."""

from __future__ import annotations

from app.identity import current_actor
from app.machine_store import machine_store
from core.store import Store


def workspace_store() -> Store:
    """The store for the person at this page: it does what they may, in their name.

    Raises StoreError with one sentence where it cannot be opened, AccessError for somebody who has not
    signed in.
    """
    return machine_store().acting(current_actor())
