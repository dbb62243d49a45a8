"""Uploads of the workspace: only files that an uploader on the session's page asked for, up to a limit.

Streamlit takes any file id of a known session, and keeps the files in memory as long as the session is open.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from app.auth.middleware import path_in_workspace

MOST_FILES = 10_000
"""File ids that a session may have asked for at once; the oldest are forgotten."""

FRAMING_BYTES = 2**16
"""Of a request's body around its file: boundaries and headers of the form."""

NOT_ARRIVED = "The file did not arrive: the connection was lost on the way. Drop it again."

_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)/?")
_UPLOADER = "file_uploader_state_value"  # the kind of value by which Streamlit knows an uploader


class UploadQuota:
    """The file ids that each session has asked for, and the bytes that it has uploaded or is uploading.

    ``session_bytes`` is the limit of a session.
    """

    in_place: UploadQuota | None = None
    """The one that follows this server's uploads."""

    def __init__(self, session_bytes: int) -> None:
        self.session_bytes = session_bytes
        # session to file id to the name of what may come, and by which question for addresses
        self._names: dict[str, dict[str, tuple[str, int]]] = {}
        self._too_much: set[tuple[str, str]] = set()
        self._asked: dict[str, dict[str, int]] = {}  # session to file id to the bytes that are kept of it
        self._arriving: dict[str, int] = {}
        self._lock = threading.Lock()

    def watch(
        self,
        manager: Any,
        may_ask: Callable[[str], bool],
        is_open: Callable[[str], bool],
    ) -> None:
        """Follow from now on what Streamlit's manager of uploads hands out and keeps; it has no hooks.

        ``may_ask`` says whether a session's page has an uploader, ``is_open`` whether a session can still be
        gone on with.
        """
        UploadQuota.in_place = self
        urls, add, remove, end = (
            manager.get_upload_urls, manager.add_file, manager.remove_file, manager.remove_session_files
        )  # fmt: skip

        def asked_urls(session_id: str, file_names: Sequence[str]) -> list[Any]:
            for gone in self._closed(is_open):
                ended(gone)
            if not may_ask(session_id):
                return []
            issued = urls(session_id, list(file_names[:MOST_FILES]))
            self.ask(session_id, [info.file_id for info in issued])
            with self._lock:
                names = self._names.setdefault(session_id, {})
                turn = len(names)
                named = zip(issued, file_names, strict=False)
                names.update({info.file_id: (name, turn) for info, name in named})
            return issued

        def kept(session_id: str, file: Any) -> None:
            self.keep(session_id, file.file_id, len(file.data))
            add(session_id, file)
            if not is_open(session_id):  # it ended while the file arrived
                ended(session_id)

        def removed(session_id: str, file_id: str) -> None:
            remove(session_id, file_id)
            self.forget(session_id, file_id)

        def ended(session_id: str) -> None:
            end(session_id)
            self.end(session_id)

        for name, method in (
            ("get_upload_urls", asked_urls), ("add_file", kept), ("remove_file", removed),
            ("remove_session_files", ended),
        ):  # fmt: skip
            setattr(manager, name, method)

    def ask(self, session: str, files: Sequence[str]) -> None:
        """Note that files with these ids may come."""
        with self._lock:
            asked = self._asked.setdefault(session, {})
            asked.update(dict.fromkeys(files, 0))
            waiting = [file for file, size in asked.items() if not size]
            for file in waiting[: max(0, len(asked) - MOST_FILES)]:
                del asked[file]

    def take_missing(self, session: str) -> list[tuple[str, str]]:
        """Name and sentence of each file that was asked for and did not arrive, once.

        To be called when an uploader reports, as it does once none of its files is under way, and before
        those that came are released. A file that was dropped again and arrived then is not missing.
        """
        with self._lock:
            asked, names = self._asked.get(session, {}), self._names.get(session, {})
            missing = [] if session in self._arriving else [file for file in names if not asked.get(file)]
            came = [names[file] for file in names if asked.get(file)]
            found = [
                (name, self.refusal if (session, file) in self._too_much else NOT_ARRIVED)
                for file, (name, turn) in ((file, names[file]) for file in missing if file in asked)
                if not any(name == other and turn < later for other, later in came)
            ]
            for file in missing:
                asked.pop(file, None)
                self._too_much.discard((session, file))
            self._names.pop(session, None)
            return found

    def refuse(self, session: str, file: str) -> None:
        """Note that a file was too much."""
        with self._lock:
            self._too_much.add((session, file))

    def was_asked(self, session: str, file: str) -> bool:
        """Whether a file of this id may come."""
        with self._lock:
            return file in self._asked.get(session, ())

    def used(self, session: str) -> int:
        """The bytes that a session has uploaded, and those that are arriving."""
        with self._lock:
            return self._used(session)

    def keep(self, session: str, file: str, size: int) -> None:
        """Count a file that has arrived whole. Raises HTTPException (403) for one that nothing asked for."""
        with self._lock:
            if file not in self._asked.get(session, ()):
                raise HTTPException(403, "Nothing on this page asked for the upload.")
            self._asked[session][file] = size

    def forget(self, session: str, file: str) -> None:
        """Count a file no more."""
        with self._lock:
            self._asked.get(session, {}).pop(file, None)

    def end(self, session: str) -> None:
        """Forget all of a session."""
        with self._lock:
            self._asked.pop(session, None)
            self._names.pop(session, None)
            self._too_much = {entry for entry in self._too_much if entry[0] != session}

    @contextmanager
    def arriving(self, session: str, file: str) -> Iterator[Callable[[int], None]]:
        """A function that counts bytes as they come; what is counted is given back when the block is left.

        It raises HTTPException (413) for bytes beyond the session's limit. A file that comes again replaces
        the one before.
        """
        counted = 0

        def count(size: int) -> None:
            nonlocal counted
            with self._lock:
                replaced = self._asked.get(session, {}).get(file, 0)
                if self._used(session) - replaced + size > self.session_bytes + FRAMING_BYTES:
                    self._too_much.add((session, file))
                    raise HTTPException(413, self.refusal)
                counted += size
                self._arriving[session] = self._arriving.get(session, 0) + size

        try:
            yield count
        finally:
            with self._lock:
                self._arriving[session] = self._arriving.get(session, 0) - counted
                if not self._arriving[session]:
                    del self._arriving[session]

    @property
    def refusal(self) -> str:
        """The sentence for a file that is too much."""
        return f"Expected at most {self.session_bytes // 2**20:,} MB of uploads at a time, got more."

    def _used(self, session: str) -> int:
        return sum(self._asked.get(session, {}).values()) + self._arriving.get(session, 0)

    def _closed(self, is_open: Callable[[str], bool]) -> list[str]:
        with self._lock:
            sessions = list(self._asked)
        return [session for session in sessions if not is_open(session)]


