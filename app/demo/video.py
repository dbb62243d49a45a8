"""The demo's page for a video file: annotated copy, garments by time, and the frames' JSON lines."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from app.demo.api import in_range, own_file, sentences
from app.demo.theme import HIDDEN
from app.demo.view import lowest_threshold
from core.errors import VideoError
from core.file_names import safe_name
from core.garments import LabeledFrame
from core.images.video import SUFFIXES, VideoLimits, open_video
from core.inference.labeled_video import labeled_frames
from core.inference.labeler import Labeler
from core.inference.video_labeler import VideoSettings

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

LIMITS = VideoLimits(most_bytes=30 * 2**20, seconds=60.0)
RATE = 10.0
SETTINGS = VideoSettings(input_size=320, most_crops=4)

HEAD = """# Video
Drop a short video of clothes: Lapel follows each garment through it, and names it once for all frames."""
LIMIT = f"""<small>At most {LIMITS.seconds:.0f} seconds and {LIMITS.most_bytes // 2**20} MB;
{RATE:g} frames a second are labeled.</small>"""
PRIVACY = """<small>The video is removed from this server as soon as it is labeled; the annotated copy, which
has neither sound nor hidden data, is gone within the hour.</small>"""
WAITING = "The annotated video appears here."
TABLE_HEAD = ["#", "Label", "Category", "Best score", "From", "To"]
FRAMES_A_REPORT = 10
Updates = dict[Any, Any]


@dataclass
class Span:
    """A garment's time in a video: what it was called last, its best score, its first and last second."""

    track: int
    label: str
    category: str
    score: float
    first: float
    last: float

    @property
    def row(self) -> list[str]:
        """The table's row."""
        name = self.category.replace("_", " ")
        return [str(self.track), self.label, name, f"{self.score:.0%}", _clock(self.first), _clock(self.last)]


def spans(frames: Sequence[LabeledFrame]) -> list[Span]:
    """The garments of a video in the order in which they come."""
    found: dict[int, Span] = {}
    for frame in frames:
        for tracked in frame.garments:
            garment, at = tracked.garment, frame.seconds
            known = found.get(tracked.track)
            span = Span(tracked.track, garment.best_label, garment.category, garment.score, at, at)
            if known is not None:
                span = replace(span, score=max(span.score, known.score), first=known.first)
            found[tracked.track] = span
    return list(found.values())


def summary(frames: Sequence[LabeledFrame], fault: str = "") -> str:
    """One sentence on what was found, and another on what went wrong."""
    count = len(spans(frames))
    garments = "1 garment" if count == 1 else f"{count} garments"
    of = "1 frame" if len(frames) == 1 else f"{len(frames)} frames"
    found = f"**{garments}** in {of}." if count else "No garment found in this video."
    return f"{found} {fault}".strip()


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def add_video_page(labeler: PhotoLabeler) -> None:
    """Add the page to the Blocks' route that is being built, and connect it to the models."""
    VideoPage(labeler).wire()


class VideoPage:
    """The page's components and their event handlers."""

    def __init__(self, labeler: PhotoLabeler) -> None:
        self.labeler = labeler
        gr.Markdown(HEAD)
        with gr.Row():
            with gr.Column(scale=4, min_width=280):
                self.clip = gr.File(label="Video", file_types=sorted(SUFFIXES), height=180, elem_id="clip")
                gr.Markdown(LIMIT)
                self.threshold = gr.Slider(
                    lowest_threshold(labeler), 0.95, value=labeler.default_threshold, step=0.01,
                    label="Lowest score of a garment", info="For the next video.", elem_id="clip-threshold",
                )  # fmt: skip
                with gr.Column(elem_classes=[HIDDEN]) as self.running:
                    self.stop = gr.Button("Stop", elem_id="clip-stop")
            with gr.Column(scale=6, min_width=280):
                self.summary = gr.Markdown(WAITING, elem_id="clip-summary")
                self.annotated = gr.Video(
                    show_label=False, interactive=False, autoplay=True, loop=True, height=420,
                    elem_id="clip-annotated", buttons=["download"],
                )  # fmt: skip
        with gr.Column(elem_classes=[HIDDEN]) as self.results:
            self.table = gr.Dataframe(
                headers=TABLE_HEAD, datatype="str", label="Garments by time", interactive=False,
                elem_id="clip-table",
            )  # fmt: skip
            self.lines = gr.DownloadButton("Download the frames as JSON lines", elem_id="clip-lines")
        gr.Markdown(PRIVACY)

    def wire(self) -> None:
        """Connect the components."""
        changed = [
            self.clip, self.summary, self.annotated, self.lines, self.table, self.running, self.results,
        ]  # fmt: skip
        run = self.clip.upload(
            self.take, [self.clip, self.threshold], changed, preprocess=False, concurrency_id="video",
            concurrency_limit=1, api_visibility="private", show_progress_on=[self.annotated],
        )  # fmt: skip
        self.stop.click(self.stopped, None, changed, cancels=[run], queue=False, api_visibility="private")

    def take(self, clip: dict[str, Any] | None, threshold: float) -> Iterator[Updates]:
        """A new video: how far it is, then its annotated copy and its garments."""
        given = clip if isinstance(clip, dict) else {}
        with sentences(for_page=True):
            path = own_file(str(given.get("path") or ""), "video")
            name = safe_name(str(given.get("orig_name") or path.name))
            try:
                yield {
                    **self.stopped(),
                    self.running: _shown(True),
                    self.summary: f"Labeling {_code(name)} …",
                }
                yield from self._labeled(path, name, in_range(threshold))
            except VideoError:
                yield self.stopped()
                raise
            finally:
                path.unlink(missing_ok=True)

    def _labeled(self, path: Path, name: str, threshold: float | None) -> Iterator[Updates]:
        # Inside Gradio's own folder, so that the files are swept with the uploads.
        folder = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"]))
        annotated, lines = folder / "annotated.webm", folder / "frames.jsonl"
        frames: list[LabeledFrame] = []
        fault = ""
        try:
            with open_video(path, rate=RATE, limits=LIMITS) as video:
                rate = min(RATE, video.rate)
                labeler, total = cast(Labeler, self.labeler), round(video.seconds * rate)
                for frame in labeled_frames(
                    replace(video, name=name),
                    labeler,
                    threshold,
                    annotated=annotated,
                    rate=rate,
                    settings=SETTINGS,
                ):
                    frames.append(frame)
                    if len(frames) % FRAMES_A_REPORT == 0:  # also where Gradio stops what was cancelled
                        of = f" of {max(total, len(frames))}" if total else ""
                        yield {self.summary: f"Labeling {_code(name)}: {len(frames)}{of} frames"}
        except VideoError as error:
            if not frames:
                raise
            fault = str(error)
        text = "".join(json.dumps(frame.as_dict(), ensure_ascii=False) + "\n" for frame in frames)
        lines.write_text(text, encoding="utf-8")
        yield {
            self.clip: None,
            self.summary: summary(frames, fault),
            self.annotated: str(annotated),
            self.lines: str(lines),
            self.table: [span.row for span in spans(frames)],
            self.running: _shown(False),
            self.results: _shown(True),
        }

    def stopped(self) -> Updates:
        """What is shown where there is no result."""
        return {
            self.clip: None,
            self.summary: WAITING,
            self.annotated: None,
            self.running: _shown(False),
            self.results: _shown(False),
        }


def _code(name: str) -> str:
    """A file's name as Markdown that shows it and does nothing else."""
    return "`" + name.replace("`", "'") + "`"


def _shown(is_shown: bool) -> gr.Column:
    return gr.Column(elem_classes=[] if is_shown else [HIDDEN])
