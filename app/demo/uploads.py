"""Uploads of the demo: together they take no more than a limit; what nobody fetched in time is removed.

Gradio bounds a single file, and keeps any number of them.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_SECONDS = 1800
"""How long a file stays that Gradio has lost track of, as those of broken uploads."""


class BoundedUploads:
    """ASGI middleware that refuses uploads (413) beyond ``most_bytes`` in Gradio's folder of files."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app, self.most_bytes = app, most_bytes
        self._arriving = 0
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/upload"):
            await self.app(scope, receive, send)
            return
        room = self.most_bytes - _sweep(Path(os.environ["GRADIO_TEMP_DIR"]))
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) + self._arriving > room:
            await PlainTextResponse(self.refusal, 413)(scope, receive, send)
            return
        counted = 0

        async def bounded() -> Message:
            nonlocal counted
            message = await receive()
            size = len(message.get("body", b""))
            with self._lock:
                self._arriving += size
                counted += size
                too_much = self._arriving > room
            if too_much:
                raise HTTPException(413, self.refusal)
            return message

        try:
            await self.app(scope, bounded, send)
        finally:
            with self._lock:
                self._arriving -= counted

    @property
    def refusal(self) -> str:
        """The sentence for a file that is too much."""
        return f"The demo holds {self.most_bytes // 2**20:,} MB of photos at a time; try again later."


def _sweep(folder: Path) -> int:
    """The bytes of the files in a folder, of which those that are too old are removed."""
    total, oldest = 0, time.time() - KEPT_SECONDS
    for path in folder.rglob("*"):
        with suppress(OSError):  # Gradio was quicker
            if path.is_file():
                found = path.stat()
                if found.st_mtime < oldest:
                    path.unlink()
                else:
                    total += found.st_size
    return total
