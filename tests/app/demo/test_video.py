"""The demo's video page: what it says and gives for a clip, and what is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.demo import video as page_module
from app.demo.video import VideoPage, spans, summary
from core.garments import Garment, LabeledFrame, TrackedGarment
from core.images.video import VideoLimits, open_video
from tests.moving import moving_labeler, write_clip

gr = pytest.importorskip("gradio")
pytest.importorskip("cv2")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VideoPage:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks():
        return VideoPage(moving_labeler())


def upload(folder: Path, name: str = "walk.webm", **options: Any) -> dict[str, Any]:
    """Gradio's description of a clip in its folder."""
    return {"path": str(write_clip(folder / name, **options)), "orig_name": name}


def frame(number: int, *garments: tuple[int, str, float]) -> LabeledFrame:
    found = [
        TrackedGarment(track, Garment((0, 0, 9, 9), "top", score, ((label, 0.9),)))
        for track, label, score in garments
    ]
    return LabeledFrame("clip", number, number / 2, 20, 20, tuple(found))


def test_a_garments_span_goes_from_its_first_to_its_last_frame():
    frames = [frame(0, (1, "Shirt", 0.5)), frame(1, (2, "Hat", 0.4)), frame(130, (1, "T-Shirt", 0.45))]
    assert [span.row for span in spans(frames)] == [
        ["1", "T-Shirt", "top", "50%", "0:00.0", "1:05.0"],
        ["2", "Hat", "top", "40%", "0:00.5", "0:00.5"],
    ]
    assert spans([]) == []
    assert summary(frames) == "**2 garments** in 3 frames."
    assert summary([], "It is damaged.") == "No garment found in this video. It is damaged."


def test_a_clip_gives_its_copy_its_table_and_its_lines(page: VideoPage, tmp_path: Path):
    given = upload(tmp_path, count=30)
    *_, last = page.take(given, 0.3)
    assert last[page.summary] == "**2 garments** in 20 frames.", "ten a second"
    assert [row[1:3] for row in last[page.table]] == [["Shirt", "top"], ["Jeans", "pants"]]
    lines = [json.loads(line) for line in Path(last[page.lines]).read_text().splitlines()]
    assert len(lines) == 20 and lines[3]["video"] == "walk.webm" and len(lines[3]["garments"]) == 2
    with open_video(Path(last[page.annotated])) as video:
        assert len(list(video.frames)) == 20
    assert not Path(given["path"]).exists(), "the upload itself is gone"


def test_how_far_it_is_is_told_and_a_stop_leaves_no_upload(page: VideoPage, tmp_path: Path):
    given = upload(tmp_path, name="a`b.webm", count=60)
    running = page.take(given, 0.3)
    next(running)
    assert next(running)[page.summary] == "Labeling `a'b.webm`: 10 of 40 frames"
    running.close()  # what Gradio does on Stop
    assert not list(tmp_path.rglob("*.webm"))


def test_a_broken_clip_is_a_sentence_and_gone(page: VideoPage, tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"<html>")
    given = {"path": str(tmp_path / "broken.mp4"), "orig_name": "broken.mp4"}
    with pytest.raises(gr.Error, match="Expected an MP4"):
        list(page.take(given, 0.3))
    assert not (tmp_path / "broken.mp4").exists()


def test_a_clip_that_is_cut_off_gives_what_could_be_read(page: VideoPage, tmp_path: Path):
    given = upload(tmp_path, count=90)
    path = Path(given["path"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    *_, last = page.take(given, 0.3)
    assert "2 garments" in last[page.summary] and "damaged" in last[page.summary]


def test_a_long_clip_is_refused(page: VideoPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_module, "LIMITS", VideoLimits(seconds=1.0))
    with pytest.raises(gr.Error, match="longer than 1 seconds"):
        list(page.take(upload(tmp_path, count=60), 0.3))


@pytest.mark.parametrize("clip", [None, {}, {"path": "/etc/passwd"}, {"path": 3}])
def test_what_is_no_upload_is_a_sentence(page: VideoPage, clip: Any):
    with pytest.raises(gr.Error, match="Expected an uploaded video"):
        list(page.take(clip, 0.3))
