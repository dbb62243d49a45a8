"""Sentences of Streamlit's frontend that mislead here, replaced as its scripts are served.

Lapel needs no network, who opens it started no ``streamlit run``, and a file that did not arrive is to be
dropped again. The frontend has no setting for these sentences.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.middleware import path_in_workspace

MESSAGES = {
    b"Streamlit server is not responding. Are you connected to the internet?": (
        b"Lapel does not answer. Start it again: your photos and work are kept."
    ),
    b"Is Streamlit still running? If you accidentally stopped Streamlit, just restart it in your terminal:": (
        b"Lapel does not answer. Start it again, your photos and your work are kept:"
    ),
    b"streamlit run yourscript.py": b"make run",
    # "AxiosError: Network Error" of an upload; refusals of the server stay as they are
    b"errorMessage:P(e)": (
        b"errorMessage:P(e).replace(/.*Network Error/,"
        b"`It did not arrive: the connection was lost. Drop it again.`)"
    ),
}
"""What is said here in the place of what."""

_SCRIPT = re.compile(r"/static/js/(index|FileUploader)\.[\w-]+\.js")


class FrontendMessages:
    """ASGI middleware that serves the frontend's scripts with our own sentences in them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _SCRIPT.fullmatch(path_in_workspace(scope)):
            await self.app(scope, receive, send)
            return
        begun: Message | None = None
        pieces: list[bytes] = []

        async def send_replaced(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = message
                return
            if begun is None:
                await send(message)
                return
            pieces.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            headers = Headers(scope=begun)
            is_plain = begun["status"] == 200 and "content-encoding" not in headers
            body = b"".join(pieces)
            body = with_own_messages(body) if is_plain else body
            MutableHeaders(scope=begun)["content-length"] = str(len(body))
            await send(begun)
            await send({"type": "http.response.body", "body": body})

        # As it is: packed, it could not be read here.
        kept = [
            (name, value) for name, value in scope["headers"] if name not in (b"accept-encoding", b"range")
        ]
        await self.app({**scope, "headers": kept}, receive, send_replaced)


def with_own_messages(script: bytes) -> bytes:
    """The script with each of these sentences replaced."""
    for theirs, ours in MESSAGES.items():
        script = script.replace(theirs, ours)
    return script
