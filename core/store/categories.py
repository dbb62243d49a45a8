"""Categories of boxes: users add and rename them, boxes refer to their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import INITIAL_AUTHOR, LOCAL, Actor, Right, needs
from core.boxes import BOX_FLAGS, MOST_FLAG, MOST_FLAGS, flag_name
from core.errors import ConflictError, NotFoundError, StoreError
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.schema import categories as table
from core.store.schema import settings
from core.taxonomy import category_key, color_of, load_taxonomy, taxonomy_names

MOST_CHARACTERS = 60
MOST_CATEGORIES = 1000
TOO_MANY = f"expected at most {MOST_CATEGORIES} categories"

ATTRIBUTES = "box_attributes"
"""The setting with the boxes' own attributes."""

_LOCK = 0x1A9E2


@dataclass(frozen=True)
class Category:
    """A category; ``color`` is #rrggbb, ``position`` its place in lists."""

    id: int
    name: str
    position: int
    color: str


@dataclass(frozen=True)
class Categories:
    """The store's categories. Names are trimmed, 1 to 60 characters, and different whatever their case."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def all(self) -> tuple[Category, ...]:
        """All categories by position."""
        with self.database.read() as connection:
            return _all(connection)

    @needs(Right.READ)
    def by_id(self) -> dict[int, Category]:
        """All categories by number, in the order of their position."""
        return {category.id: category for category in self.all()}

    @needs(Right.TAXONOMY)
    def add(self, name: str, by: str) -> Category:
        """A new category at the end. Raises StoreError for a bad name, ConflictError for a known one."""
        name = checked_name(name)
        with self.database.write() as connection:
            known = self._locked(connection)
            _refuse_known(name, known)
            return self._add(connection, name, self.actor.known_as(by), known)

    @needs(Right.TAXONOMY)
    def rename(self, id: int, name: str, by: str) -> Category:
        """Another name for a category, also on all boxes that have it; old revisions keep the old one.

        Raises StoreError for a bad name, ConflictError for another's, NotFoundError for no such category.
        """
        name = checked_name(name)
        with self.database.write() as connection:
            known = self._locked(connection)
            _refuse_known(name, {key: found for key, found in known.items() if found.id != id})
            if not any(found.id == id for found in known.values()):
                raise NotFoundError("There is no such category.")
            was, who = next(found.name for found in known.values() if found.id == id), self.actor.known_as(by)
            change = sa.update(table).where(table.c.id == id)
            connection.execute(change.values(name=name, by=one_line(who.name, 200), at=self.database.now))
            record_audit(connection, self.database, who, "rename category", name, id=id, before=was)
            return next(found for found in _all(connection) if found.id == id)

    @needs(Right.IMPORT)
    def ensure(self, names: Iterable[str], by: str) -> dict[str, int]:
        """The number of every name as it was given, with the missing ones added; case makes no difference.

        This is how photos bring the categories of their boxes along: it takes the right to bring them in, not
        the one to change the categories.
        """
        wanted = {name: checked_name(name) for name in names}
        with self.database.read() as connection:
            known = _by_key(_all(connection))
        if any(_key(name) not in known for name in wanted.values()):
            with self.database.write() as connection:
                known = self._locked(connection)
                for name in wanted.values():
                    if _key(name) not in known:
                        known[_key(name)] = self._add(connection, name, self.actor.known_as(by), known)
        return {given: known[_key(name)].id for given, name in wanted.items()}

    @needs(Right.READ)
    def attributes(self) -> tuple[str, ...]:
        """The attributes of one's own that boxes may have beside the usual flags."""
        found = sa.select(settings.c.value).where(settings.c.name == ATTRIBUTES)
        return tuple(self.database.value(found) or ())

    @needs(Right.TAXONOMY)
    def set_attributes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Choose the boxes' own attributes, in this order; boxes keep what they have.

        Blanks in a name become ``_``. Raises StoreError for a name that cannot be one, and too many.
        """
        chosen = tuple(dict.fromkeys(flag_name(name) for name in names if name.strip()))
        if "" in chosen or len(chosen) > MOST_FLAGS:
            raise StoreError(
                f"expected at most {MOST_FLAGS} attributes with names of up to {MOST_FLAG} characters, "
                "without quotation marks, commas and semicolons"
            )
        own = [name for name in chosen if name not in BOX_FLAGS]
        insert = self.database.insert(settings).values(name=ATTRIBUTES, value=own)
        with self.database.write() as connection:
            change = insert.on_conflict_do_update(index_elements=[settings.c.name], set_={"value": own})
            connection.execute(change)
            record_audit(connection, self.database, self.actor, "setting", ATTRIBUTES, value=own)
        return tuple(own)

    @needs(Right.TAXONOMY)
    def add_defaults(self) -> None:
        """Give an empty store the thirteen categories of the taxonomy "street13"."""
        if self.all():
            return
        with self.database.write() as connection:
            known = self._locked(connection)
            for name in load_taxonomy("street13").categories if not known else ():
                known[_key(name)] = self._insert(connection, name, INITIAL_AUTHOR, known)

    def _locked(self, connection: Connection) -> dict[str, Category]:
        self.database.lock(connection, _LOCK)
        return _by_key(_all(connection))

    def _add(self, connection: Connection, name: str, who: Actor, known: Mapping[str, Category]) -> Category:
        """One more category, in the audit log as well."""
        added = self._insert(connection, name, who.name, known)
        record_audit(connection, self.database, who, "add category", name, id=added.id)
        return added

    def _insert(self, connection: Connection, name: str, by: str, known: Mapping[str, Category]) -> Category:
        if len(known) >= MOST_CATEGORIES:
            raise StoreError(TOO_MANY)
        position = 1 + max((category.position for category in known.values()), default=-1)
        values = {"name": name, "position": position, "by": one_line(by, 200), "at": self.database.now}
        id = connection.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()
        return Category(id, name, position, color_of(name))


def checked_name(name: str) -> str:
    """The name, trimmed. Raises StoreError where nothing is left, or too much."""
    name = one_line(name, MOST_CHARACTERS + 1)
    if not 1 <= len(name) <= MOST_CHARACTERS:
        raise StoreError(f"expected a category's name of 1 to {MOST_CHARACTERS} characters, got {name!r}")
    return name


def category_of_label(categories: Iterable[Category]) -> dict[str, int]:
    """The id of the category that each label of a taxonomy belongs to, where it is one of these."""
    ids = {_key(category.name): category.id for category in categories}
    parents = {
        label: name for title in taxonomy_names() for label, name in load_taxonomy(title).parents.items()
    }
    return {label: ids[_key(name)] for label, name in parents.items() if _key(name) in ids}


def _all(connection: Connection) -> tuple[Category, ...]:
    rows = connection.execute(sa.select(table).order_by(table.c.position, table.c.id))
    return tuple(Category(row.id, row.name, row.position, color_of(row.name)) for row in rows)


def _by_key(found: Iterable[Category]) -> dict[str, Category]:
    return {_key(category.name): category for category in found}


def _key(name: str) -> str:
    return category_key(name)


def _refuse_known(name: str, known: Mapping[str, Category]) -> None:
    if _key(name) in known:
        raise ConflictError(f"There is a category {known[_key(name)].name!r} already.")
