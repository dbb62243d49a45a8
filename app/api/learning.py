"""Revisions, trainings and models: ``/revisions``, ``/trainings``, ``/models``, ``/promotions``."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.api.bearer import ActingStore
from app.api.forms import PromotionIn, RevisionIn, RollbackIn, TrainingIn, timed
from core.inference import promotion
from core.jobs import client
from core.store.exports import export_name, export_revision, is_zip
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow
from core.store.revisions import Revision

router = APIRouter()
PIECE = 2**20


@router.get("/revisions", tags=["revisions"])
def revisions(store: ActingStore) -> list[dict[str, Any]]:
    """All revisions, newest first."""
    return [_revision(row) for row in store.revisions.all()]


@router.post("/revisions", status_code=201, tags=["revisions"])
def create_revision(store: ActingStore, body: RevisionIn) -> dict[str, Any]:
    """Freeze the newest annotations of all photos; without a change since, the last revision again."""
    return _revision(store.revisions.create(store.actor.name, body.note))


@router.get("/revisions/{number}", tags=["revisions"])
def revision(store: ActingStore, number: int) -> dict[str, Any]:
    """A revision."""
    return _revision(store.revisions.get(number))


@router.get("/revisions/{number}/export", tags=["revisions"], response_class=StreamingResponse)
def export(
    store: ActingStore,
    number: int,
    format: str = "coco",
    pictures: bool = False,
    holdout: bool | None = None,
) -> StreamingResponse:
    """A revision in a format: coco, voc, yolo or csv; with its pictures as a zip."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
    try:
        export_revision(store, number, format, file, pictures=pictures, holdout=holdout)
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    name = export_name(number, format, pictures=pictures, holdout=holdout)
    kinds = {"coco": "application/json", "csv": "text/csv"}
    kind = "application/zip" if is_zip(format, pictures) else kinds[format]
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(length)}
    return StreamingResponse(_pieces(file), media_type=kind, headers=headers)


@router.get("/trainings", tags=["trainings"])
def trainings(store: ActingStore, most: Annotated[int, Query(ge=1, le=1000)] = 20) -> list[dict[str, Any]]:
    """The latest trainings, newest first."""
    return [timed(asdict(row)) for row in store.trainings.recent(most)]


@router.post("/trainings", status_code=202, tags=["trainings"])
def start_training(store: ActingStore, body: TrainingIn) -> dict[str, Any]:
    """Fine-tune the champion on a revision; a training of the kind that waits or runs is given instead."""
    id = client.start_training(store, body.kind, body.mode, body.revision, anchors=body.anchors)
    return timed(asdict(store.trainings.get(id)))


@router.get("/trainings/{id}", tags=["trainings"])
def training(store: ActingStore, id: int) -> dict[str, Any]:
    """A training with its learning curve."""
    points = [{"step": point.step, **point.values} for point in store.trainings.points(id)]
    return timed(asdict(store.trainings.get(id))) | {"curve": points}


@router.post("/trainings/{id}/cancel", tags=["trainings"])
def cancel_training(store: ActingStore, id: int) -> dict[str, Any]:
    """Cancel a training within seconds; nothing of it is kept."""
    client.cancel_training(store, id)
    return timed(asdict(store.trainings.get(id)))


@router.get("/models", tags=["models"])
def models(store: ActingStore, kind: str | None = None) -> list[dict[str, Any]]:
    """All models; ``serves`` tells the champions."""
    store.models.register_shipped()
    serving = set(store.models.champion_ids().values())
    return [_model(row, serving) for row in store.models.all(kind)]


@router.get("/models/{id}", tags=["models"])
def model(store: ActingStore, id: int) -> dict[str, Any]:
    """A model with its card and its comparisons with champions."""
    row = store.models.get(id)
    compared = [_comparison(found) for found in store.comparisons.of(id)]
    return _model(row, set(store.models.champion_ids().values())) | {"comparisons": compared}


@router.post("/models/{id}/promote", tags=["models"])
def promote(store: ActingStore, id: int, body: PromotionIn) -> dict[str, Any]:
    """Let a candidate take over that the gate lets pass, or whose gate is overruled with a reason."""
    made = promotion.promote(
        store,
        id,
        expected_champion=body.expected_champion,
        request=body.request or uuid.uuid4().hex,
        overrule_reason=body.overrule_reason,
    )
    return timed(asdict(made))


@router.post("/rollback/{kind}", tags=["models"])
def rollback(store: ActingStore, kind: str, body: RollbackIn) -> dict[str, Any]:
    """Let the champion before the present one serve again."""
    request = body.request or uuid.uuid4().hex
    made = promotion.rollback(store, kind, request=request, expected_champion=body.expected_champion)
    return timed(asdict(made))


@router.get("/promotions", tags=["models"])
def promotions(store: ActingStore, kind: str | None = None) -> list[dict[str, Any]]:
    """Who served when, the latest change first."""
    return [timed(asdict(row)) for row in store.promotions.history(kind)]


def _revision(row: Revision) -> dict[str, Any]:
    values = timed(asdict(row))
    return values | {"categories": [{"id": id, "name": name} for id, name in row.categories]}


def _model(row: ModelRow, serving: set[int]) -> dict[str, Any]:
    same = ("id", "kind", "name", "digest", "parent_id", "revision", "training_id", "by", "at")
    values = timed({name: getattr(row, name) for name in same})
    return values | {"serves": row.id in serving, "card": asdict(row.card)}


def _comparison(row: ComparisonRow) -> dict[str, Any]:
    verdict = row.verdict
    told = {"id": row.id, "champion": row.champion_id, "revision": row.revision, "at": row.at}
    return timed(told) | {"passes": verdict.passes, "sentence": verdict.sentence}


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
