"""Models: weights as blobs with their cards and origins, and copies of the weights on this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from core.access import INITIAL_AUTHOR, LOCAL, Actor, Right, needs
from core.errors import LapelError, NotFoundError, StoreError, WeightsError
from core.file_names import free_name
from core.models.cards import DIGEST, KINDS, ModelCard, card_from, is_same_model, read_card, shipped_weights
from core.store.audit import record_audit
from core.store.blobs import Blobs, digest_of
from core.store.database import Database, one_line
from core.store.ingest import PHOTOS_LOCK
from core.store.schema import champions, promotions, trainings
from core.store.schema import models as table
from core.store.weight_files import digest_of_unchanged, drop_unused, weights_file
from core.threads import IMPORTS

MOST_CHARACTERS = 90
"""Of a model's name."""

BY_ITSELF = ("first", "update")
"""Changes of the champion that nobody asked for: the first of a new store, and an update of Lapel."""

log = logging.getLogger("lapel.models")

_LOCK = 0x1A9E4


@dataclass(frozen=True)
class ModelRow:
    """A model. ``digest`` is the SHA-256 of its weights; ``card.name`` is its name in the store.

    ``parent_id`` is the model that its training began from, ``revision`` what it learned from,
    ``training_id`` the training; all None for the weights that ship.
    """

    id: int
    kind: str
    name: str
    digest: str
    card: ModelCard
    parent_id: int | None
    revision: int | None
    training_id: int | None
    by: str
    at: float

    @property
    def is_shipped(self) -> bool:
        """Whether it came with Lapel."""
        return self.by == INITIAL_AUTHOR


@dataclass(frozen=True)
class Origin:
    """Where new weights come from; all None: they came with Lapel."""

    parent_id: int | None = None
    revision: int | None = None
    training_id: int | None = None


