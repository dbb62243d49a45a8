"""On which databases a test's store is: on both, unless it is marked."""

from __future__ import annotations

import pytest

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""The SQL is the same as that of a test that runs on both databases, or there is none to speak of."""

on_postgresql = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
"""The same on SQLite is in another test."""
