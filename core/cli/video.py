"""``label`` for videos: a JSON line a frame, and an annotated copy that browsers play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import ended_by_sigterm, print_json, track
from core.errors import VideoError
from core.file_names import free_name, safe_name, unique_in_batch

if TYPE_CHECKING:
    from core.inference.labeler import Labeler


def _finite(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 240):
        raise typer.BadParameter(f"{value} is not in the range 0<x<=240.")
    return value


Fps = Annotated[
    float | None,
    typer.Option(help="Frames of a video that are labeled a second; all by default.", callback=_finite),
]


def label_videos(
    videos: Sequence[Path],
    labeler: Labeler,
    *,
    threshold: float | None,
    fps: float | None,
    out: Path | None,
) -> int:
    """Label videos one after the other, and give how many could not be read to their end.

    A video's name is its file's, numbered as photos are. With ``out``, an annotated copy (WebM, without
    sound) goes there; of a damaged video, what could be read.
    """
    names, written = dict[str, int](), set[str]()
    refused = 0
    for path in videos:
        name = unique_in_batch(safe_name(path.name), names)
        target = None
        if out is not None:
            copy = f"{Path(name).stem}_labeled.webm"
            copy = free_name(copy, lambda free: free.casefold() in written, "{stem}_{number}{suffix}")
            written.add(copy.casefold())
            target = out / copy
        try:
            with ended_by_sigterm():
                _label_video(path, name, labeler, threshold=threshold, fps=fps, target=target)
        except VideoError as error:
            refused += 1
            print_json({"video": name, "error": str(error)})
    return refused


def _label_video(
    path: Path,
    name: str,
    labeler: Labeler,
    *,
    threshold: float | None,
    fps: float | None,
    target: Path | None,
) -> None:
    from core.images.video import open_video
    from core.inference.labeled_video import labeled_frames

    with open_video(path, rate=fps or 0.0) as video:
        rate = video.rate if fps is None else min(fps, video.rate)
        frames = labeled_frames(replace(video, name=name), labeler, threshold, annotated=target, rate=rate)
        total = round(video.seconds * rate)
        with closing(frames):  # and the copy with them, wherever this is left
            for labeled in track(frames, total or None, unit="frame"):
                print_json(labeled.as_dict())
