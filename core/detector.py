"""The detector in use: a photo to boxes, categories and scores."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from core.data.crops import to_tensor
from core.errors import WeightsError
from core.evaluation import Detections
from core.garments import Box
from core.letterbox import Letterboxed, letterbox, tight_canvas
from core.models.decode import decode, suppress
from core.models.fusing import fuse_batch_norm
from core.models.weights import WEIGHTS_FOLDER, ModelCard, load_weights, read_card
from core.models.yolov4 import PRESETS, YOLOv4
from core.photos import Photo

GARMENT_LIMIT = 100
LOWEST_THRESHOLD = 0.01
GHOST_OF = {"yolov4": False, "yolov4-gs": True}


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector with its card, in eval mode; one photo at a time passes, whichever thread brings it."""

    model: YOLOv4
    card: ModelCard
    device: torch.device = torch.device("cpu")
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> Detector:
        """Weights with their card, by default those that ship. Raises WeightsError with a sentence."""
        path = path or WEIGHTS_FOLDER / "detector.safetensors"
        card = read_card(path)
        if card.kind != "detector" or card.model not in GHOST_OF or card.preset not in PRESETS:
            raise WeightsError(
                f"expected a detector's weights in {path.name}, got a {card.model} {card.kind}"
            )
        if len(card.anchors_wh) != 9:
            raise WeightsError(
                f"expected nine anchors in the card of {path.name}, got {len(card.anchors_wh)}"
            )
        ghost = GHOST_OF[card.model]
        model = YOLOv4(card.preset, len(card.categories), ghost=ghost, anchors_wh=card.anchors_wh)
        load_weights(model, path)
        fuse_batch_norm(model.eval())
        return cls(model.to(device), card, torch.device(device))

    def input_of(self, photo: Photo) -> tuple[Letterboxed, Tensor]:
        """The photo letterboxed, and as the network's input (1, 3, H, W) in 0..1."""
        boxed = letterbox(photo.image, tight_canvas(photo.size_wh, self.card.input_size))
        return boxed, to_tensor(boxed.image)[None].to(self.device).float() / 255

    @torch.inference_mode()
    def detections(self, photo: Photo, score_threshold: float) -> Detections:
        """At most 100 boxes in pixels of the photo, best first, each at least a pixel wide and high."""
        boxed, pictures = self.input_of(photo)
        with self.lock:
            boxes, scores = decode(self.model(pictures), self.model.anchors_wh)
        threshold = max(score_threshold, LOWEST_THRESHOLD)
        kept = suppress(boxes[0].cpu(), scores[0].cpu(), score_threshold=threshold, limit=GARMENT_LIMIT)
        in_photo = boxed.to_photo(kept.boxes_xyxy.numpy())
        seen = ((in_photo[:, 2:] - in_photo[:, :2]) >= 1).all(axis=1)
        return Detections(in_photo[seen], kept.scores.numpy()[seen], kept.category_ids.numpy()[seen])

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
