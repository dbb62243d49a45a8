"""Predictions: garments on a photo from a low threshold on, and the embedding of the whole photo."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.access import LOCAL, Actor, Right, needs
from core.errors import NotFoundError
from core.garments import Garment
from core.models.cards import card_from
from core.store.audit import record_audit
from core.store.box_index import index_prediction, predicted_boxes
from core.store.boxes import AnnotatedBox, boxes_from
from core.store.database import DAY_SECONDS, Database, batches_of
from core.store.schema import annotations as versions
from core.store.schema import models as models_table
from core.store.schema import photos
from core.store.schema import predictions as table
from core.store.versions import is_newest, newest_versions

NO_IMPORT = 0
"""Of photos that came by no import: saved from the page Label photos."""

_ROWS_AT_ONCE = 200
_KEY = ("photo_id", "detector_id", "classifier_id")


@dataclass(frozen=True, order=True)
class ModelPair:
    """The detector and the classifier that make predictions together, by their ids in the store."""

    detector_id: int
    classifier_id: int

    def as_list(self) -> list[int]:
        """Both ids, as in settings."""
        return [self.detector_id, self.classifier_id]


@dataclass(frozen=True)
class Prediction:
    """A model pair's garments on a photo, best first; ``embedding`` is (D,) float32, or None."""

    photo_id: int
    models: ModelPair
    garments: tuple[Garment, ...]
    embedding: np.ndarray | None = field(repr=False, compare=False)
    at: float


@dataclass(frozen=True)
class AnnotatedPrediction:
    """A model pair's garments on a photo of ``size_wh`` beside its newest annotation, version ``version``."""

    photo_id: int
    version: int
    boxes: tuple[AnnotatedBox, ...]
    garments: tuple[Garment, ...]
    size_wh: tuple[int, int]


