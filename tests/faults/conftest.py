"""The store's own databases, for tests that do them harm."""

from tests.core.store.conftest import (
    fresh_store,
    fresh_url,
    make_photo,
    postgresql_server,
    sqlite_template,
    store,
)

__all__ = ["fresh_store", "fresh_url", "make_photo", "postgresql_server", "sqlite_template", "store"]
