"""A video file's frames, labeled in their order, with an annotated copy.

Of a frame the detector needs no other one, so that some are detected at once, each on a thread, while those
before them are followed and drawn.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from core.garments import LabeledFrame, TrackedGarment
from core.images.decode import Photo
from core.images.drawing import annotate
from core.images.video import Frame, Video, VideoWriter
from core.inference.detector import RawDetections
from core.inference.labeler import Labeler
from core.inference.video_labeler import WHOLE, VideoLabeler, VideoSettings
from core.threads import cores, parallel_map

MOST_AT_ONCE = 4
"""Frames that are detected at once, one on each core; twice as many are in memory."""


def labeled_frames(
    video: Video,
    labeler: Labeler,
    score_threshold: float | None = None,
    *,
    annotated: Path | None = None,
    rate: float | None = None,
    settings: VideoSettings = WHOLE,
) -> Generator[LabeledFrame, None, None]:
    """The frames of an open video with their garments, boxes in pixels of the video.

    ``annotated`` names a copy to write, WebM of ``rate`` frames a second (the video's by default); it is
    there once the frames are over, also where the video turns out to be damaged: what could be read is in it.
    Closing it ends it after the frames that are being detected. Raises VideoError as the video's frames do.
    """
    frames = VideoLabeler(labeler, settings)

    def detect(frame: Frame) -> tuple[Frame, Photo, RawDetections]:
        photo = Photo(video.name, frame.image, "")
        return frame, photo, frames.detect(photo)

    with ExitStack() as stack:
        writer = None
        if annotated is not None:
            writer = stack.enter_context(VideoWriter(annotated, rate or video.rate))
        detected = stack.enter_context(
            closing(parallel_map(video.frames, detect, min(cores(), MOST_AT_ONCE)))
        )
        for frame, photo, places in detected:
            found = frames.follow(photo, places, frame.seconds, score_threshold, frame=frame.number)
            if writer is not None:
                garments = [tracked.garment for tracked in found.garments]
                tags = [tag_of(tracked) for tracked in found.garments]
                writer.write(annotate(frame.image, garments, tags=tags), frame.seconds)
            yield in_video(found, frame)


def tag_of(tracked: TrackedGarment) -> str:
    """What is written on a garment of a video: "Blazer 3", without the score, which changes all the time."""
    return f"{tracked.garment.best_label} {tracked.track}"


def in_video(found: LabeledFrame, frame: Frame) -> LabeledFrame:
    """The same with size and boxes in pixels of the video, of which the frame may be a smaller picture."""
    if frame.image.size == frame.video_wh:
        return found
    width, height = frame.video_wh
    sx, sy = width / found.width, height / found.height

    def scaled(tracked: TrackedGarment) -> TrackedGarment:
        x0, y0, x1, y1 = tracked.garment.box_xyxy
        box = (x0 * sx, y0 * sy, x1 * sx, y1 * sy)
        return replace(tracked, garment=replace(tracked.garment, box_xyxy=box))

    return replace(found, width=width, height=height, garments=tuple(map(scaled, found.garments)))