@dataclass(frozen=True)
class Predictions:
    """The store's predictions: one a photo and model pair, the last one made."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.IMPORT)
    def save(
        self, photo_id: int, models: ModelPair, garments: Sequence[Garment], embedding: np.ndarray | None
    ) -> None:
        """Store a prediction, embeddings as float16. Raises NotFoundError for no such photo."""
        values: dict[str, Any] = {
            "garments": [garment.as_dict() for garment in garments],
            "embedding": None if embedding is None else _packed(embedding),
            "at": self.database.now,
        }
        insert = self.database.insert(table).values(photo_id=photo_id, **asdict(models), **values)
        keys = list(table.primary_key.columns)
        new = {name: insert.excluded[name] for name in values}
        live = sa.select(photos.c.id).where(photos.c.id == photo_id, photos.c.deleted_at.is_(None))
        with self.database.write() as connection:
            if connection.execute(live.with_for_update(key_share=True)).first() is None:
                raise NotFoundError("There is no such photo.")
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=new))
            pair = (models.detector_id, models.classifier_id)
            index_prediction(connection, photo_id, *pair, values["garments"])

    @needs(Right.DELETE)
    def prune(
        self, days: float, serving: ModelPair, keep: Collection[ModelPair] = (), *, dry_run: bool = False
    ) -> int:
        """Delete predictions older than so many days; how many, with ``dry_run`` only how many there are.

        Those of the serving pair and of the pairs to ``keep`` stay, and those of photos that the serving pair
        has not labeled yet. Some are deleted at a time, so that others go on working.
        """
        newer = table.alias()
        labeled = sa.exists().where(newer.c.photo_id == table.c.photo_id, _made_by(serving, newer))
        old = [table.c.at < self.database.now - days * DAY_SECONDS, labeled]
        old += [sa.not_(_made_by(pair)) for pair in {serving, *keep}]
        if dry_run:
            return int(self.database.value(sa.select(sa.func.count()).select_from(table).where(*old)))
        key, indexed = (sa.tuple_(*(of.c[name] for name in _KEY)) for of in (table, predicted_boxes))
        deleted = 0
        while True:
            with self.database.write() as connection:
                some = sa.select(*(table.c[name] for name in _KEY)).where(*old).limit(_ROWS_AT_ONCE)
                rows = [tuple(row) for row in connection.execute(some)]
                if not rows:
                    record_audit(
                        connection, self.database, self.actor, "prune", "predictions", deleted=deleted
                    )
                    return deleted
                connection.execute(sa.delete(predicted_boxes).where(indexed.in_(rows)))
                connection.execute(sa.delete(table).where(key.in_(rows)))
            deleted += len(rows)

    @needs(Right.READ)
    def get(self, photo_id: int, models: ModelPair | None = None) -> Prediction | None:
        """A model pair's prediction, or the latest of any; None where there is none."""
        chosen = sa.select(table).where(table.c.photo_id == photo_id)
        if models is not None:
            chosen = chosen.where(_made_by(models))
        row = self.database.row(chosen.order_by(table.c.at.desc()).limit(1))
        return None if row is None else _prediction(row)

    @needs(Right.READ)
    def missing(
        self, models: ModelPair, limit: int, *, after: int = 0, import_id: int | None = None
    ) -> list[int]:
        """The ids of at most ``limit`` live photos after one that the model pair has not labeled yet.

        ``import_id`` is the import that they came by, or NO_IMPORT; of all photos by default.
        """
        chosen = sa.select(photos.c.id).where(*_is_missing(models), photos.c.id > after)
        if import_id is not None:
            chosen = chosen.where(photos.c.import_id == (import_id or None))
        return [row.id for row in self.database.rows(chosen.order_by(photos.c.id).limit(limit))]

    @needs(Right.READ)
    def missing_among(self, models: ModelPair, photo_ids: Sequence[int]) -> list[int]:
        """Those of these photos that are live and not labeled by the model pair, in their order."""
        chosen = sa.select(photos.c.id).where(*_is_missing(models), photos.c.id.in_(photo_ids))
        found = {row.id for row in self.database.rows(chosen)}
        return [id for id in photo_ids if id in found]

    @needs(Right.READ)
    def missing_count(self, models: ModelPair) -> int:
        """How many live photos the model pair has not labeled yet."""
        chosen = sa.select(sa.func.count()).select_from(photos).where(*_is_missing(models))
        return int(self.database.value(chosen))

    @needs(Right.READ)
    def missing_by_import(self, models: ModelPair, *, after: int = 0) -> dict[int, int]:
        """How many live photos after one the model pair has not labeled yet, by import, or NO_IMPORT."""
        chosen = sa.select(photos.c.import_id, sa.func.count()).where(*_is_missing(models))
        rows = self.database.rows(chosen.where(photos.c.id > after).group_by(photos.c.import_id))
        return {id or NO_IMPORT: count for id, count in rows}

    @needs(Right.READ)
    def iterate(self, models: ModelPair, photo_ids: Sequence[int] | None = None) -> Iterator[Prediction]:
        """A model pair's predictions by photo, of all or of these, a few in memory at a time."""
        chosen = sa.select(table).where(_made_by(models)).order_by(table.c.photo_id)
        with self.database.read() as connection:
            reading = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            for some in batches_of(photo_ids, _ROWS_AT_ONCE):
                of_these = chosen if some is None else chosen.where(table.c.photo_id.in_(some))
                yield from (_prediction(row) for row in reading.execute(of_these))

    @needs(Right.READ)
    def made_after(self, models: ModelPair, after: tuple[float, int], limit: int) -> list[tuple[float, int]]:
        """When a model pair's predictions were made and of which photos, oldest first, at most ``limit``.

        ``after`` is such a pair: those behind it in that order.
        """
        at, photo_id = after
        later = sa.or_(table.c.at > at, sa.and_(table.c.at == at, table.c.photo_id > photo_id))
        chosen = sa.select(table.c.at, table.c.photo_id).where(table.c.at >= at, later, _made_by(models))
        chosen = chosen.order_by(table.c.at, table.c.photo_id).limit(limit)
        return [(row.at, row.photo_id) for row in self.database.rows(chosen)]

    @needs(Right.READ)
    def embedded(self, models: ModelPair) -> list[int]:
        """The live photos that this model pair has an embedding of, by number."""
        chosen = sa.select(table.c.photo_id).join(photos, photos.c.id == table.c.photo_id)
        chosen = chosen.where(_made_by(models), table.c.embedding.is_not(None), photos.c.deleted_at.is_(None))
        return [row.photo_id for row in self.database.rows(chosen.order_by(table.c.photo_id))]

    @needs(Right.READ)
    def embeddings(self, models: ModelPair, photo_ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """A model pair's embeddings (D,) float32 of these photos, a few in memory at a time."""
        for start in range(0, len(photo_ids), _ROWS_AT_ONCE):
            some = table.c.photo_id.in_(photo_ids[start : start + _ROWS_AT_ONCE])
            chosen = sa.select(table.c.photo_id, table.c.embedding)
            chosen = chosen.where(_made_by(models), some, table.c.embedding.is_not(None))
            for row in self.database.rows(chosen):
                yield row.photo_id, _unpacked(row.embedding)

    @needs(Right.READ)
    def beside_annotations(
        self, models: ModelPair, photo_ids: Sequence[int] | None = None
    ) -> Iterator[AnnotatedPrediction]:
        """A model pair's predictions on annotated live photos, all or these, a few in memory at a time."""
        with self.database.read() as connection:
            reading = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            for some in batches_of(photo_ids, _ROWS_AT_ONCE):
                for row in reading.execute(_beside_newest(models, some)):
                    boxes, garments = boxes_from(row.boxes), tuple(map(_garment, row.garments))
                    size_wh = (row.width, row.height)
                    yield AnnotatedPrediction(row.photo_id, row.version, boxes, garments, size_wh)

    @needs(Right.READ)
    def of_photos(self, photo_ids: Sequence[int]) -> dict[int, list[Prediction]]:
        """Every model pair's predictions of these photos, by photo, without embeddings."""
        plain = [column for column in table.c if column.name != "embedding"]
        chosen = sa.select(*plain, sa.null().label("embedding")).where(table.c.photo_id.in_(photo_ids))
        found: dict[int, list[Prediction]] = {id: [] for id in photo_ids}
        for row in self.database.rows(chosen):
            found[row.photo_id].append(_prediction(row))
        return found

    @needs(Right.READ)
    def last_at(self) -> float:
        """When the latest prediction was made, in seconds since 1970; 0 before the first."""
        return self.database.value(sa.select(sa.func.max(table.c.at))) or 0.0

    @needs(Right.READ)
    def latest_models(self) -> ModelPair | None:
        """The model pair that made the latest prediction; None before the first."""
        chosen = sa.select(table.c.detector_id, table.c.classifier_id).order_by(table.c.at.desc()).limit(1)
        row = self.database.row(chosen)
        return None if row is None else ModelPair(*row)

    @needs(Right.READ)
    def score_threshold(self, models: ModelPair) -> float:
        """The score from which the detector's card counts a garment as found. Raises NotFoundError."""
        chosen = sa.select(models_table.c.card).where(models_table.c.id == models.detector_id)
        row = self.database.found(chosen, f"There is no model number {models.detector_id}.")
        return card_from(row.card).score_threshold


def _beside_newest(models: ModelPair, photo_ids: Sequence[int] | None) -> sa.Select[Any]:
    """Annotated live photos with their newest version and the model pair's prediction, by photo."""
    newest = newest_versions(photo_ids)
    return (
        sa.select(newest, versions.c.boxes, table.c.garments, photos.c.width, photos.c.height)
        .join(versions, is_newest(newest))
        .join(table, table.c.photo_id == newest.c.photo_id)
        .join(photos, photos.c.id == newest.c.photo_id)
        .where(_made_by(models), photos.c.deleted_at.is_(None))
        .order_by(newest.c.photo_id)
    )


def _is_missing(models: ModelPair) -> tuple[sa.ColumnElement[bool], ...]:
    predicted = sa.exists().where(table.c.photo_id == photos.c.id, _made_by(models))
    return photos.c.deleted_at.is_(None), ~predicted


def _made_by(models: ModelPair, of: sa.FromClause = table) -> sa.ColumnElement[bool]:
    return sa.and_(of.c.detector_id == models.detector_id, of.c.classifier_id == models.classifier_id)


def _packed(embedding: np.ndarray) -> bytes:
    most = np.finfo(np.float16).max
    return np.clip(np.asarray(embedding).ravel(), -most, most).astype("<f2").tobytes()


def _unpacked(embedding: bytes) -> np.ndarray:
    return np.frombuffer(embedding, dtype="<f2").astype(np.float32)


def _prediction(row: Any) -> Prediction:
    embedding = None if row.embedding is None else _unpacked(row.embedding)
    garments = tuple(_garment(entry) for entry in row.garments)
    return Prediction(
        row.photo_id, ModelPair(row.detector_id, row.classifier_id), garments, embedding, row.at
    )


def _garment(entry: dict[str, Any]) -> Garment:
    x0, y0, x1, y1 = entry["box"]
    top5 = tuple((label, share) for label, share in entry["top5"])
    alone = [
        (entry[name][0], entry[name][1]) if name in entry else None for name in ("detector", "classifier")
    ]
    box = (x0, y0, x1, y1)
    return Garment(box, entry["category"], entry["score"], top5, detector=alone[0], classifier=alone[1])
