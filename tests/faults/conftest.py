"""The store's own databases, for tests that do them harm, and time for those that do it often."""

import os
from pathlib import Path

import pytest

from tests.core.store.conftest import (
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
    store,
)
from tests.faults.counts import VARIABLE, timeout_seconds

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where ``LAPEL_FAULTS`` says how often harm is done, there is time for it."""
    if os.environ.get(VARIABLE):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(timeout_seconds()))
