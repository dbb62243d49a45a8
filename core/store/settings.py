"""Settings by name: of the whole store, of single users, and values that the machine has found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import LOCAL, Actor, Right, needs
from core.errors import StoreError
from core.store.audit import record_audit
from core.store.database import Database
from core.store.schema import settings as table
from core.value_checks import (
    Check,
    corners,
    fields,
    integer,
    json_value,
    list_of,
    map_of,
    name,
    number,
    or_none,
    pair,
    positive,
    share,
    text,
    truth,
)

MOST_CHARACTERS = 100
PROJECTS_SETTING = "projects"
"""Of the first project's store: all of them, see core.store.projects."""

_PROJECTS_LOCK = 0x1A9EC


def check_setting(setting: str, value: Any) -> None:
    """Whether a value is one that this setting may have. Raises ValueError that says what was expected."""
    json_value(value)
    _CHECKS.get(setting, json_value)(value)


_ISSUE: dict[str, Check] = {
    "photo_id": positive, "kind": name, "score": share, "reason": text, "version": positive,
    "box_xyxy": or_none(corners), "category_id": or_none(positive),
}  # fmt: skip
_OLDER_ISSUE = _ISSUE.keys() - {"box_xyxy", "category_id"}
_PROJECT: dict[str, Check] = {
    "slug": text, "name": name, "by": text, "at": lambda value: number(value, 0.0)
}  # fmt: skip
_GUIDELINE: dict[str, Check] = {
    "lines": list_of(text), "examples": list_of(pair(positive, lambda value: text(value, 64)))
}  # fmt: skip
_CHECKS: dict[str, Check] = {
    "guidelines": map_of(lambda entry: fields(entry, _GUIDELINE, _GUIDELINE.keys())),
    "projects": list_of(lambda entry: fields(entry, _PROJECT, _PROJECT.keys())),
    "second_share": share,
    "queue_method": name,
    "queue_model": or_none(list_of(positive, exactly=2)),
    "labeling_requested_for": or_none(list_of(positive, exactly=2)),
    "model_categories": map_of(positive),
    "label_issues": list_of(lambda entry: fields(entry, _ISSUE, _OLDER_ISSUE)),
    "order_every": positive,
    "ordered_at": integer,
    "review_imported": truth,
    "unaided_holdout": truth,
    "box_attributes": list_of(name),
}


@dataclass(frozen=True)
class Settings:
    """Names of at most 100 characters to values of JSON."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where none was chosen."""
        return self._get(name, default)

    @needs(Right.SETTINGS)
    def put(self, name: str, value: Any) -> None:
        """Choose a value for everybody; the audit log has it."""
        with self.database.write() as connection:
            self._put(connection, name, value)
            record_audit(connection, self.database, self.actor, "setting", name, value=value)

    @needs(Right.SETTINGS)
    def remember(self, name: str, value: Any) -> None:
        """Save a value that the machine has found; nobody chose it, and the audit log does not have it."""
        with self.database.write() as connection:
            self._put(connection, name, value)

    @needs(Right.PREVIEW)
    def known_projects(self) -> list[dict[str, Any]]:
        """The projects as :mod:`core.store.projects` saves them: everybody may know their names."""
        return list(self._get(PROJECTS_SETTING, ()))

    @needs(Right.SETTINGS)
    def change_projects(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Replace the projects by what ``change`` makes of them, one change at a time; it is audited."""
        with self.database.write() as connection:
            self.database.lock(connection, _PROJECTS_LOCK)
            row = connection.execute(sa.select(table.c.value).where(table.c.name == PROJECTS_SETTING)).first()
            value = change([] if row is None else list(row.value))
            self._put(connection, PROJECTS_SETTING, value)
            record_audit(connection, self.database, self.actor, "setting", PROJECTS_SETTING, value=value)

    @needs(Right.READ)
    def own(self, person: str, name: str, default: Any = None) -> Any:
        """What a person has chosen for themselves. Raises NotFoundError for another person."""
        self.actor.require_own(person)
        return self._get(_own_name(person, name), default)

    @needs(Right.ANNOTATE)
    def put_own(self, person: str, name: str, value: Any) -> None:
        """Choose a value for oneself. Raises NotFoundError for another person."""
        self.actor.require_own(person)
        with self.database.write() as connection:
            self._put(connection, _own_name(person, name), value)

    def _get(self, name: str, default: Any) -> Any:
        row = self.database.row(sa.select(table.c.value).where(table.c.name == name))
        return default if row is None else row.value

    def _put(self, connection: Connection, name: str, value: Any) -> None:
        try:
            check_setting(name, value)
        except ValueError as error:
            raise StoreError(f"the setting {name[:MOST_CHARACTERS]!r} cannot be saved: {error}") from error
        insert = self.database.insert(table).values(name=name, value=value)
        chosen = {"value": insert.excluded.value}
        connection.execute(insert.on_conflict_do_update(index_elements=[table.c.name], set_=chosen))


def _own_name(person: str, name: str) -> str:
    """The setting of one person's; a long name is there by its digest."""
    whole = f"{name} of {person}"
    digest = hashlib.sha256(person.encode()).hexdigest()
    return whole if len(whole) <= MOST_CHARACTERS else f"{name} of {digest}"
