"""Video files: read frame by frame within limits, and written so that browsers play them.

A file counts as untrusted. Its first bytes say what it is, as FFmpeg would also follow playlists to other
files, and a process of its own decodes it (:mod:`core.images.video_process`). Memory holds one frame.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from PIL import Image

from core.errors import VideoError
from core.images.containers import PHOTO_KINDS, kind_of
from core.images.decode import is_folder, photo_paths
from core.images.video_process import FRAME_HEADER

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"})
ROOT = Path(__file__).resolve().parents[2]
LONGEST_SIDE = 1280
"""Frames are downscaled to this many pixels: what the models see is smaller still."""

_QUICKTIME = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})
_PHOTO_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})


@dataclass(frozen=True)
class VideoLimits:
    """What a video may be: bytes of the file, seconds, and pixels of a frame's longer side."""

    most_bytes: int = 4 * 2**30
    seconds: float = 3600.0
    side: int = 4096

    def __post_init__(self) -> None:
        if min(self.most_bytes, self.seconds, self.side) <= 0:
            raise ValueError(f"limits are above 0, got {self}")


@dataclass(frozen=True)
class Frame:
    """A frame: its number and time in the video, its RGB picture, and its size in the video, in pixels."""

    number: int
    seconds: float
    image: Image.Image = field(repr=False, compare=False)
    video_wh: tuple[int, int]


@dataclass(frozen=True)
class Video:
    """An open video: ``rate`` is frames a second, ``frame_count`` 0 where the file does not say it."""

    name: str
    rate: float
    frame_count: int
    frames: Iterator[Frame] = field(repr=False, compare=False)

    @property
    def seconds(self) -> float:
        """How long it is, 0 where the file does not say it."""
        return self.frame_count / self.rate


def is_video(path: Path) -> bool:
    """Whether a file is a video by its first bytes, or says so by its name and is no photo."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    named = path.suffix.lower() in SUFFIXES and kind_of(head) not in PHOTO_KINDS
    return named or container_of(head) is not None


def container_of(head: bytes) -> str | None:
    """The container that a file's first 16 bytes are of: "MP4", "WebM" (or Matroska), "AVI", or None."""
    if head[4:8] in _QUICKTIME and head[8:12] not in _PHOTO_BRANDS:
        return "MP4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM"
    return "AVI" if head.startswith(b"RIFF") and head[8:12] == b"AVI " else None


def apart_from_videos(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """What is to be read as photos, and all videos: files, and those in folders (no hidden ones, no links).

    Of a folder with videos the photos are given one by one, as a video may be called like one.
    """
    stills: list[Path] = []
    videos: list[Path] = []
    for path in paths:
        found = _videos_in(path) if is_folder(path) else [path] if is_video(path) else []
        videos += found
        if not found:
            stills.append(path)
        elif is_folder(path):
            seen = set(found)
            stills += [photo for photo in photo_paths(path) if photo not in seen]
    return stills, videos


def _videos_in(folder: Path) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(files) if not name.startswith("."))
        found += [path for path in paths if not path.is_symlink() and is_video(path)]
    return found


@contextmanager
def open_video(
    path: Path, *, rate: float = 0.0, limits: VideoLimits | None = None, longest: int = LONGEST_SIDE
) -> Iterator[Video]:
    """A video with its frames, ``rate`` a second (0: all), upright, downscaled to ``longest`` pixels.

    Raises VideoError for what is no video or a damaged one, and beyond the limits (by default those of
    :class:`VideoLimits`); the frames raise it as well.
    """
    limits = limits or VideoLimits()
    _check_file(path, limits)
    with _process("read", str(path.resolve()), str(rate), str(longest)) as process:
        assert process.stdout is not None
        facts = _facts(process.stdout)
        _check_facts(facts, limits)
        frames = _frames(process.stdout, limits, facts["frames"] / facts["rate"])
        yield Video(path.name, float(facts["rate"]), int(facts["frames"]), frames)


