"""The store of the store's own tests, on SQLite alone: what learns and serves asks a store, no database."""

from collections.abc import Callable

import pytest

from core.store import Store
from tests.core.store.conftest import fresh_store, fresh_url, make_photo, postgresql_server, sqlite_template

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]


@pytest.fixture
def store(fresh_store: Callable[[str], Store]) -> Store:
    """An empty store."""
    return fresh_store("sqlite")
