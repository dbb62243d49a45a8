"""The API as part of the workspace: loaded at its first request, so that nothing waits for it at a start."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.threads import IMPORTS

PATH = "/api"
SPINNERS = "streamlit.runtime.scriptrunner_utils.script_run_context"


class LazyApi:
    """ASGI application that builds the API, and with it loads FastAPI, when somebody asks for it first."""

    def __init__(self) -> None:
        self._api: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._api is None:
            async with self._lock:
                if self._api is None:
                    self._api = await asyncio.to_thread(_build)
        await self._api(scope, receive, send)


def api_routes() -> list[Any]:
    """The routes that the workspace's server takes along."""
    # What pages share is cached with Streamlit's spinners, which miss a page when a request asks first.
    logging.getLogger(SPINNERS).addFilter(lambda record: "AnyIO" not in str(record.threadName))
    to_documentation = Route(PATH, lambda request: RedirectResponse(f"{request.url.path}/"))
    return [to_documentation, Mount(PATH, app=LazyApi())]


def _build() -> ASGIApp:
    with IMPORTS:
        from app.api.server import build_api

    return build_api()
