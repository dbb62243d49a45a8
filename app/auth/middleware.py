"""Middleware of the workspace: known hosts only, data only for signed-in users.

The page itself and its websocket stay open to visitors, who are shown the sign-in there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_origin_from_redirect_uri
from streamlit.web.server.starlette import starlette_websocket as streamlit_websocket
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from app.auth.claims import sign_in_configured, subject_of
from app.auth.media_owners import MediaOwners

MEDIA = "/media/"
CLOSED = ("/_stcore/", MEDIA, "/component/")
OPEN = ("/_stcore/health", "/_stcore/host-config")
HEALTH = "/_stcore/health"
READY = "/ready"

logger = logging.getLogger(__name__)


class KnownHosts:
    """ASGI middleware that refuses requests for unknown hosts.

    Streamlit checks the websocket only; this stops DNS rebinding for all other requests. Checks of health and
    readiness may use any host.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] != "http" or path_in_workspace(scope) in (HEALTH, READY)
        if known or streamlit_websocket.is_host_allowed(Headers(scope=scope).get("host")):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("Unknown host", 400)(scope, receive, send)


class SignedInOnly:
    """ASGI middleware: where a sign-in is configured, signed-in users get data, each only their own.

    For others the paths of data do not exist (404). Uploads, media, downloads, component files and the
    server's statistics count as data; the frontend's own files, its health and the sign-in do not.
    """

    in_place = False

    def __init__(self, app: ASGIApp, owners: MediaOwners) -> None:
        self.app, self.owners = app, owners
        SignedInOnly.in_place = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_closed(path_in_workspace(scope)) or not sign_in_configured():
            await self.app(scope, receive, send)
        elif not self._may(scope):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, _with_private_cache(send))

    def _may(self, scope: Scope) -> bool:
        person = person_in(cookie_parser(Headers(scope=scope).get("cookie", "")))
        if person is None:
            return False
        path = path_in_workspace(scope)
        return not path.startswith(MEDIA) or self.owners.may_have(path, person)


def is_closed(path: str) -> bool:
    """Whether there are data at this path, seen from the workspace's own address."""
    return path.startswith(CLOSED) and path not in OPEN


def path_in_workspace(scope: Scope) -> str:
    """The request's path without what stands before all of the workspace's paths."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return path.removeprefix(f"/{base}") if base else path


def person_in(cookies: Mapping[str, str]) -> str | None:
    """The subject that Streamlit's signed cookie names, None without a valid one.

    The cookie has to be signed with our secret, at most a month old, and made for the address that the
    sign-in is configured for, as Streamlit asks of a websocket.
    """
    origin = get_origin_from_redirect_uri()
    signed = streamlit_websocket._get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    if origin is None or not signed:
        return None
    claims = streamlit_websocket._parse_decoded_user_cookie(signed, origin)
    return subject_of(claims) if claims.get("is_logged_in") is True else None


def _with_private_cache(send: Send) -> Send:
    """The same, with ``Cache-Control: private``, so that no shared cache stores the answer."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Cache-Control"] = "private"
        await send(message)

    return send_private
