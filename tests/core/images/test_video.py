"""Video files: what is read is what was written; strangers' files cost a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import VideoError
from core.images.video import (
    Frame,
    VideoLimits,
    VideoWriter,
    apart_from_videos,
    container_of,
    is_video,
    open_video,
)
from tests.moving import moving_picture, write_clip
from tests.pictures import jpeg

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty frames, two seconds."""
    return write_clip(tmp_path_factory.mktemp("clip") / "walk.webm")


def frames_of(path: Path, **options: object) -> list[Frame]:
    with open_video(path, **options) as video:  # type: ignore[arg-type]
        return list(video.frames)


def test_what_was_written_is_read(clip: Path) -> None:
    with open_video(clip) as video:
        assert (video.name, video.frame_count, video.rate) == ("walk.webm", 30, pytest.approx(15.0, abs=0.1))
        frames = list(video.frames)
    assert [frame.number for frame in frames] == list(range(30))
    assert [frame.seconds for frame in frames] == pytest.approx([n / 15 for n in range(30)], abs=0.02)
    assert {frame.video_wh for frame in frames} == {(320, 240)}
    drawn = np.asarray(moving_picture(20)).astype(int)
    assert np.abs(np.asarray(frames[20].image).astype(int) - drawn).mean() < 8, "the order of colors as well"


def test_some_frames_a_second_are_spread_evenly(clip: Path) -> None:
    assert [frame.number for frame in frames_of(clip, rate=5.0)] == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]
    assert len(frames_of(clip, rate=200.0)) == 30


def test_large_frames_are_downscaled_and_say_their_size(clip: Path) -> None:
    frame = frames_of(clip, longest=160)[0]
    assert (frame.image.size, frame.video_wh) == ((160, 120), (320, 240))


def test_a_reader_may_stop_early(clip: Path) -> None:
    with open_video(clip) as video:
        assert next(video.frames).number == 0


def test_the_limits_are_sentences(clip: Path) -> None:
    for limits, sentence in (
        (VideoLimits(most_bytes=100), r"MiB; at most"),
        (VideoLimits(seconds=1.5), r"longer than 1\.5 seconds"),
        (VideoLimits(side=300), r"320 x 240 pixels; at most 300"),
    ):
        with pytest.raises(VideoError, match=sentence):
            frames_of(clip, limits=limits)


def test_a_frame_beyond_all_screens_is_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "wide.webm", 5) as writer:
        writer.write(moving_picture(0, size_wh=(5000, 16)), 0.0)
    with pytest.raises(VideoError, match=r"5000 x 16 pixels; at most 4096"):
        frames_of(tmp_path / "wide.webm")


def test_a_cut_off_video_gives_its_frames_and_then_a_sentence(clip: Path, tmp_path: Path) -> None:
    long = write_clip(tmp_path / "long.webm", count=90)
    data = long.read_bytes()
    long.write_bytes(data[: len(data) // 3])
    count = 0
    with pytest.raises(VideoError, match="damaged"), open_video(long) as video:
        for _ in video.frames:
            count += 1
    assert 0 < count < 60


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_a_sentence_or_frames(clip: Path, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = np.frombuffer(clip.read_bytes(), np.uint8).copy()
    data[rng.integers(40, len(data), 200)] = rng.integers(0, 256, 200)
    (tmp_path / "odd.webm").write_bytes(data.tobytes())
    try:
        assert frames_of(tmp_path / "odd.webm")
    except VideoError as error:
        assert str(error).endswith(".") and "Traceback" not in str(error)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<html>", "Expected an MP4"),
        (b"", "Expected an MP4"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "Expected an MP4"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "Expected an MP4"),
        (b"\x1a\x45\xdf\xa3" + bytes(4000), "damaged"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(4000), "damaged"),
        (b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(4000), "damaged"),
    ],
)
def test_what_is_no_video_is_a_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(VideoError, match=sentence):
        frames_of(tmp_path / "clip.mp4")


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be read"):
        frames_of(tmp_path / "none.mp4")


def test_without_the_package_a_sentence_names_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.images.video.importlib.util.find_spec", lambda name: None)
    with pytest.raises(VideoError, match="opencv-python-headless"):
        frames_of(clip)


def test_the_first_bytes_say_what_a_file_is() -> None:
    assert container_of(b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00") == "MP4"
    assert container_of(b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00") is None, "a photo of a phone"
    assert container_of(b"\xff\xd8\xff\xe0" + bytes(12)) is None


def test_a_picture_stays_until_the_next_ones_time(tmp_path: Path) -> None:
    red, blue = (moving_picture(0, garments=(n,)) for n in (0, 1))
    with VideoWriter(tmp_path / "slow.webm", 10) as writer:
        writer.write(red, 0.0)
        writer.write(blue, 0.5)
    frames = frames_of(tmp_path / "slow.webm")
    assert len(frames) == 6
    assert [int(np.asarray(frame.image)[80, 95, 0]) > 150 for frame in frames] == [True] * 5 + [True]
    assert [int(np.asarray(frame.image)[80, 95, 1]) < 100 for frame in frames] == [True] * 5 + [False]


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "odd.webm", 10) as writer:
        writer.write(moving_picture(0, size_wh=(101, 75)), 0.0)
    assert frames_of(tmp_path / "odd.webm")[0].video_wh == (100, 74)


def test_a_broken_off_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), VideoWriter(tmp_path / "part.webm", 10) as writer:
        writer.write(moving_picture(0), 0.0)
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match="cannot be written"),
        VideoWriter(tmp_path / "no" / "a.webm", 10) as w,
    ):
        w.write(moving_picture(0), 0.0)


def test_videos_are_told_from_photos(clip: Path, tmp_path: Path) -> None:
    both, videos, photos = (tmp_path / name for name in ("both", "videos", "photos"))
    for folder in (both, videos, photos):
        folder.mkdir()
    for folder in (both, videos):
        (folder / "a.webm").write_bytes(clip.read_bytes())
        (folder / "clip").write_bytes(clip.read_bytes())
        (folder / ".hidden.webm").write_bytes(clip.read_bytes())
        (folder / "named.jpg").write_bytes(clip.read_bytes())
    for folder in (both, photos):
        (folder / "b.jpg").write_bytes(jpeg())
    (photos / "photo.mp4").write_bytes(jpeg())
    assert is_video(both / "a.webm") and not is_video(photos / "photo.mp4") and not is_video(tmp_path)
    stills, found = apart_from_videos([both, videos, photos, clip, photos / "b.jpg", tmp_path / "none.mp4"])
    assert stills == [both / "b.jpg", photos, photos / "b.jpg", tmp_path / "none.mp4"]
    names = ("a.webm", "clip", "named.jpg")
    assert found == [*(folder / name for folder in (both, videos) for name in names), clip]
