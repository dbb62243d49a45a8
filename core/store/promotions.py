"""Promotions and rollbacks, one transaction each, and comparisons of two models on a holdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from core.access import LOCAL, Actor, Right, needs
from core.errors import ConflictError, NotFoundError, StoreError
from core.store.audit import record_audit
from core.store.database import Database, one_line
from core.store.models import ModelRow, Models, model_from
from core.store.schema import champions, comparisons, models, promotions
from core.store.webhooks import PROMOTION, record_event
from core.threads import IMPORTS

if TYPE_CHECKING:  # they bring torch
    from core.evaluation.comparison import Comparison
    from core.evaluation.gate import Verdict


LONGEST_REQUEST = 64


class PromotionRefused(StoreError):
    """The gate does not let the candidate pass; the sentence says why."""


@dataclass(frozen=True)
class Promotion:
    """A change of the champion. ``action`` is first, update, promote, overrule or rollback."""

    id: int
    kind: str
    model_id: int
    previous_id: int | None
    action: str
    comparison_id: int | None
    reason: str
    request: str
    by: str
    at: float


@dataclass(frozen=True)
class Promotions:
    """The changes of champions, and the way to another."""

    database: Database
    models: Models
    actor: Actor = LOCAL

    @needs(Right.PROMOTE)
    def promote(
        self,
        model_id: int,
        *,
        expected_champion: int,
        request: str,
        comparison_id: int | None = None,
        overrule_reason: str = "",
    ) -> Promotion:
        """Let a candidate take over from the champion that the person has seen, or change nothing.

        The weights are checked first. The comparison of this very pair on the newest revision that has one
        must pass the gate, unless ``overrule_reason`` says why not, which is recorded. ``request`` names the
        promotion: sent twice it is one. Raises WeightsError for weights that could not serve, ConflictError
        where another champion serves by now or there is a newer comparison than ``comparison_id``,
        PromotionRefused with the gate's sentence, NotFoundError for no such model.
        """
        known = self._promoted_by(request, model_id)
        if known is not None:
            return known
        model = self._model(model_id)
        self._check(model)

        def decide(connection: Connection, champion: ModelRow) -> dict[str, Any]:
            if champion.id != expected_champion:
                raise ConflictError(
                    f"{champion.name} has become the {model.kind} that serves in the meantime."
                )
            if champion.id == model.id:
                raise StoreError(f"{model.name} serves already.")
            found = _decisive(connection, model, champion, comparison_id)
            reason = one_line(overrule_reason)
            passes = found is not None and found.verdict.passes
            if not passes and not reason:
                raise PromotionRefused(_refusal(model, champion, found))
            values = {"comparison_id": found.id if found else None}
            return values | ({"action": "promote"} if passes else {"action": "overrule", "reason": reason})

        return self._change(model, request, decide)

    @needs(Right.PROMOTE)
    def rollback(self, kind: str, *, request: str, expected_champion: int | None = None) -> Promotion:
        """Bring the champion back that was there before; again, the one before that.

        ``expected_champion`` is the one that the person has seen, by default whoever serves. Raises
        NotFoundError where there is none to go back to, WeightsError where its weights could not serve,
        ConflictError where another champion serves by now.
        """
        known = self._promoted_by(request, None)
        if known is not None:
            return known
        seen = self.models.champion(kind).id if expected_champion is None else expected_champion
        previous_id = self.previous(kind)
        if previous_id is None:
            raise NotFoundError(f"There is no {kind} to go back to: none served before.")
        previous = self._model(previous_id)
        self._check(previous)

        def decide(connection: Connection, champion: ModelRow) -> dict[str, Any]:
            if champion.id != seen:
                raise ConflictError(f"{champion.name} has become the {kind} that serves in the meantime.")
            return {"action": "rollback"}

        return self._change(previous, request, decide)

    @needs(Right.EXPLAIN)
    def history(self, kind: str | None = None) -> list[Promotion]:
        """All changes of champions, the latest first."""
        with self.database.read() as connection:
            return changes(connection, kind)

    @needs(Right.EXPLAIN)
    def previous(self, kind: str) -> int | None:
        """The model that a rollback would bring back; None where there is none."""
        line = succession(self.history(kind))
        return line[1] if len(line) > 1 else None

    def _promoted_by(self, request: str, model_id: int | None) -> Promotion | None:
        """The promotion that this request has already made. Raises StoreError for a request of another."""
        if not 1 <= len(request) <= LONGEST_REQUEST:
            raise StoreError(f"expected a request's name of 1 to {LONGEST_REQUEST} characters")
        row = self.database.row(_made_by(request))
        if row is not None and model_id not in (None, row.model_id):
            raise ConflictError("This request has promoted another model already.")
        return None if row is None else _promotion(row)

    def _model(self, id: int) -> ModelRow:
        with self.database.read() as connection:
            return _model_in(connection, id)

    def _check(self, model: ModelRow) -> None:
        """Raises WeightsError for weights that could not serve."""
        with IMPORTS:
            from core.models.loading import check_weights  # brings torch

        check_weights(self.models.file_of(model), model.kind, model.card.categories)

    def _change(
        self, model: ModelRow, request: str, decide: Callable[[Connection, ModelRow], dict[str, Any]]
    ) -> Promotion:
        """Let a model serve, in one transaction that locks the champion; ``decide`` checks it."""
        self.models.champion(model.kind)  # the first ones are there from now on
        serving = sa.select(champions.c.model_id).where(champions.c.kind == model.kind)
        try:
            with self.database.write() as connection:
                champion = _model_in(connection, connection.execute(serving.with_for_update()).scalar_one())
                again = connection.execute(_made_by(request)).one_or_none()
                if again is not None and again.model_id == model.id:
                    return _promotion(again)
                values = {"comparison_id": None, "reason": ""} | decide(connection, champion)
                return self._write(connection, model, champion, values | {"request": request})
        except IntegrityError as error:
            raise ConflictError("This request has promoted another model already.") from error

    def _write(
        self, connection: Connection, model: ModelRow, champion: ModelRow, values: dict[str, Any]
    ) -> Promotion:
        now = self.database.now
        taking = sa.update(champions).where(champions.c.kind == model.kind).values(model_id=model.id, at=now)
        connection.execute(taking)
        whose = {"kind": model.kind, "model_id": model.id, "previous_id": champion.id}
        values = values | whose | {"by": one_line(self.actor.name, 200), "at": now}
        insert = sa.insert(promotions).values(**values).returning(*promotions.c)
        made = _promotion(connection.execute(insert).one())
        details: dict[str, Any] = {"kind": model.kind, "previous": champion.name, "reason": made.reason}
        details |= {"comparison": made.comparison_id, "promotion": made.id}
        record_audit(connection, self.database, self.actor, made.action, model.name, **details)
        told = {"kind": model.kind, "model": model.id, "name": model.name, "action": made.action}
        record_event(self.database, connection, PROMOTION, told | {"previous": champion.name, "by": made.by})
        return made


def changes(connection: Connection, kind: str | None = None) -> list[Promotion]:
    """All changes of champions within a transaction, the latest first."""
    chosen = sa.select(promotions).order_by(promotions.c.id.desc())
    if kind is not None:
        chosen = chosen.where(promotions.c.kind == kind)
    return [_promotion(row) for row in connection.execute(chosen)]


def succession(changes: list[Promotion]) -> list[int]:
    """The models that a kind's champion came from: the champion first, then whom each rollback would bring.

    A promotion puts a model on the pile, a rollback takes the uppermost away.
    """
    pile: list[int] = []
    for change in sorted(changes, key=lambda change: change.id):
        if change.action == "rollback" and len(pile) > 1:
            pile.pop()
        else:
            pile.append(change.model_id)
    return pile[::-1]


def _decisive(
    connection: Connection, model: ModelRow, champion: ModelRow, comparison_id: int | None
) -> ComparisonRow | None:
    """The comparison of this very pair on the newest revision that has one."""
    newest = next(iter(compared(connection, model.id, champion.id)), None)
    if comparison_id is not None and (newest is None or newest.id != comparison_id):
        raise ConflictError(f"There is another comparison of {model.name} with {champion.name} by now.")
    return newest


def _refusal(model: ModelRow, champion: ModelRow, comparison: ComparisonRow | None) -> str:
    if comparison is None:
        return f"{model.name} has not been compared with {champion.name}, which serves: compare them first."
    return f"{model.name} is not promoted. {comparison.verdict.sentence}"


def _made_by(request: str) -> sa.Select[Any]:
    return sa.select(promotions).where(promotions.c.request == request)


def _model_in(connection: Connection, id: int) -> ModelRow:
    row = connection.execute(sa.select(models).where(models.c.id == id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no model number {id}.")
    return model_from(row)


def _promotion(row: Row) -> Promotion:
    return Promotion(**row._mapping)


@dataclass(frozen=True)
class ComparisonRow:
    """A candidate and a champion on the holdout photos of a revision.

    ``report`` is JSON: "comparison", "changed" (photos, see ``core.evaluation.photo_changes``) and "seconds".
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
        from core.evaluation.comparison import Comparison

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
        insert = self.database.insert(comparisons).values(**keys, **values)
        new = {name: insert.excluded[name] for name in values}
        saving = insert.on_conflict_do_update(index_elements=list(keys), set_=new).returning(*comparisons.c)
        with self.database.write() as connection:
            return _comparison(connection.execute(saving).one())


def compared(
    connection: Connection, candidate_id: int, champion_id: int | None = None
) -> list[ComparisonRow]:
    """A candidate's comparisons within a transaction, of the newest revision first."""
    chosen = sa.select(comparisons).where(comparisons.c.candidate_id == candidate_id)
    if champion_id is not None:
        chosen = chosen.where(comparisons.c.champion_id == champion_id)
    rows = connection.execute(chosen.order_by(comparisons.c.revision.desc(), comparisons.c.id.desc()))
    return [_comparison(row) for row in rows]


def _comparison(row: Row) -> ComparisonRow:
    return ComparisonRow(row.id, row.candidate_id, row.champion_id, row.revision, row.report, row.at)
