"""What people have chosen for all of the store, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.access import LOCAL, Actor
from core.store.database import Database
from core.store.schema import settings as table


@dataclass(frozen=True)
class Settings:
    """Names of at most 100 characters to values of JSON."""

    database: Database
    actor: Actor = LOCAL

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where none was chosen."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(table.c.value).where(table.c.name == name)).one_or_none()
        return default if row is None else row.value

    def put(self, name: str, value: Any) -> None:
        """Choose a value."""
        insert = self.database.insert(table).values(name=name, value=value)
        with self.database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[table.c.name], set_={"value": insert.excluded.value}
                )
            )
