"""``label`` for videos: a line a frame, annotated copies, and photos as before beside them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from core.cli import label as command
from core.images.video import open_video
from core.inference.labeler import Labeler
from tests.moving import moving_labeler, moving_picture, write_clip

pytest.importorskip("cv2")

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls, *files: moving_labeler()))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of two garments."""
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.webm", count=12)


@pytest.fixture
def clips(clip: Path, tmp_path: Path) -> Path:
    """A folder with a photo, a clip twice under names that differ by case, and a broken one."""
    folder = tmp_path / "clips"
    (folder / "more").mkdir(parents=True)
    (folder / "walk.webm").write_bytes(clip.read_bytes())
    (folder / "more" / "Walk.webm").write_bytes(clip.read_bytes())
    (folder / "broken.mp4").write_bytes(b"<html>")
    moving_picture(3).save(folder / "still.png")
    return folder


def label(*paths: Path, fps: float | None = None, out: Path | None = None) -> int:
    return command.label(paths, threshold=None, weights=(), out=out, fps=fps)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    printed = capsys.readouterr()
    assert printed.err == ""
    return [json.loads(line) for line in printed.out.splitlines()]


def test_a_frames_line_is_the_contracts(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label(clip) == 0
    lines = lines_of(capsys)
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["time"] for line in lines] == pytest.approx([n / 15 for n in range(12)], abs=0.01)
    for line in lines:
        assert list(line) == ["video", "frame", "time", "width", "height", "garments"]
        assert (line["video"], line["width"], line["height"]) == ("walk.webm", 320, 240)
        found = {g["track"]: (g["category"], g["top5"][0][0]) for g in line["garments"]}
        assert found == {1: ("top", "Shirt"), 2: ("pants", "Jeans")}
        assert list(line["garments"][0]) == [
            "box", "category", "score", "top5", "detector", "classifier", "track",
        ]  # fmt: skip


def test_a_folder_of_photos_and_videos_gives_both(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label(clips) == 1
    lines = lines_of(capsys)
    assert list(lines[0]) == ["photo", "width", "height", "seconds", "models", "garments"]
    assert lines[0]["photo"] == "still.png" and len(lines[0]["garments"]) == 2
    videos = list(dict.fromkeys(line["video"] for line in lines[1:]))
    assert videos == ["broken.mp4", "walk.webm", "Walk (2).webm"]
    assert list(lines[1]) == ["video", "error"] and lines[1]["error"].startswith("Expected an MP4")
    assert len(lines) == 1 + 1 + 12 + 12


def test_boxes_are_in_pixels_of_the_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = write_clip(tmp_path / "large.webm", count=2, size_wh=(1600, 1200))
    assert label(large) == 0
    line = lines_of(capsys)[0]
    assert (line["width"], line["height"]) == (1600, 1200)
    top = next(garment for garment in line["garments"] if garment["category"] == "top")
    assert top["box"] == pytest.approx([300, 200, 655, 605], abs=15)


def test_some_frames_a_second(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label(clip, fps=5) == 0
    assert [line["frame"] for line in lines_of(capsys)] == [0, 3, 6, 9]


def test_annotated_copies_have_names_of_their_own(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(clips, out=out) == 1
    lines_of(capsys)
    names = sorted(path.name for path in out.iterdir())
    assert names == ["Walk (2)_labeled.webm", "still_labeled.jpg", "walk_labeled.webm"]
    with open_video(out / "walk_labeled.webm") as video:
        frames = list(video.frames)
    assert len(frames) == 12 and frames[0].image.size == (320, 240)


def test_a_damaged_videos_copy_holds_what_could_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "cut.webm", count=90)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 3])
    assert label(clip, out=tmp_path / "out") == 1
    *frames, last = lines_of(capsys)
    assert frames and "damaged" in last["error"]
    with open_video(tmp_path / "out" / "cut_labeled.webm") as video:
        assert len(list(video.frames)) == len(frames)


@pytest.mark.parametrize("fps", ["0", "-1", "nan", "inf", "1000", "x"])
def test_rates_that_cannot_be_are_refused(fps: str, clip: Path) -> None:
    from typer.testing import CliRunner

    from core.__main__ import app

    assert CliRunner().invoke(app, ["label", str(clip), "--fps", fps]).exit_code == 2


TERMINATED = """
import os, signal, sys
from pathlib import Path

import core.cli.video
from core.cli import label as command
from core.inference.labeler import Labeler
from tests.moving import moving_labeler

clip, out = map(Path, sys.argv[1:])
Labeler.load = classmethod(lambda cls, *files: moving_labeler())


def ended(line):
    assert list(out.glob(".*.part.webm"))
    os.kill(os.getpid(), signal.SIGTERM)


core.cli.video.print_json = ended
command.label([clip], threshold=None, weights=(), out=out, fps=None)
"""


def test_sigterm_leaves_no_part_of_a_copy(clip: Path, tmp_path: Path) -> None:
    """In a process of its own: one that runs tests may do other things with signals."""
    out = tmp_path / "out"
    ran = subprocess.run(
        [sys.executable, "-c", TERMINATED, clip, out], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 128 + signal.SIGTERM, ran.stderr
    assert list(out.iterdir()) == []


def test_a_clip_in_a_zip_is_refused_with_a_way_out(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(clip, "walk.webm")
    assert label(tmp_path / "all.zip") == 1
    (line,) = lines_of(capsys)
    assert line["photo"] == "walk.webm" and "got a video" in line["error"] and "unpack it" in line["error"]
