"""The store of the store's own tests: on both databases where the code asks in SQL, else on SQLite alone."""

from collections.abc import Callable

import pytest

from core.store import Store
from tests.core.store.conftest import (
    KINDS,
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
)

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]

WITH_SQL = ("test_effect.py", "test_ordering.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Both databases for the tests of what asks them itself."""
    if "store" in metafunc.fixturenames and metafunc.definition.path.name in WITH_SQL:
        metafunc.parametrize("store", KINDS, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, fresh_store: Callable[[str], Store]) -> Store:
    """An empty store."""
    return fresh_store(getattr(request, "param", "sqlite"))