@dataclass(frozen=True)
class Models:
    """All models of the store; ``folder`` is where this machine has copies of their weights."""

    database: Database
    blobs: Blobs
    folder: Path
    actor: Actor = LOCAL

    def register_shipped(self) -> None:
        """Bring the weights that ship into the store, where it has not got them; many may do so at once.

        The first of a kind are its champion. Later ones, which came with an update of Lapel, replace a
        champion that came with Lapel as well; where a person has chosen a champion before, they are a
        candidate, to be compared with it. Raises WeightsError for weights that are missing or damaged where a
        kind has no champion.
        """
        for kind in KINDS:
            self._follow_shipped(kind)

    @needs(Right.TRAIN)
    def shipped(self, kind: str) -> ModelRow:
        """The weights of a kind that ship, as a model of the store; registered where they are not yet.

        Raises WeightsError where they are missing or damaged.
        """
        return self._known_shipped(kind) or self._register_shipped(kind)

    @needs(Right.TRAIN)
    def add(
        self,
        weights: Path,
        *,
        parent_id: int | None = None,
        revision: int | None = None,
        training_id: int | None = None,
        by: str | None = None,
    ) -> ModelRow:
        """Take weights with their card beside them into the store, as a candidate; checked first.

        The name is the card's, with a number where another model has it. A training has one model: asked
        again, it is that one. ``by`` is by default whoever asked for the training. Raises WeightsError for
        weights that could not serve, StoreError where parent or revision are not there.
        """
        with IMPORTS:
            from core.models.loading import check_weights  # brings torch

        known = self._of_training(training_id)
        if known is not None:
            return known
        card = check_weights(weights, read_card(weights).kind)
        return self._add(weights, card, Origin(parent_id, revision, training_id), by)

    @needs(Right.EXPLAIN)
    def all(self, kind: str | None = None) -> list[ModelRow]:
        """All models, or those of a kind, the newest first."""
        chosen = sa.select(table).order_by(table.c.id.desc())
        if kind is not None:
            chosen = chosen.where(table.c.kind == kind)
        return [model_from(row) for row in self.database.rows(chosen)]

    @needs(Right.EXPLAIN)
    def get(self, id: int) -> ModelRow:
        """A model. Raises NotFoundError."""
        return self._one(table.c.id == id, f"There is no model number {id}.")

    @needs(Right.EXPLAIN)
    def named(self, name: str) -> ModelRow:
        """The model of a name. Raises NotFoundError."""
        return self._one(table.c.name == name, f"There is no model {one_line(name, MOST_CHARACTERS)!r}.")

    @needs(Right.PREVIEW)
    def champion(self, kind: str) -> ModelRow:
        """The model of a kind that is to serve; in a store without one, the weights that ship become it.

        See :meth:`register_shipped`. Raises WeightsError where there is none, and those are missing or
        damaged.
        """
        if kind not in KINDS:
            raise StoreError(f"expected a model's kind to be {' or '.join(KINDS)}, got {kind!r}")
        self._follow_shipped(kind)
        serving = sa.select(champions.c.model_id).where(champions.c.kind == kind).scalar_subquery()
        return self._one(table.c.id == serving, f"There is no {kind} that serves.")

    def champion_ids(self) -> Mapping[str, int]:
        """The champions' numbers by kind, as far as there are any; one quick query."""
        rows = self.database.rows(sa.select(champions.c.kind, champions.c.model_id))
        return {row.kind: row.model_id for row in rows}

    @needs(Right.IMPORT)
    def ids_of(self, names: Mapping[str, str]) -> Mapping[str, int]:
        """The ids of models by kind, from their names by kind. Raises NotFoundError for an unknown one."""
        chosen = sa.select(table.c.kind, table.c.id).where(
            sa.tuple_(table.c.kind, table.c.name).in_(list(names.items()))
        )
        found = {row.kind: row.id for row in self.database.rows(chosen)}
        for kind, name in names.items():
            if kind not in found:
                raise NotFoundError(f"The {kind} {one_line(name, MOST_CHARACTERS)!r} is not in this store.")
        return found

    @needs(Right.PREVIEW)
    def file_of(self, model: ModelRow) -> Path:
        """The model's weights on this machine, its card beside them; their digest is right.

        They are fetched from the blobs where they are not here yet, or damaged. Raises WeightsError where
        they cannot be had.
        """
        path = self._copies / f"{model.digest}.{model.id}.safetensors"
        return weights_file(self.blobs, path, model.digest, model.card)

    @needs(Right.TRAIN)
    def drop_unused_copies(self) -> int:
        """Remove the copies on this machine that nobody asked for in a month; how many."""
        return drop_unused(self._copies)

    @property
    def _copies(self) -> Path:
        return self.folder / "models"

    def _one(self, condition: ColumnElement[bool], sentence: str) -> ModelRow:
        return model_from(self.database.found(sa.select(table).where(condition), sentence))

    def _of_training(self, training_id: int | None) -> ModelRow | None:
        if training_id is None:
            return None
        row = self.database.row(sa.select(table).where(table.c.training_id == training_id))
        return None if row is None else model_from(row)

    def _add(self, weights: Path, card: ModelCard, origin: Origin, by: str | None) -> ModelRow:
        data = weights.read_bytes()
        self.blobs.put(data)
        try:
            with self.database.write() as connection:
                values = asdict(origin) | {"by": one_line(by or self._asker(connection, origin), 200)}
                return self._write(connection, card, data, values)
        except IntegrityError as error:
            known = self._of_training(origin.training_id)
            if known is None:
                raise StoreError("expected a parent, revision and training that are in the store") from error
            return known  # two workers ended the same training at once

    def _asker(self, connection: Connection, origin: Origin) -> str:
        chosen = sa.select(trainings.c.by).where(trainings.c.id == origin.training_id)
        return connection.execute(chosen).scalar_one_or_none() or self.actor.name

    def _write(
        self, connection: Connection, card: ModelCard, data: bytes, values: dict[str, Any]
    ) -> ModelRow:
        """A new row. Nobody else finds a name meanwhile, and no sweep takes the blob away."""
        self.database.lock(connection, PHOTOS_LOCK)
        digest = digest_of(data)
        if not self.blobs.has(digest):
            self.blobs.put(data)
        name = _free_name(connection, one_line(card.name, MOST_CHARACTERS) or card.kind)
        card = replace(card, name=name, training=card.training | self._parentage(connection, values))
        values = values | {"kind": card.kind, "name": name, "digest": digest, "card": asdict(card)}
        inserted = sa.insert(table).values(**values, at=self.database.now).returning(*table.c)
        return model_from(connection.execute(inserted).one())

    def _parentage(self, connection: Connection, values: Mapping[str, Any]) -> dict[str, Any]:
        """The model's origin for its card, so that it is known outside the store as well."""
        if values["parent_id"] is None and values["revision"] is None:
            return {}
        parent = sa.select(table.c.name).where(table.c.id == values["parent_id"])
        found = connection.execute(parent).scalar_one_or_none()
        return {"parent": found, "revision": values["revision"], "training": values["training_id"]}

    def _follow_shipped(self, kind: str) -> None:
        """Register weights that ship and are new here; a store that has a champion can do without them."""
        has_champion = kind in self.champion_ids()
        try:
            if not has_champion or self._known_shipped(kind) is None:
                self._register_shipped(kind)
        except LapelError as error:
            if not has_champion:
                raise
            log.warning("The %s that ships cannot be registered: %s", kind, error)

    def _known_shipped(self, kind: str) -> ModelRow | None:
        """The model of the store that the weights that ship are; None where there is none."""
        path = shipped_weights(kind)
        digest = digest_of_unchanged(path)
        if digest is None:
            return None
        with self.database.read() as connection:
            return _same_model(connection, digest, read_card(path))

    def _register_shipped(self, kind: str) -> ModelRow:
        path = shipped_weights(kind)
        card = _checked_card(path, kind)
        data = path.read_bytes()
        self.blobs.put(data)
        serving = sa.select(champions.c.model_id).where(champions.c.kind == kind)
        with self.database.write() as connection:
            self.database.lock(connection, _LOCK)
            champion_id = connection.execute(serving.with_for_update()).scalar_one_or_none()
            known = _same_model(connection, digest_of(data), card)
            if known is not None and champion_id is not None:
                return known
            values = asdict(Origin()) | {"by": INITIAL_AUTHOR}
            model = known or self._write(connection, card, data, values)
            if champion_id is None:
                self._install(connection, model, "first", None)
            elif _is_unattended(connection, kind):
                self._install(connection, model, "update", champion_id)
            return model

    def _install(self, connection: Connection, model: ModelRow, action: str, previous_id: int | None) -> None:
        """Let weights that ship serve, and record it: the first ones, or those of an update."""
        champion = {"model_id": model.id, "at": self.database.now}
        reason = "" if previous_id is None else "It came with an update of Lapel."
        if previous_id is None:
            connection.execute(sa.insert(champions).values(kind=model.kind, **champion))
        else:
            taking = sa.update(champions).where(champions.c.kind == model.kind)
            connection.execute(taking.values(**champion))
            actor, previous = LOCAL.known_as(INITIAL_AUTHOR), _model_name(connection, previous_id)
            details = {"kind": model.kind, "previous": previous, "reason": reason}
            record_audit(connection, self.database, actor, action, model.name, **details)
        request = f"{action} {model.kind}" if previous_id is None else f"{action} {model.kind} {model.id}"
        change = champion | {"kind": model.kind, "previous_id": previous_id, "by": INITIAL_AUTHOR}
        change |= {"action": action, "reason": reason, "request": request}
        connection.execute(sa.insert(promotions).values(**change))


