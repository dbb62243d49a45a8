"""A video's frames are detected some at once, and come in their order with the answers of one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import pytest

from core.errors import VideoError
from core.garments import LabeledFrame
from core.images.decode import Photo
from core.images.video import Frame, Video
from core.inference import labeled_video
from core.inference.detector import RawDetections
from core.inference.labeled_video import labeled_frames
from core.inference.labeler import Labeler
from core.inference.video_labeler import WHOLE, VideoLabeler
from tests.moving import ColorDetector, moving_frames, moving_labeler
from tests.waiting import PATIENCE_SECONDS

RATE = 15.0


class Clip:
    """The frames of a clip, and how many of them were read."""

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self.count, self.fault, self.read = count, fault, 0

    def __iter__(self) -> Iterator[Frame]:
        for number, photo in enumerate(moving_frames(self.count)):
            self.read += 1
            yield Frame(number, number / RATE, photo.image, photo.size_wh)
        if self.fault is not None:
            raise self.fault

    @property
    def video(self) -> Video:
        """It as an open video."""
        return Video("clip", RATE, self.count, iter(self))


@dataclass(frozen=True, eq=False)
class PairedDetector(ColorDetector):
    """Of two frames that are with it at once, the one that came first is answered last."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    ends: list[int] = field(default_factory=list)

    def raw_detections(self, photo: Photo, score_threshold: float) -> RawDetections:
        """The rectangles, as they are found one frame at a time."""
        with self.changed:
            mine = len(self.calls)
            found = super().raw_detections(photo, score_threshold)
            if mine % 2 == 0:
                assert self.changed.wait_for(lambda: mine + 1 in self.ends, PATIENCE_SECONDS)
            self.ends.append(mine)
            self.changed.notify_all()
            return found


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeled_video, "cores", lambda: 2)


def paired() -> Labeler:
    labeler = moving_labeler()
    return replace(labeler, detector=PairedDetector(labeler.detector.card))  # type: ignore[arg-type]


def one_at_a_time(clip: Clip) -> list[LabeledFrame]:
    frames = VideoLabeler(moving_labeler(), WHOLE)
    return [frames.label(Photo("clip", f.image, ""), f.seconds, frame=f.number) for f in clip]


def test_frames_that_are_detected_at_once_have_the_answers_of_one_at_a_time() -> None:
    labeler = paired()
    found = list(labeled_frames(Clip(24).video, labeler))
    assert found == one_at_a_time(Clip(24)) and len(found[-1].garments) == 2
    assert labeler.detector.ends != sorted(labeler.detector.ends)  # type: ignore[attr-defined]


def test_no_more_frames_are_read_than_fit_ahead() -> None:
    clip = Clip(60)
    for number, _ in enumerate(labeled_frames(clip.video, moving_labeler()), start=1):
        assert clip.read <= number + 2 * 2 + 1, "the one that is given, twice as many as threads, one in hand"


def test_the_cores_of_a_large_machine_hold_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeled_video, "cores", lambda: 64)
    clip = Clip(60)
    next(labeled_frames(clip.video, moving_labeler()))
    assert clip.read <= 2 * labeled_video.MOST_AT_ONCE + 2


def test_a_reader_that_stops_ends_all_work() -> None:
    clip, before = Clip(60), threading.active_count()
    frames = labeled_frames(clip.video, moving_labeler())
    assert len(list(islice(frames, 3))) == 3
    frames.close()
    assert clip.read < 12 and threading.active_count() == before


def test_a_damaged_video_gives_all_frames_before_its_fault() -> None:
    given = []
    with pytest.raises(VideoError, match="damaged"):
        for frame in labeled_frames(Clip(10, VideoError("The video is damaged.")).video, paired()):
            given.append(frame)
    assert given == one_at_a_time(Clip(10))