def _check_file(path: Path, limits: VideoLimits) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise VideoError(f"The video cannot be read: {error.strerror or error}.") from error
    if container_of(head) is None:
        raise VideoError("Expected an MP4, MOV, WebM, MKV or AVI video, got another kind of file.")
    if size > limits.most_bytes:
        raise VideoError(f"The video has {_mib(size)}; at most {_mib(limits.most_bytes)} are read.")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _facts(source: IO[bytes]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    with suppress(ValueError):
        facts = json.loads(source.readline())
    if not facts.get("opened"):
        raise VideoError("The video is damaged, or of a format that cannot be decoded.")
    return facts


def _check_facts(facts: dict[str, Any], limits: VideoLimits) -> None:
    _check_size((facts["width"], facts["height"]), limits)
    if facts["frames"] / facts["rate"] > limits.seconds:
        raise VideoError(_too_long(limits))


def _check_size(size_wh: tuple[int, int], limits: VideoLimits) -> None:
    if max(size_wh) > limits.side:
        raise VideoError(
            f"A frame has {size_wh[0]} x {size_wh[1]} pixels; at most {limits.side} on a side are read."
        )


def _too_long(limits: VideoLimits) -> str:
    told = f"{limits.seconds / 60:g} minutes" if limits.seconds >= 120 else f"{limits.seconds:g} seconds"
    return f"The video is longer than {told}, which is the most that is read."


def _frames(source: IO[bytes], limits: VideoLimits, expected_seconds: float) -> Iterator[Frame]:
    """The frames that the process sends. Raises VideoError, after them, where the video ends too early."""
    count = 0
    while True:
        header = source.read(FRAME_HEADER.size)
        if len(header) < FRAME_HEADER.size:
            raise VideoError("The video is damaged: a frame could not be decoded within its limits.")
        number, seconds, width, height, *video_wh = FRAME_HEADER.unpack(header)
        if number < 0:
            break  # with the time of the last frame
        _check_size((video_wh[0], video_wh[1]), limits)
        if seconds > limits.seconds:
            raise VideoError(_too_long(limits))
        data = source.read(width * height * 3)
        if len(data) < width * height * 3:
            raise VideoError("The video is damaged: it ended in the middle of a frame.")
        count += 1
        yield Frame(
            number, seconds, Image.frombytes("RGB", (width, height), data), (video_wh[0], video_wh[1])
        )
    if not count:
        raise VideoError("The video has no frame that can be decoded.")
    if seconds < 0.9 * expected_seconds - 0.35:
        raise VideoError(
            f"The video is damaged: it says {expected_seconds:.1f} s, and ends after {seconds:.1f} s."
        )


class VideoWriter:
    """Writes pictures as a WebM video (VP8) of constant rate; a picture stays until the next one's time.

    The first picture sets the size, which VP8 takes in even numbers; others are scaled to it. The file has
    its name once it is closed, as the context manager does, also where the video that is read is damaged.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, min(max(rate, 1.0), 60.0)
        self._part = path.with_name(f".{uuid.uuid4().hex}.part{path.suffix}")
        self._process: subprocess.Popen[bytes] | None = None
        self._size_wh = (0, 0)
        self._data = b""
        self._written = 0

    def write(self, image: Image.Image, seconds: float) -> None:
        """Show a picture from this time on. Raises VideoError where the file cannot be written."""
        if self._process is None:
            self._size_wh = (max(2, image.width // 2 * 2), max(2, image.height // 2 * 2))
            sizes = [*map(str, self._size_wh)]
            self._process = _started(
                "write", str(self._part.resolve()), *sizes, str(self.rate), stdin=subprocess.PIPE
            )
        self._fill(max(round(seconds * self.rate), self._written))
        image = image.convert("RGB")
        self._data = (image if image.size == self._size_wh else image.resize(self._size_wh)).tobytes()
        self._send()

    def close(self) -> None:
        """Finish the file. Raises VideoError where that failed."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            if process.wait() != 0:
                raise VideoError(self._failure)
            self._part.replace(self.path)
        except OSError as error:
            raise VideoError(self._failure) from error
        finally:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, VideoError):
            self.close()
        elif self._process is not None:
            _end(self._process)
            self._part.unlink(missing_ok=True)

    @property
    def _failure(self) -> str:
        return f"The annotated video cannot be written to {self.path}."

    def _fill(self, until: int) -> None:
        """Repeat the last picture up to a place in the file."""
        while self._data and self._written < until:
            self._send()

    def _send(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(self._data)
        except OSError as error:
            raise VideoError(self._failure) from error
        self._written += 1


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = _started(*arguments, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        _end(process)


def _started(
    *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    if importlib.util.find_spec("cv2") is None:
        raise VideoError("Videos need the package opencv-python-headless: pip install opencv-python-headless")
    command = [sys.executable, "-m", "core.images.video_process", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    process.wait()
