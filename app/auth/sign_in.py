"""The sign-in page for visitors, and the redirect after sign-in to the page that was asked for."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.claims import sign_in_configured
from app.auth.middleware import path_in_workspace, person_in

LOGO = str(Path(__file__).resolve().parents[2] / "assets" / "logo.svg")


def show() -> None:
    """The page; its button starts the configured sign-in."""
    st.space("large")
    with st.container(horizontal_alignment="center", key="sign-in"), st.container(width=420, border=True):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
            st.image(LOGO, width=56, alt="Lapel's logo")
            st.title("Lapel", anchor=False)
        st.markdown(
            "Lapel labels clothing photos, shows why it labeled them so, lets people correct it, and learns "
            "from the corrections."
        )
        if st.button("Sign in", type="primary", icon=":material/login:", width="stretch", key="sign-in-go"):
            st.login()
        st.caption("Sign in with your organization's account.")


COOKIE = "lapel_redirect"
SECONDS = 600
"""How long a sign-in may take."""

MOST_CHARACTERS = 1000
PAGE = re.compile(r"/[a-z_]*(\?[^\s#\\]*)?")
"""The path and query of a page: one name of letters, no other host, not the sign-in's own paths."""


class SignInRedirect:
    """ASGI middleware: a cookie keeps the page that a visitor asked for, and redirects there after sign-in.

    The sign-in itself always ends at the first page. The address is kept without its host, and followed only
    where it is a page's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (_is_page_asked_for(scope) and sign_in_configured()):
            await self.app(scope, receive, send)
            return
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        here, kept = _address(scope), unquote(cookies.get(COOKIE, ""))
        base = str(scope["path"]).removesuffix(path_in_workspace(scope)) + "/"
        if person_in(cookies) is None:
            wanted = here if here != "/" and is_page(here) else ""
            await self.app(scope, receive, _with_cookie(send, wanted, base) if wanted != kept else send)
        elif here == "/" and kept != "/" and is_page(kept):
            answer = RedirectResponse(base.removesuffix("/") + kept, status_code=303)
            answer.headers["Cache-Control"] = "no-store"
            await answer(scope, receive, _with_cookie(send, "", base))
        else:
            await self.app(scope, receive, _with_cookie(send, "", base) if kept else send)


def is_page(address: str) -> bool:
    """Whether this is the address of a page, seen from the workspace's own."""
    return len(address) <= MOST_CHARACTERS and PAGE.fullmatch(address) is not None


def _is_page_asked_for(scope: Scope) -> bool:
    """Whether a browser opens a page, rather than a page fetching something."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return "text/html" in Headers(scope=scope).get("accept", "") and is_page(_address(scope))


def _address(scope: Scope) -> str:
    """The path within the workspace, and the query."""
    query = scope.get("query_string", b"").decode("latin-1")
    return path_in_workspace(scope) + (f"?{query}" if query else "")


def _with_cookie(send: Send, address: str, base: str) -> Send:
    """The same answer, with the cookie set, or deleted for no address."""
    age = SECONDS if address else 0
    value = f"{COOKIE}={quote(address, safe='')}; Max-Age={age}; Path={base}; HttpOnly; SameSite=Lax"

    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", value)
        await send(message)

    return send_with_cookie