def _checked_card(path: Path, kind: str) -> ModelCard:
    """The card of weights that ship. Raises WeightsError where they are missing or damaged.

    Weights with the digest of their card are those that were measured: only others are tried, which takes
    PyTorch and so seconds at the first visit of a new store.
    """
    card = read_card(path)
    if card.kind == kind and card.data.get(DIGEST) == digest_of_unchanged(path):
        return card
    with IMPORTS:
        from core.models.loading import check_weights  # brings torch

    return check_weights(path, kind)


def _same_model(connection: Connection, digest: str, card: ModelCard) -> ModelRow | None:
    """The first model with these weights that labels as the card says; its name and figures may differ."""
    chosen = sa.select(table).where(table.c.digest == digest).order_by(table.c.id)
    rows = (model_from(row) for row in connection.execute(chosen))
    return next((row for row in rows if is_same_model(row.card, card)), None)


def _is_unattended(connection: Connection, kind: str) -> bool:
    """Whether all champions of a kind came with Lapel, and nobody has ever chosen one."""
    chosen = sa.select(promotions.c.id).where(
        promotions.c.kind == kind, promotions.c.action.not_in(BY_ITSELF)
    )
    return connection.execute(chosen.limit(1)).first() is None


def _model_name(connection: Connection, id: int) -> str:
    return str(connection.execute(sa.select(table.c.name).where(table.c.id == id)).scalar_one())


def model_from(row: Row) -> ModelRow:
    """A row of the table as a ModelRow. Raises WeightsError for a card that is none."""
    try:
        card = card_from(row.card)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"the card of {row.name} is not a model card: {error}") from error
    origin = (row.parent_id, row.revision, row.training_id)
    return ModelRow(row.id, row.kind, row.name, row.digest, card, *origin, row.by, row.at)


def _free_name(connection: Connection, wanted: str) -> str:
    def is_taken(name: str) -> bool:
        return connection.execute(sa.select(table.c.id).where(table.c.name == name)).first() is not None

    if not is_taken(wanted):
        return wanted
    cut = wanted[: MOST_CHARACTERS - len(" (1000)")]
    return free_name(cut, lambda name: name == cut or is_taken(name), "{stem} ({number})")
