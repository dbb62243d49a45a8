"""The routes of the live camera: its page and files, and the sessions that frames are sent to.

They are behind the demo's password, and as all of the demo take posts from its own pages only. A fault is one
sentence as ``{"error"}``.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.demo.live.sessions import (
    MOST_FRAME_BYTES,
    LiveBusyError,
    LiveEndedError,
    LiveFullError,
    LiveLateError,
    LiveSessions,
)
from app.demo.view import lowest_threshold
from core.errors import LapelError, PhotoError, RecipeError
from core.garments import LabeledFrame
from core.inference.labeler import Labeler
from core.inference.video_labeler import VideoLabeler
from core.taxonomy import color_of

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

_log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
FILES = {"live.css": "text/css", "camera.js": "text/javascript", "overlay.js": "text/javascript"}
STATUSES = {
    LiveFullError: 503,
    LiveEndedError: 410,
    LiveBusyError: 429,
    LiveLateError: 409,
    PhotoError: 422,
    RecipeError: 422,
}
MOST_SECONDS = 1e8
"""Of a camera's clock: three years."""

Handler = Callable[[Request], Awaitable[Response]]


def live_routes(labeler: PhotoLabeler, sessions: LiveSessions | None = None) -> list[Route]:
    """The page ``/live`` and what it needs, over a labeler's models."""
    live = LiveSessions(partial(VideoLabeler, cast(Labeler, labeler))) if sessions is None else sessions

    async def page(request: Request) -> Response:
        if not is_signed_in(request):
            return RedirectResponse(request.url.replace(path=request.scope.get("root_path", "") + "/"))
        return HTMLResponse(page_html(labeler), headers={"Cache-Control": "no-store"})

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            return Response("Not Found", 404)
        return FileResponse(FOLDER / name, media_type=FILES[name], headers={"Cache-Control": "no-cache"})

    async def start(request: Request) -> Response:
        return JSONResponse({"session": await run_in_threadpool(live.start)})  # waits for the models

    async def end(request: Request) -> Response:
        await run_in_threadpool(live.end, request.path_params["session"])
        return Response(status_code=204)

    async def frames(request: Request) -> Response:
        threshold = _number(request, "threshold", "a threshold", 1.0)
        taken = _number(request, "taken", "a frame's time in seconds", MOST_SECONDS)
        data = await _bounded_body(request)
        labeled = await run_in_threadpool(live.label, request.path_params["session"], data, threshold, taken)
        return JSONResponse(answer(labeled) | {"at_once": await run_in_threadpool(live.at_once)})

    return [
        Route("/live", page),
        Route("/live/files/{name}", file),
        Route("/live/sessions", guarded(start), methods=["POST"]),
        Route("/live/sessions/{session}/end", guarded(end), methods=["POST"]),
        Route("/live/sessions/{session}/frames", guarded(frames), methods=["POST"]),
    ]


def page_html(labeler: PhotoLabeler) -> str:
    """The page with the slider's range."""
    text = (FOLDER / "live.html").read_text(encoding="utf-8")
    values = {"lowest": lowest_threshold(labeler), "threshold": labeler.default_threshold}
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", html.escape(f"{value:g}"))
    return text


def answer(labeled: LabeledFrame) -> dict[str, Any]:
    """A frame's line, and the color of each garment's box."""
    told = labeled.as_dict()
    for garment in told["garments"]:
        garment["color"] = color_of(garment["category"])
    return told


def guarded(handler: Handler) -> Handler:
    """The same behind the password, with faults as sentences."""

    async def handle(request: Request) -> Response:
        if not is_signed_in(request):
            return _fault("Sign in to the demo first.", 401)
        try:
            return await handler(request)
        except LapelError as error:
            status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 400)
            return _fault(str(error), status)
        except Exception:
            _log.exception("The demo failed on a camera's frame.")
            return _fault("Something went wrong on the server; the log has the details.", 500)

    return handle


def is_signed_in(request: Request) -> bool:
    """Whether Gradio, which asks for the demo's password, knows the request's cookie."""
    app: Any = request.app
    if getattr(app, "auth", None) is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) is not None for name in names)


def _number(request: Request, name: str, what: str, most: float) -> float | None:
    """A number of the address, from 0 to ``most``; None where there is none."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= most:
        raise RecipeError(f"Expected {what} in 0..{most:g}, got {text[:60]!r}.")
    return value


async def _bounded_body(request: Request) -> bytes:
    """The body, of which no more is read than a frame may have."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MOST_FRAME_BYTES:
            raise PhotoError(f"Expected a frame of at most {MOST_FRAME_BYTES // 1024} KiB, got a larger one.")
    return bytes(data)


def _fault(sentence: str, status: int) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)
