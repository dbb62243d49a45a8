"""Comparisons of two models on a revision's holdout, as they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.access import LOCAL, Actor, Right, needs
from core.errors import NotFoundError
from core.store.database import Database
from core.store.schema import comparisons as table

if TYPE_CHECKING:  # they bring torch
    from core.evaluation.gate import Verdict
    from core.evaluation.paired import Comparison


@dataclass(frozen=True)
class ComparisonRow:
    """A candidate and a champion on the holdout photos of a revision.

    ``report`` is JSON: "comparison", "changed" (photos, see ``core.learning.changes``) and "seconds".
    """

    id: int
    candidate_id: int
    champion_id: int
    revision: int
    report: Mapping[str, Any]
    at: float

    @property
    def comparison(self) -> Comparison:
        """The figures of both with their intervals."""
        from core.evaluation.paired import Comparison

        return Comparison.from_dict(self.report["comparison"])

    @property
    def verdict(self) -> Verdict:
        """Whether the candidate may take over."""
        from core.evaluation.gate import gate

        return gate(self.comparison)

    @property
    def changed(self) -> list[Mapping[str, Any]]:
        """The photos on which the two differ most, as JSON."""
        return list(self.report["changed"])


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of the store; one a pair of models and revision."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.EXPLAIN)
    def get(self, id: int) -> ComparisonRow:
        """A comparison. Raises NotFoundError."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
        if row is None:
            raise NotFoundError("There is no such comparison.")
        return _comparison(row)

    @needs(Right.EXPLAIN)
    def of(self, candidate_id: int, champion_id: int | None = None) -> list[ComparisonRow]:
        """A candidate's comparisons, with one champion or with all; of the newest revision first."""
        with self.database.read() as connection:
            return compared(connection, candidate_id, champion_id)

    @needs(Right.TRAIN)
    def save(
        self, candidate_id: int, champion_id: int, revision: int, report: Mapping[str, Any]
    ) -> ComparisonRow:
        """Keep what came out; measured again, it takes the place of the former."""
        keys = {"candidate_id": candidate_id, "champion_id": champion_id, "revision": revision}
        values = {"report": dict(report), "at": self.database.now}
        insert = self.database.insert(table).values(**keys, **values)
        new = {name: insert.excluded[name] for name in values}
        saving = insert.on_conflict_do_update(index_elements=list(keys), set_=new).returning(*table.c)
        with self.database.write() as connection:
            return _comparison(connection.execute(saving).one())


def compared(
    connection: Connection, candidate_id: int, champion_id: int | None = None
) -> list[ComparisonRow]:
    """A candidate's comparisons within a transaction, of the newest revision first."""
    chosen = sa.select(table).where(table.c.candidate_id == candidate_id)
    if champion_id is not None:
        chosen = chosen.where(table.c.champion_id == champion_id)
    rows = connection.execute(chosen.order_by(table.c.revision.desc(), table.c.id.desc()))
    return [_comparison(row) for row in rows]


def _comparison(row: Row) -> ComparisonRow:
    return ComparisonRow(row.id, row.candidate_id, row.champion_id, row.revision, row.report, row.at)
