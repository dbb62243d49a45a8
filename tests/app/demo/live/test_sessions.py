"""Live sessions: few at a time, ended when idle, two frames at a time, frames within bounds."""

from __future__ import annotations

import io
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from PIL import Image

from app.demo.live import sessions as live_sessions
from app.demo.live.sessions import (
    MOST_FRAME_BYTES,
    LiveBusyError,
    LiveEndedError,
    LiveFullError,
    LiveLateError,
    LiveSessions,
    read_frame,
)
from core.errors import PhotoError
from core.garments import LabeledFrame
from core.images.decode import Photo
from core.inference.detector import RawDetections
from core.inference.video_labeler import VideoLabeler
from core.threads import parallel_map
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


def test_two_at_a_time_are_answered_as_one_at_a_time(clock: Clock) -> None:
    frames = [frame(number) for number in range(24)]

    def answers(threads: int) -> list[LabeledFrame]:
        together = threading.Barrier(threads, timeout=PATIENCE_SECONDS)

        class Paired(VideoLabeler):
            def detect(self, photo: Photo) -> RawDetections:
                together.wait()  # none is done before the one before it has come
                return super().detect(photo)

        sessions = LiveSessions(partial(Paired, moving_labeler()), clock=clock)
        id = sessions.start()
        numbered = enumerate(frames)
        return list(parallel_map(numbered, lambda sent: sessions.label(id, sent[1], None, sent[0]), threads))

    assert answers(2) == answers(1)


class Gated(VideoLabeler):
    """Detects a frame once its gate is open; frames are named by the width of their picture."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gates: dict[int, threading.Event] = defaultdict(threading.Event)
        self.entered: dict[int, threading.Event] = defaultdict(threading.Event)
        self.followed: list[int] = []

    def detect(self, photo: Photo) -> RawDetections:
        self.entered[photo.width].set()
        assert self.gates[photo.width].wait(PATIENCE_SECONDS)
        return super().detect(photo)

    def follow(self, photo: Photo, *arguments: Any, **options: Any) -> LabeledFrame:
        self.followed.append(photo.width)
        return super().follow(photo, *arguments, **options)


def test_two_frames_are_in_work_and_are_followed_in_the_cameras_order(clock: Clock) -> None:
    """The second one is detected while the first one is, and waits for it however fast it was."""
    labeler = Gated(moving_labeler())
    sessions = LiveSessions(lambda: labeler, clock=clock)
    id = sessions.start()

    def send(width: int, taken: float) -> Future[LabeledFrame]:
        sent = threads.submit(sessions.label, id, frame(size_wh=(width, 240)), None, taken)
        assert labeler.entered[width].wait(PATIENCE_SECONDS)
        return sent

    with ThreadPoolExecutor(2) as threads:
        try:
            first, second = send(320, 1.00), send(400, 1.05)
            with pytest.raises(LiveBusyError, match="Expected 2 frames at a time"):
                sessions.label(id, frame(), None, 1.1)
            clock.now += 1000
            assert len(sessions) == 1, "frames that are being labeled are not idle"
            labeler.gates[400].set()
            assert not wait([second], timeout=0.1).done
            labeler.gates[320].set()
            assert (first.result().frame, second.result().frame) == (0, 1)
            assert (first.result().seconds, second.result().seconds) == (1.00, 1.05)
            with pytest.raises(LiveLateError):
                sessions.label(id, frame(), None, 1.04)
            later, earlier = send(440, 1.20), send(480, 1.15)  # requests overtook each other
            for width in (440, 480):
                labeler.gates[width].set()
            assert (earlier.result().frame, later.result().frame) == (2, 3)
        finally:
            for width in list(labeler.entered):
                labeler.gates[width].set()  # a test that failed waits for nothing
    assert labeler.followed == [320, 400, 480, 440]


def test_a_frame_that_fails_keeps_none_waiting(clock: Clock) -> None:
    class Failing(Gated):
        def detect(self, photo: Photo) -> RawDetections:
            found = super().detect(photo)
            if photo.width == 320:
                raise ZeroDivisionError
            return found

    labeler = Failing(moving_labeler())
    labeler.gates[400].set()
    sessions = LiveSessions(lambda: labeler, clock=clock)
    id = sessions.start()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(sessions.label, id, frame(), None, 1.0)
        assert labeler.entered[320].wait(PATIENCE_SECONDS)
        second = threads.submit(sessions.label, id, frame(size_wh=(400, 240)), None, 2.0)
        assert labeler.entered[400].wait(PATIENCE_SECONDS)
        labeler.gates[320].set()
        with pytest.raises(ZeroDivisionError):
            first.result()
        assert second.result().garments


def test_cameras_share_the_cores(sessions: LiveSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [2]
    monkeypatch.setattr(live_sessions, "compute_threads", lambda: free[0])
    first = sessions.start()
    assert sessions.at_once() == 2
    sessions.start()
    assert sessions.at_once() == 1
    sessions.end(first)
    assert sessions.at_once() == 2
    free[0] = 1
    assert sessions.at_once() == 1, "a training has the other core"


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


def test_others_need_not_wait_while_a_session_waits_for_the_models(clock: Clock) -> None:
    asked, loaded = threading.Event(), threading.Event()

    def open_labeler() -> VideoLabeler:
        asked.set()
        assert loaded.wait(PATIENCE_SECONDS)
        return VideoLabeler(moving_labeler())

    sessions = LiveSessions(open_labeler, most=1, clock=clock)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(sessions.start)
        try:
            assert asked.wait(PATIENCE_SECONDS)
            assert len(sessions) == 0
            with pytest.raises(LiveFullError):
                sessions.start()
        finally:
            loaded.set()
    assert sessions.label(first.result(), frame()).garments
