"""The cameras that are live: each with tracks of its own, few at a time, ended when no frame comes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import LapelError, PhotoError
from core.garments import LabeledFrame
from core.images.containers import read_container
from core.images.decode import Photo, read_photo
from core.inference.video_labeler import VideoLabeler

MOST_SESSIONS = 4
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")
"""What browsers make of a camera's picture, and what is decoded at once."""
IDLE_SECONDS = 15.0
MOST_FRAME_BYTES = 512 * 1024
MOST_FRAME_SIDE = 1280


class LiveFullError(LapelError):
    """As many cameras are live as may be."""


class LiveEndedError(LapelError):
    """A session that is over, or never was."""


class LiveBusyError(LapelError):
    """A frame that came before the last one was answered."""


@dataclass(eq=False)
class _Session:
    labeler: VideoLabeler
    began: float
    last: float
    busy: threading.Lock = field(default_factory=threading.Lock)


class LiveSessions:
    """All live sessions of the demo; safe to share between threads.

    The models take one frame at a time, so that several cameras share the rate instead of all stalling.
    """

    def __init__(
        self,
        open_labeler: Callable[[], VideoLabeler],
        *,
        most: int = MOST_SESSIONS,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_labeler, self._most, self._idle_seconds, self._clock = (
            open_labeler,
            most,
            idle_seconds,
            clock,
        )
        self._sessions: dict[str, _Session] = {}
        self._lock, self._models = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            self._drop_idle()
            return len(self._sessions)

    def start(self) -> str:
        """A new session's id, which nobody can guess. Raises LiveFullError."""
        with self._lock:
            self._drop_idle()
            if len(self._sessions) >= self._most:
                raise LiveFullError(
                    f"{self._most} cameras are live already, which is the most; try again in a moment."
                )
            now, id = self._clock(), secrets.token_urlsafe(24)
            self._sessions[id] = _Session(self._open_labeler(), now, now)
            return id

    def end(self, id: str) -> None:
        """End a session; one that is not there is no fault."""
        with self._lock:
            self._sessions.pop(id, None)

    def label(self, id: str, frame: bytes, score_threshold: float | None = None) -> LabeledFrame:
        """The garments of a session's next frame, a JPEG, PNG or WebP picture.

        Raises LiveEndedError, LiveBusyError, and PhotoError for what is no picture or too large.
        """
        session = self._of(id)
        if not session.busy.acquire(blocking=False):
            raise LiveBusyError("Expected one frame at a time: the last one is still being labeled.")
        try:
            photo = read_frame(frame)
            with self._models:
                labeled = session.labeler.label(photo, self._clock() - session.began, score_threshold)
            session.last = self._clock()
            return labeled
        finally:
            session.busy.release()

    def _of(self, id: str) -> _Session:
        with self._lock:
            self._drop_idle()
            session = self._sessions.get(id)
            if session is None:
                raise LiveEndedError("This camera's session has ended: start the camera again.")
            session.last = self._clock()
            return session

    def _drop_idle(self) -> None:
        oldest = self._clock() - self._idle_seconds
        self._sessions = {
            id: session
            for id, session in self._sessions.items()
            if session.last >= oldest or session.busy.locked()
        }


def read_frame(data: bytes) -> Photo:
    """A camera's frame. Raises PhotoError for what is no picture, and for one beyond the limits above."""
    if len(data) > MOST_FRAME_BYTES:
        raise PhotoError(f"Expected a frame of at most {MOST_FRAME_BYTES // 1024} KiB, got a larger one.")
    container = read_container(data)
    if container.format not in FRAME_FORMATS:
        raise PhotoError(f"Expected a frame as JPEG, PNG or WebP, got {container.format}.")
    width, height = container.size_wh
    if max(width, height) > MOST_FRAME_SIDE:
        raise PhotoError(f"Expected a frame of at most {MOST_FRAME_SIDE} pixels, got {width} x {height}.")
    return read_photo(data, "camera")
