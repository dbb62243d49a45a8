"""Live sessions: few at a time, ended when idle, one frame at a time, frames within bounds."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image

from app.demo.live.sessions import (
    MOST_FRAME_BYTES,
    LiveBusyError,
    LiveEndedError,
    LiveFullError,
    LiveSessions,
    read_frame,
)
from core.errors import PhotoError
from core.inference.video_labeler import VideoLabeler
from tests.moving import moving_labeler, moving_picture
from tests.waiting import PATIENCE_SECONDS


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> LiveSessions:
    return LiveSessions(partial(VideoLabeler, moving_labeler()), most=2, idle_seconds=15.0, clock=clock)


def frame(number: int = 0, **options: object) -> bytes:
    stream = io.BytesIO()
    moving_picture(number, **options).save(stream, "JPEG", quality=90)  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_session_tracks_its_garments(sessions: LiveSessions, clock: Clock) -> None:
    id = sessions.start()
    for number in range(5):
        labeled = sessions.label(id, frame(number))
        assert {(g.track, g.garment.best_label) for g in labeled.garments} == {(1, "Shirt"), (2, "Jeans")}
        assert labeled.frame == number and labeled.seconds == pytest.approx(number / 15)
        clock.now += 1 / 15


def test_two_sessions_share_no_tracks(sessions: LiveSessions) -> None:
    one, other = sessions.start(), sessions.start()
    sessions.label(one, frame(0))
    assert len(sessions.label(other, frame(0, garments=(1,))).garments) == 1
    assert len(sessions.label(one, frame(1)).garments) == 2


def test_no_more_than_may_be_until_one_ends(sessions: LiveSessions) -> None:
    first, _ = sessions.start(), sessions.start()
    with pytest.raises(LiveFullError, match="2 cameras are live already"):
        sessions.start()
    sessions.end(first)
    sessions.end(first)
    assert sessions.start()


def test_an_idle_session_ends(sessions: LiveSessions, clock: Clock) -> None:
    idle, used = sessions.start(), sessions.start()
    clock.now += 10
    sessions.label(used, frame())
    clock.now += 10
    assert len(sessions) == 1
    with pytest.raises(LiveEndedError):
        sessions.label(idle, frame())
    assert sessions.label(used, frame()).garments
    with pytest.raises(LiveEndedError):
        sessions.label("invented", frame())


def test_a_second_frame_at_once_is_refused(clock: Clock) -> None:
    entered, gate = threading.Event(), threading.Event()

    class Slow(VideoLabeler):
        def label(self, *arguments, **options):  # type: ignore[no-untyped-def]
            entered.set()
            assert gate.wait(PATIENCE_SECONDS)
            return super().label(*arguments, **options)

    sessions = LiveSessions(lambda: Slow(moving_labeler()), clock=clock)
    id = sessions.start()
    first = threading.Thread(target=sessions.label, args=(id, frame()))
    first.start()
    assert entered.wait(PATIENCE_SECONDS)
    with pytest.raises(LiveBusyError):
        sessions.label(id, frame())
    clock.now += 1000
    assert len(sessions) == 1, "a frame that is being labeled is not idle"
    gate.set()
    first.join()
    assert sessions.label(id, frame()).garments


def huge(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (lambda: b"", "Expected a photo"),
        (lambda: b"<html>", "Expected a photo"),
        (lambda: frame()[:300], "."),
        (lambda: huge(4000, 16), "at most 1280 pixels, got 4000 x 16"),
        (lambda: bytes(MOST_FRAME_BYTES + 1), "at most 512 KiB"),
    ],
)
def test_what_is_no_frame_is_a_sentence(
    sessions: LiveSessions, data: Callable[[], bytes], sentence: str
) -> None:
    with pytest.raises(PhotoError, match=sentence):
        read_frame(data())
    id = sessions.start()
    with pytest.raises(PhotoError):
        sessions.label(id, data())
    assert sessions.label(id, frame()).garments, "and the session goes on"
