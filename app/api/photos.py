"""Photos in, out and labeled: ``/photos``, ``/imports``, ``/jobs``, ``/categories``, ``/label``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, UploadFile

from app.api.bearer import ActingStore
from app.api.forms import CategoryIn, iso, timed
from app.resources import labeler_of
from core.access import Right
from core.errors import StoreError
from core.images.decode import read_photo
from core.inference.predictions import is_unaided
from core.jobs import client
from core.store import Store
from core.store.imports import UploadFolder
from core.store.jobs import JobRow
from core.store.photos import PhotoRow
from core.store.search import PhotoQuery

router = APIRouter()
MOST_PHOTO_BYTES = 100 * 2**20


@router.get("/me", tags=["access"])
def me(store: ActingStore) -> dict[str, Any]:
    """In whose name the token acts, and what it may do."""
    actor = store.actor
    return {
        "name": actor.name,
        "roles": sorted(actor.roles),
        "rights": sorted(r.name.lower() for r in actor.rights),
    }


@router.post("/label", tags=["labeling"])
def label(
    store: ActingStore, file: UploadFile, threshold: Annotated[float | None, Query(ge=0, le=1)] = None
) -> dict[str, Any]:
    """Label one photo with the champions, as `python -m core label` does. Nothing is stored."""
    store.actor.require(Right.PREVIEW)
    data = file.file.read(MOST_PHOTO_BYTES + 1)
    if len(data) > MOST_PHOTO_BYTES:
        raise StoreError(f"expected a photo of at most {MOST_PHOTO_BYTES // 2**20} MiB, got a larger one")
    return labeler_of(store).label(read_photo(data, file.filename or "photo"), threshold).as_dict()


@router.post("/photos", status_code=202, tags=["photos"])
def add_photos(store: ActingStore, files: list[UploadFile]) -> dict[str, Any]:
    """Import photos, annotation files or zips of them: a job, whose report `/imports/{id}` gives."""
    store.actor.require(Right.IMPORT)
    named = [(file.filename or "upload", file.file) for file in files]
    folder = UploadFolder.of(store.folder).stage(named)
    source = named[0][0] if len(named) == 1 else f"{len(named)} files by the API"
    import_id = store.imports.begin(source, store.actor.name, str(folder))
    return {"import": import_id, "job": client.start_import(store, import_id)}


@router.get("/imports", tags=["photos"])
def imports(store: ActingStore, most: Annotated[int, Query(ge=1, le=1000)] = 20) -> list[dict[str, Any]]:
    """The latest imports, newest first."""
    return [_import(row) for row in store.imports.recent(most)]


@router.get("/imports/{id}", tags=["photos"])
def one_import(store: ActingStore, id: int) -> dict[str, Any]:
    """An import: its state, counts by outcome, and a word on each file and box that did not come.

    ``counts.holdout`` are copies of holdout photos, which are not stored again; ``fell_to_holdout`` is how
    many of the import's own photos models are measured on.
    """
    row = _import(store.imports.get(id))
    fell = store.search.count(PhotoQuery(import_id=id, part="holdout"))
    return row | {
        "fell_to_holdout": fell,
        "report": [asdict(entry) for entry in store.imports.refusals(id)],
    }


@router.get("/photos", tags=["photos"])
def photos(
    store: ActingStore,
    text: str = "",
    annotated: bool | None = None,
    holdout: bool | None = None,
    category: str | None = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Stored photos, newest first: by a part of the name, annotated or not, a category, the holdout."""
    wanted: dict[str, Any] = {"text": text, "annotated": annotated, "holdout": holdout}
    if category is not None:
        wanted["category"] = _category_id(store, category)
    found = store.photos.page(offset, limit, **wanted)
    return {"total": store.photos.count(**wanted), "photos": [_photo(row) for row in found]}


@router.get("/photos/{id}", tags=["photos"])
def photo(store: ActingStore, id: int) -> dict[str, Any]:
    """A photo, and what the models found in it: null where they have not looked at it yet.

    So it is for an ``unaided`` photo: one of the holdout, where that is annotated without proposals.
    """
    row = store.photos.get(id)
    unaided = is_unaided(store, row)
    prediction = None if unaided else store.predictions.get(id)
    found = None if prediction is None else [garment.as_dict() for garment in prediction.garments]
    return _photo(row) | {"unaided": unaided, "garments": found}


@router.get("/photos/{id}/picture", tags=["photos"], response_class=Response)
def picture(store: ActingStore, id: int, thumbnail: bool = False) -> Response:
    """The stored picture as a JPEG, upright, without the metadata that it came with."""
    row = store.photos.get(id)
    data = store.photos.thumbnail_of(row) if thumbnail else store.photos.picture(id)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/photos/{id}", status_code=204, tags=["photos"])
def delete_photo(store: ActingStore, id: int) -> None:
    """Delete a photo's picture; its annotations stay in revisions."""
    store.photos.delete(id, store.actor.name)


@router.get("/categories", tags=["categories"])
def categories(store: ActingStore) -> list[dict[str, Any]]:
    """The store's categories in their order."""
    return [{"id": category.id, "name": category.name} for category in store.categories.all()]


@router.post("/categories", status_code=201, tags=["categories"])
def add_category(store: ActingStore, body: CategoryIn) -> dict[str, Any]:
    """Add a category."""
    added = store.categories.add(body.name, store.actor.name)
    return {"id": added.id, "name": added.name}


@router.get("/jobs", tags=["jobs"])
def jobs(store: ActingStore, most: Annotated[int, Query(ge=1, le=1000)] = 20) -> list[dict[str, Any]]:
    """The latest background jobs, newest first."""
    return [_job(row) for row in store.jobs.recent(most)]


@router.get("/jobs/{id}", tags=["jobs"])
def job(store: ActingStore, id: str) -> dict[str, Any]:
    """A background job: ``done`` of ``total`` steps."""
    return _job(store.jobs.get(id))


@router.post("/jobs/{id}/cancel", tags=["jobs"])
def cancel_job(store: ActingStore, id: str) -> dict[str, Any]:
    """Cancel a job within seconds; its finished steps stay."""
    client.cancel(store, id)
    return _job(store.jobs.get(id))


@router.post("/jobs/{id}/resume", tags=["jobs"])
def resume_job(store: ActingStore, id: str) -> dict[str, Any]:
    """Go on with a cancelled or failed job where it stopped."""
    client.resume(store, id)
    return _job(store.jobs.get(id))


def _category_id(store: Store, name: str) -> int:
    found: Sequence[int] = [c.id for c in store.categories.all() if c.name.casefold() == name.casefold()]
    if not found:
        raise StoreError(f"expected a category of the store, got {name[:100]!r}")
    return found[0]


def _photo(row: PhotoRow) -> dict[str, Any]:
    values = {
        name: getattr(row, name) for name in ("id", "name", "width", "height", "holdout", "digest", "by")
    }
    return values | {"at": iso(row.at), "near_duplicate_of": row.near_id, "import": row.import_id}


def _import(row: Any) -> dict[str, Any]:
    values = timed(asdict(row))
    del values["folder"]  # a path of the server
    return values


def _job(row: JobRow) -> dict[str, Any]:
    return timed(asdict(row))
