"""The process that decodes or encodes a video for :mod:`core.images.video`, by OpenCV's FFmpeg.

A decoder of strangers' files is C code that may crash, hang or take all memory. Here it has limits of its
own and takes nobody with it. ``read PATH RATE LONGEST`` writes a line of JSON about the video to stdout, then
each frame as a header and its RGB bytes, then a header without a frame; ``write PATH WIDTH HEIGHT RATE``
reads RGB frames of that size from stdin.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

FRAME_HEADER = struct.Struct("<idIIII")
"""Number, seconds, width and height of the picture, width and height in the video. At the end the number is
-1, and the seconds are the last frame's."""

MOST_MEMORY = 3 * 2**30
SECONDS_A_FRAME = 30
"""Computing time until the next frame, or the first; a frame of 4K takes a tenth of a second."""

USUAL_RATE = 25.0
HIGHEST_RATE = 240.0
"""Frames a second; what a file names beyond that is a clock's rate, or nothing."""


def main(arguments: Sequence[str]) -> int:
    """Read or write, as the module says."""
    _limit_memory()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # reserves address space for each thread
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file|threads;2")
    command, *rest = arguments
    if command == "read":
        path, rate, longest = rest
        return read(path, float(rate), int(longest), sys.stdout.buffer)
    path, width, height, rate = rest
    return write(path, (int(width), int(height)), float(rate), sys.stdin.buffer)


def read(path: str, rate: float, longest: int, out: BinaryIO) -> int:
    """Write the video's facts and frames, ``rate`` a second (0 for all), downscaled to ``longest`` pixels."""
    import cv2

    cv2.setNumThreads(1)
    _limit_frame()
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    facts = _facts(cv2, capture)
    out.write(json.dumps(facts).encode() + b"\n")
    out.flush()
    if not facts["opened"]:
        return 1
    last = 0.0
    for number, seconds, is_due in _grabbed(cv2, capture, facts["rate"], rate):
        last = seconds
        _limit_frame()
        if not is_due:
            continue
        complete, picture = capture.retrieve()
        if not complete:
            continue
        height, width = picture.shape[:2]
        factor = min(1.0, longest / max(width, height))
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        rows, columns = picture.shape[:2]
        out.write(FRAME_HEADER.pack(number, seconds, columns, rows, width, height))
        out.write(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).tobytes())
        out.flush()
    out.write(FRAME_HEADER.pack(-1, last, 0, 0, 0, 0))
    return 0


def _facts(cv2: Any, capture: Any) -> dict[str, Any]:
    """What the file says of itself: may be wrong, and is 0 where it says nothing."""
    if not capture.isOpened():
        return {"opened": False}
    rate = _number(capture.get(cv2.CAP_PROP_FPS))
    frames = max(0.0, _number(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    return {
        "opened": True,
        "width": int(_number(capture.get(cv2.CAP_PROP_FRAME_WIDTH))),
        "height": int(_number(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))),
        "rate": rate if 0 < rate <= HIGHEST_RATE else USUAL_RATE,
        "frames": int(frames) if rate <= HIGHEST_RATE else 0,  # else counted in the clock's ticks
    }


def _grabbed(cv2: Any, capture: Any, own_rate: float, rate: float) -> Iterator[tuple[int, float, bool]]:
    """The number and the time of each frame, and whether it is one of ``rate`` a second (0: of all)."""
    number, last, due = 0, -1.0, 0.0
    while capture.grab():
        told = _number(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        seconds = told if told > last else (last + 1 / own_rate if number else max(0.0, told))
        last = seconds
        is_due = rate <= 0 or seconds >= due - 1e-6
        if is_due and rate > 0:
            due = max(due + 1 / rate, seconds)
        yield number, seconds, is_due
        number += 1


def _number(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def write(path: str, size_wh: tuple[int, int], rate: float, source: BinaryIO) -> int:
    """Encode RGB frames as VP8 in WebM, which all browsers play and nobody has to license."""
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), rate, size_wh)
    if not writer.isOpened():
        return 1
    count = size_wh[0] * size_wh[1] * 3
    while len(data := source.read(count)) == count:
        picture = np.frombuffer(data, np.uint8).reshape(size_wh[1], size_wh[0], 3)
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return 0


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # not on Windows; a lower limit may be set already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_frame() -> None:
    """Let the system end this process where the next frame takes too long."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime) + SECONDS_A_FRAME
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # whoever asked has seen enough
        os._exit(0)