class BoundedUploads:
    """ASGI middleware that refuses uploads that nothing asked for (403) or that are too much (413)."""

    def __init__(self, app: ASGIApp, quota: UploadQuota) -> None:
        self.app, self.quota = app, quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _UPLOAD.fullmatch(path_in_workspace(scope)) if scope["type"] == "http" else None
        if found is None or scope["method"] != "PUT":
            await self.app(scope, receive, send)
            return
        session, file = found.groups()
        if not self.quota.was_asked(session, file):
            await PlainTextResponse("Nothing on this page asked for the upload.", 403)(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.quota.session_bytes + FRAMING_BYTES:
            self.quota.refuse(session, file)
            await PlainTextResponse(self.quota.refusal, 413)(scope, receive, send)
            return
        with self.quota.arriving(session, file) as count:

            async def counted() -> Message:
                message = await receive()
                count(len(message.get("body", b"")))
                return message

            await self.app(scope, counted, send)


def has_uploader(session_id: str) -> bool:
    """Whether a page of this session has shown an uploader."""
    found = runtime.get_instance()._session_mgr.get_active_session_info(session_id)
    if found is None:
        return False
    shown = found.session.session_state._new_widget_state.widget_metadata
    return any(widget.value_type == _UPLOADER for widget in list(shown.values()))


def is_open(session_id: str) -> bool:
    """Whether a session is connected, or may still be gone on with."""
    return runtime.get_instance()._session_mgr.get_session_info(session_id) is not None
