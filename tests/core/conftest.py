"""An empty store on SQLite; ``tests/core/store`` has both databases, as SQL is asked there alone."""

from collections.abc import Callable

import pytest

from core.store import Store
from tests.core.store.conftest import fresh_store, fresh_url, make_photo, postgresql_server, sqlite_template

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]


@pytest.fixture
def store(fresh_store: Callable[[str], Store]) -> Store:
    """An empty store."""
    return fresh_store("sqlite")
