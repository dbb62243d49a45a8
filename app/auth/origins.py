"""Middleware of workspace and demo: requests of own pages only, security headers. Loads no Streamlit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

ONLY_READ = ("GET", "HEAD", "OPTIONS")

logger = logging.getLogger(__name__)


class OwnOriginOnly:
    """ASGI middleware that refuses (403) websockets that a page of another origin opens.

    With ``requests``, also what such a page requests, except what only reads and its page cannot see.

    An origin is ours where it is http or https at the very host and port that are asked for, or one that
    ``also`` gives, such as the address that a sign-in is configured for. Streamlit itself takes every port of
    this machine as ours. Clients that are no browsers send no origin.
    """

    def __init__(
        self, app: ASGIApp, also: Callable[[], Iterable[str]] = tuple, *, requests: bool = False
    ) -> None:
        self.app, self.also, self.requests = app, also, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_guarded(scope) or self._is_own(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        logger.warning("A page of another origin asked for %s, and was refused.", scope["path"])
        if scope["type"] == "websocket":
            await WebSocketClose(code=1008)(scope, receive, send)  # before it is accepted: a 403
        else:
            await PlainTextResponse("Pages of other origins are refused.", 403)(scope, receive, send)

    def _is_guarded(self, scope: Scope) -> bool:
        is_request = scope["type"] == "http" and scope["method"] not in ONLY_READ
        return scope["type"] == "websocket" or (self.requests and is_request)

    def _is_own(self, headers: Headers) -> bool:
        origins, host = headers.getlist("origin"), headers.get("host", "")
        if not origins:  # browsers say this as well, and no page can change it
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if len(origins) > 1:
            return False
        return origins[0] in {f"http://{host}", f"https://{host}", *self.also()}


# Streamlit loads components as blob modules and sets inline styles; nothing comes from another host.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class SecurityHeaders:
    """ASGI middleware that adds the headers; streamed answers and websockets pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers)
