"""Moving pictures and models that see colors: a red top and a blue pair of pants that wander.

The detector finds a rectangle of each color, the classifier names a crop by the color of its middle; the
decision of both is the real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw

from core.garments import Box
from core.images.decode import Photo
from core.inference.classifier import square_crops
from core.inference.detector import RawDetections
from core.inference.labeler import Labeler
from core.models.cards import ModelCard

CATEGORIES = ("top", "pants")
LABELS = ("Shirt", "Jeans", "T-Shirt", "Pants", "Top", "Longsleeve")
RED, BLUE = (200, 30, 40), (30, 40, 200)
COLORS = (RED, BLUE)
STRENGTHS = (0.8, 0.7)


def moving_frames(
    count: int, *, garments: Sequence[int] = (0, 1), ground: str = "#e8e4da", step: float = 2.0
) -> Iterator[Photo]:
    """A person of two rectangles who walks to the right, 320 x 240 pixels."""
    for number in range(count):
        yield Photo("clip", moving_picture(number, garments=garments, ground=ground, step=step), "")


def moving_picture(
    number: int,
    *,
    size_wh: tuple[int, int] = (320, 240),
    garments: Sequence[int] = (0, 1),
    ground: str = "#e8e4da",
    step: float = 2.0,
) -> Image.Image:
    """One frame of :func:`moving_frames`, of any size."""
    picture = Image.new("RGB", size_wh, ground)
    draw = ImageDraw.Draw(picture)
    sx, sy = size_wh[0] / 320, size_wh[1] / 240
    left = 60 + step * number % 180
    places = ((left, 40, left + 70, 120), (left + 8, 130, left + 62, 220))
    for garment in garments:
        x0, y0, x1, y1 = places[garment]
        draw.rectangle((x0 * sx, y0 * sy, x1 * sx, y1 * sy), COLORS[garment])
    return picture


def nearest(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where a picture (H, W, 3) has about this color, also after a lossy codec: (H, W)."""
    close: np.ndarray = np.abs(picture.astype(int) - np.array(color)).max(axis=2) < 70
    return close


@dataclass(frozen=True, eq=False)
class ColorDetector:
    """Finds each color's rectangle; in ``missed_frames`` (counted by its calls) it finds nothing."""

    card: ModelCard
    strengths: Sequence[float] = STRENGTHS
    missed_frames: frozenset[int] = frozenset()
    calls: list[int] = field(default_factory=list)

    def raw_detections(self, photo: Photo, score_threshold: float) -> RawDetections:
        """The rectangles with a score for their category, best first."""
        number = len(self.calls)
        self.calls.append(number)
        boxes, scores = [], []
        for index, color in enumerate(COLORS):
            rows, columns = np.nonzero(nearest(np.asarray(photo.image), color))
            if len(rows) < 30 or number in self.missed_frames:
                continue
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            scores.append([self.strengths[index] if n == index else 0.05 for n in range(2)])
        return RawDetections(
            np.array(boxes, float).reshape(-1, 4), np.array(scores).reshape(-1, 2), photo.size_wh
        )


@dataclass(eq=False)
class ColorClassifier:
    """Red is a shirt, blue a pair of jeans; the calls in ``wrong_calls`` say the opposite."""

    card: ModelCard
    wrong_calls: set[int] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.batches)

    def crops(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[Image.Image]:
        """The boxes' squares, as a classifier's are."""
        return square_crops(photo, boxes_xyxy)

    def predict(self, pictures: Sequence[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
        """Six probabilities a picture, and embeddings of nothing."""
        wrong = self.calls in self.wrong_calls
        self.batches.append(len(pictures))
        rows = np.full((len(pictures), len(LABELS)), 0.05)
        for row, picture in zip(rows, pictures, strict=True):
            middle = np.asarray(picture)[90:134, 90:134].reshape(-1, 3).mean(axis=0)
            row[(int(middle[2] > middle[0])) ^ wrong] = 0.75
        return rows.astype(np.float32), np.zeros((len(pictures), 1024), np.float32)


def moving_labeler(
    *, strengths: Sequence[float] = STRENGTHS, missed_frames: set[int] | None = None
) -> Labeler:
    """A labeler of both, with the decision's usual weights."""
    card = ModelCard("detector", "yolov4-gs", "pico", CATEGORIES, 160, 0.3, name="color detector")
    names = ModelCard("classifier", "mobilenet", "tiny", LABELS, 224, name="color classifier")
    detector = ColorDetector(card, strengths, frozenset(missed_frames or ()))
    return Labeler(cast(Any, detector), cast(Any, ColorClassifier(names)))


def write_clip(
    path: Path, count: int = 30, rate: float = 15.0, size_wh: tuple[int, int] = (320, 240)
) -> Path:
    """The walk as a video file; gives its path."""
    from core.images.video import VideoWriter

    with VideoWriter(path, rate) as writer:
        for number in range(count):
            writer.write(moving_picture(number, size_wh=size_wh), number / rate)
    return path
