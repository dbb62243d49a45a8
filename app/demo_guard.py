"""What keeps the demo to itself: a password, known hosts, and no fetching of other people's addresses."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable
from typing import Any

from gradio import Error, processing_utils
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.headers import SecurityHeaders

WRONG_PASSWORD_SECONDS = 0.5
_FILE_FROM_ELSEWHERE = re.compile(r"/(file|proxy)(=|/)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class OwnFilesOnly:
    """ASGI middleware that refuses Gradio's routes that hand on files from other servers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _FILE_FROM_ELSEWHERE.search(scope["path"]):
            answer = PlainTextResponse("The demo gives out its own files only.", status_code=403)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def guards(open_to_all: bool) -> list[Middleware]:
    """The middleware of every answer; without a password only names of this machine are answered.

    A page elsewhere could otherwise point a name of its own at 127.0.0.1 and use the demo through a
    visitor's browser.
    """
    layers = [Middleware(SecurityHeaders), Middleware(OwnFilesOnly)]
    if open_to_all:
        layers.append(
            Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "::1", "[::1]"])
        )
    return layers


def fetch_nothing() -> None:
    """Keep Gradio from downloading an address that a caller sends in place of a photo.

    Gradio does so for every input and has no switch for it; the download knows no size limit and no password.
    """
    processing_utils.async_ssrf_protected_download = _refuse_download


def password_check(password: str) -> Callable[[str, str], Any]:
    """Gradio's ``auth`` function, a coroutine, for one password under any user name."""

    async def check(user_name: str, given: str) -> bool:
        if hmac.compare_digest(given.encode(), password.encode()):
            return True
        await asyncio.sleep(WRONG_PASSWORD_SECONDS)  # guessing stays slow without holding up anyone else
        return False

    return check


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise Error("Expected an uploaded photo, got a web address.", print_exception=False)
