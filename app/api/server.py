"""The API as a FastAPI application: routes, faults as one sentence, a limit of bytes, documentation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import annotating, learning, photos, webhooks
from app.auth.upload_limit import limit_from_environment
from core.errors import (
    AccessError,
    ConflictError,
    LapelError,
    NotFoundError,
    PhotoError,
    StoreBusyError,
    StoreFullError,
)
from core.store.promotions import PromotionRefused
from core.store.versions import VersionConflict

VERSION = "1"
PREFIX = "/v1"
DOCUMENTATION = Path(__file__).parent / "documentation.html"
DESCRIPTION = """The actions of the workspace over HTTP, with the rights of the token's person.
A fault is answered as `{"error": sentence}`."""

STATUSES: tuple[tuple[type[LapelError], int], ...] = (
    (NotFoundError, 404),
    (PromotionRefused, 409),
    (ConflictError, 409),
    (AccessError, 403),
    (StoreBusyError, 503),
    (StoreFullError, 507),
    (PhotoError, 422),
)
"""The first that an error is of; all others are 400."""

log = logging.getLogger(__name__)


def build_api(most_bytes: int | None = None) -> FastAPI:
    """The application; a request's body has at most ``most_bytes``, by default ``LAPEL_UPLOAD_MB``."""
    api = FastAPI(
        title="Lapel", version=VERSION, description=DESCRIPTION, docs_url=None, redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )  # fmt: skip
    for part in (photos, annotating, learning, webhooks):
        api.include_router(part.router, prefix=PREFIX)
    api.add_api_route("/", documentation, include_in_schema=False)
    api.add_exception_handler(LapelError, _told)
    api.add_exception_handler(RequestValidationError, _unfit)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(Exception, _failed)
    limit = limit_from_environment() if most_bytes is None else most_bytes
    api.add_middleware(BoundedBody, most_bytes=limit)
    return api


def documentation() -> HTMLResponse:
    """A page that shows the OpenAPI description, without a script from elsewhere."""
    return HTMLResponse(DOCUMENTATION.read_text(encoding="utf-8"), headers={"Cache-Control": "no-cache"})


class BoundedBody:
    """ASGI middleware that refuses (413) a request whose body is larger than it may be, as it arrives."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, _bounded(receive, self.most_bytes), send)


def _bounded(receive: Receive, most_bytes: int) -> Callable[[], Any]:
    arrived = 0

    async def received() -> Message:
        nonlocal arrived
        message = await receive()
        arrived += len(message.get("body", b""))
        if arrived > most_bytes:
            raise HTTPException(413, f"Expected at most {most_bytes // 2**20} MiB a request, got more.")
        return message

    return received


async def _told(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 400)
    answer: dict[str, Any] = {"error": str(error)}
    if isinstance(error, VersionConflict):
        answer["newest_version"] = error.theirs.version
    return JSONResponse(answer, status)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _unfit(_: Request, error: Exception) -> JSONResponse:
    """What was expected of the first field that does not fit, and what came."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    given = "" if first["type"] in ("missing", "json_invalid") else f", got {repr(first.get('input'))[:80]}"
    return JSONResponse({"error": f"{place}: {first['msg']}{given}."}, 422)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    log.error("The API failed.", exc_info=error)
    return JSONResponse({"error": "Something went wrong on the server; its log has the details."}, 500)
