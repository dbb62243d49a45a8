"""The cameras that are live: each with tracks of its own, few at a time, ended when no frame comes.

A forward pass in an exported network takes one core, so a camera may have two frames in work: one is detected
beside the other. They are followed in the order in which the camera took them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.errors import LapelError, PhotoError
from core.garments import LabeledFrame
from core.images.containers import read_container
from core.images.decode import Photo, read_photo
from core.inference.video_labeler import VideoLabeler
from core.threads import compute_threads

MOST_SESSIONS = 4
MOST_FRAMES_AT_ONCE = 2
"""Frames of a camera in work at a time."""
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
    """A frame that came while as many as may be were in work."""


class LiveLateError(LapelError):
    """A frame that came after one that the camera took later was followed already."""


@dataclass(eq=False)
class _Session:
    labeler: VideoLabeler
    began: float
    last: float
    in_work: list[tuple[float, int]] = field(default_factory=list)
    """When the frames in work were taken, each with its number."""
    came: int = 0
    followed: float = 0.0
    """When the last frame that was followed was taken."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def working(self, taken: float) -> Iterator[tuple[float, int]]:
        """Hold one of the places for frames in work. Raises LiveBusyError, LiveLateError."""
        with self.changed:
            if len(self.in_work) >= MOST_FRAMES_AT_ONCE:
                raise LiveBusyError(
                    f"Expected {MOST_FRAMES_AT_ONCE} frames at a time: the last ones are still being labeled."
                )
            if taken < self.followed:
                raise LiveLateError("Expected frames in their order: one that was taken later came before.")
            self.came += 1
            place = (taken, self.came)
            self.in_work.append(place)
        try:
            yield place
        finally:
            with self.changed:
                self.in_work.remove(place)
                self.changed.notify_all()

    def wait_for_turn(self, place: tuple[float, int]) -> None:
        """Wait for the frames in work that were taken before; those taken later then wait for this one."""
        with self.changed:
            self.changed.wait_for(lambda: min(self.in_work) == place)
            self.followed = place[0]


class LiveSessions:
    """All live sessions of the demo; safe to share between threads.

    ``at_once`` tells a camera how many frames to send at a time, so that several share the rate instead of
    waiting for each other's.
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
        self._opening = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            self._drop_idle()
            return len(self._sessions)

    def start(self) -> str:
        """A new session's id, which nobody can guess; waits for the models. Raises LiveFullError."""
        with self._lock:
            self._drop_idle()
            if len(self._sessions) + self._opening >= self._most:
                raise LiveFullError(
                    f"{self._most} cameras are live already, which is the most; try again in a moment."
                )
            self._opening += 1
        try:
            labeler = self._open_labeler()
            with self._lock:
                now, id = self._clock(), secrets.token_urlsafe(24)
                self._sessions[id] = _Session(labeler, now, now)
                return id
        finally:
            with self._lock:
                self._opening -= 1

    def end(self, id: str) -> None:
        """End a session; one that is not there is no fault."""
        with self._lock:
            self._sessions.pop(id, None)

    def at_once(self) -> int:
        """How many frames a camera should send at a time: two where that many cores wait for it, else one."""
        return max(1, min(MOST_FRAMES_AT_ONCE, compute_threads() // max(1, len(self))))

    def label(
        self, id: str, frame: bytes, score_threshold: float | None = None, taken: float | None = None
    ) -> LabeledFrame:
        """The garments of a session's next frame, a JPEG, PNG or WebP picture.

        ``taken`` is when the camera took it, in seconds by a clock of the camera's own that never goes back,
        for all of its frames or for none. Raises LiveEndedError, LiveBusyError, LiveLateError, and PhotoError
        for what is no picture or too large.
        """
        session = self._of(id)
        if taken is None:
            taken = session.last - session.began
        with session.working(taken) as place:
            photo = read_frame(frame)
            found = session.labeler.detect(photo)
            session.wait_for_turn(place)
            labeled = session.labeler.follow(photo, found, taken, score_threshold)
            session.last = self._clock()
            return labeled

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
            id: session for id, session in self._sessions.items() if session.last >= oldest or session.in_work
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
