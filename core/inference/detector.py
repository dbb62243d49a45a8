"""Detector inference: a photo to boxes, categories and scores."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.boxes import Detections
from core.garments import Box
from core.images.crops import to_tensor
from core.images.decode import Photo
from core.images.letterbox import Letterboxed, letterbox, tight_canvas
from core.models.cards import WEIGHTS_FOLDER, ModelCard
from core.models.checkpoints import load_detector_network
from core.models.decode import MAX_DETECTIONS, cross_class_suppression, decode, nms
from core.models.yolov4 import YOLOv4

LOWEST_THRESHOLD = 0.01


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector with its card, in eval mode. Safe to share between threads: a lock lets one photo pass."""

    model: YOLOv4
    card: ModelCard
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> Detector:
        """Weights with their card, by default those that ship. Raises WeightsError with a sentence."""
        path = path or WEIGHTS_FOLDER / "detector.safetensors"
        model, card = load_detector_network(path)
        return cls(model.to(device), card, torch.device(device))

    def input_of(self, photo: Photo) -> tuple[Letterboxed, Tensor]:
        """The photo letterboxed, and as the network's input (1, 3, H, W) in 0..1."""
        boxed = letterbox(photo.image, tight_canvas(photo.size_wh, self.card.input_size))
        return boxed, to_tensor(boxed.image)[None].to(self.device).float() / 255

    @torch.inference_mode()
    def detections(self, photo: Photo, score_threshold: float) -> Detections:
        """At most 100 boxes in pixels of the photo whose score reaches the threshold, best first.

        Each is at least a pixel wide and high. Thresholds below 0.01 count as 0.01.
        """
        boxed, pictures = self.input_of(photo)
        with self.lock:
            boxes, scores = decode(self.model(pictures), self.model.anchors_wh)
        threshold = max(score_threshold, LOWEST_THRESHOLD)
        # NMS takes scores above its threshold, in float32; here a score that reaches it counts, so
        # that labelling with a threshold and LabeledPhoto.above() agree to the last garment.
        just_below = threshold * (1 - 1e-6)
        found = nms(boxes[0].cpu(), scores[0].cpu(), score_threshold=just_below, limit=MAX_DETECTIONS)
        found = cross_class_suppression(found)
        boxes_xyxy = boxed.to_photo(found.boxes_xyxy)
        large = ((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) >= 1).all(axis=1)
        return Detections(boxes_xyxy, found.scores.astype(np.float64), found.category_ids)[large].above(
            threshold
        )

    def detect(self, photo: Photo, score_threshold: float) -> list[tuple[Box, str, float]]:
        """The same as box, category's name and score."""
        found = self.detections(photo, score_threshold)
        return [
            (
                (float(b[0]), float(b[1]), float(b[2]), float(b[3])),
                self.card.categories[category],
                float(score),
            )
            for b, category, score in zip(found.boxes_xyxy, found.category_ids, found.scores, strict=True)
        ]
