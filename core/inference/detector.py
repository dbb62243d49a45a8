"""Detector inference: a photo to boxes, categories and scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.boxes import Detections
from core.images.crops import to_array
from core.images.decode import Photo
from core.images.letterbox import Letterboxed, letterbox, tight_canvas
from core.inference.engines.engine import Engine, open_engine
from core.models.cards import WEIGHTS_FOLDER, ModelCard
from core.models.nms import MAX_DETECTIONS, calibrated, cross_class_suppression, nms, nms_indices

LOWEST_THRESHOLD = 0.01


@dataclass(frozen=True, eq=False)
class RawDetections:
    """Detections before the joint decision: boxes (N, 4) in pixels of the photo, class scores (N, C) in 0..1.

    ``photo_wh`` is the photo's size in pixels.
    """

    boxes_xyxy: np.ndarray
    class_scores: np.ndarray
    photo_wh: tuple[int, int]

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector with its card. Safe to share between threads, as its engine is."""

    engine: Engine
    card: ModelCard

    @classmethod
    def load(cls, path: Path | None = None, device: str = "auto", engine: str | None = None) -> Detector:
        """Weights with their card, by default those that ship; see :func:`open_engine`.

        Raises WeightsError with a sentence, EngineError where the engine is not there.
        """
        path = path or WEIGHTS_FOLDER / "detector.safetensors"
        return cls(*open_engine(path, "detector", device, engine))

    def input_of(self, photo: Photo) -> tuple[Letterboxed, np.ndarray]:
        """The photo letterboxed, and as the network's input, float32 (1, 3, H, W) in 0..1."""
        boxed = letterbox(photo.image, tight_canvas(photo.size_wh, self.card.input_size))
        return boxed, to_array(boxed.image)[None].astype(np.float32) / 255

    def _decoded(self, photo: Photo) -> tuple[Letterboxed, np.ndarray, np.ndarray]:
        """The letterboxed photo, all boxes on its canvas (N, 4) and their calibrated class scores (N, C)."""
        boxed, pictures = self.input_of(photo)
        found = self.engine.run({"images": pictures}, ("boxes", "scores"))
        platt = self.card.calibration
        scores = calibrated(found["scores"][0], platt.get("slope", 1.0), platt.get("intercept", 0.0))
        return boxed, found["boxes"][0], scores

    def detections(self, photo: Photo, score_threshold: float) -> Detections:
        """At most 100 boxes in pixels of the photo whose score reaches the threshold, best first.

        Each is at least a pixel wide and high. Thresholds below 0.01 count as 0.01.
        """
        boxed, boxes, scores = self._decoded(photo)
        threshold = max(score_threshold, LOWEST_THRESHOLD)
        found = nms(boxes, scores, score_threshold=_just_below(threshold), limit=MAX_DETECTIONS)
        found = cross_class_suppression(found)
        boxes_xyxy = boxed.to_photo(found.boxes_xyxy)
        large = _has_area(boxes_xyxy)
        return Detections(boxes_xyxy, found.scores.astype(np.float64), found.category_ids)[large].above(
            threshold
        )

    def raw_detections(self, photo: Photo, score_threshold: float) -> RawDetections:
        """What the joint decision chooses from: at most 100 boxes with the scores of all categories.

        Best first, each the place of one or more boxes that NMS within the categories leaves; a place whose
        box stays with several categories comes once. Thresholds below 0.01 count as 0.01.
        """
        boxed, boxes, scores = self._decoded(photo)
        threshold = max(score_threshold, LOWEST_THRESHOLD)
        rows, _ = nms_indices(boxes, scores, score_threshold=_just_below(threshold), limit=MAX_DETECTIONS)
        first = dict.fromkeys(rows.tolist())  # one of each, in order
        chosen = np.array(list(first), dtype=np.int64)
        boxes_xyxy = boxed.to_photo(boxes[chosen])
        large = _has_area(boxes_xyxy)
        return RawDetections(boxes_xyxy[large], scores[chosen].astype(np.float64)[large], photo.image.size)


def _just_below(threshold: float) -> float:
    """NMS takes scores above its threshold, in float32; in use a score that reaches the threshold counts."""
    return threshold * (1 - 1e-6)


def _has_area(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) are at least a pixel wide and high: (N,)."""
    wide: np.ndarray = ((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) >= 1).all(axis=1)
    return wide
