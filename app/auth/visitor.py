"""Whose work a page shows: the signed-in person's, or where nobody signs in, this browser's by a cookie."""

from __future__ import annotations

import re
import secrets

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.claims import sign_in_configured, subject_of

COOKIE = "lapel_visitor"
COOKIE_SECONDS = 400 * 24 * 3600  # the most that browsers keep one
_VALUE = re.compile(r"[A-Za-z0-9_-]{32}")


class VisitorCookie:
    """ASGI middleware that gives each browser a random name of its own, where nobody signs in.

    It stands for no rights: the workspace is then on this machine only. Scripts cannot read it, and pages of
    other sites do not send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or sign_in_configured() or _is_known(scope):
            await self.app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    value = secrets.token_urlsafe(24)
                    headers.append(
                        "set-cookie",
                        f"{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict",
                    )
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _is_known(scope: Scope) -> bool:
    cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
    return _VALUE.fullmatch(cookies.get(COOKIE, "")) is not None


def owner_of_draft() -> str | None:
    """A text that stands for the person whose page runs; None for a browser that keeps no cookies."""
    if sign_in_configured():
        subject = subject_of(st.user.to_dict())
        return None if subject is None else f"person {subject}"
    value = st.context.cookies.get(COOKIE)
    return f"browser {value}" if isinstance(value, str) and _VALUE.fullmatch(value) else None
