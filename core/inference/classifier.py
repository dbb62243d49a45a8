"""Classifier inference: crops of garments to label probabilities and embeddings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from core.garments import Box, RankedLabels
from core.images.crops import crop_garment, normalize_pixels, to_square, to_tensor
from core.images.decode import Photo
from core.models.cards import WEIGHTS_FOLDER, ModelCard
from core.models.checkpoints import load_classifier_network
from core.models.mobilenet import FEATURES, MobileNet, MobileNetMHA

BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier with its card, in eval mode. Safe to share between threads: a lock lets one batch pass."""

    model: MobileNet | MobileNetMHA
    card: ModelCard
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> Classifier:
        """Weights with their card, by default those that ship. Raises WeightsError with a sentence."""
        path = path or WEIGHTS_FOLDER / "classifier.safetensors"
        model, card = load_classifier_network(path)
        return cls(model.to(device), card, torch.device(device))

    def input_of(self, pictures: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size as the network's input (N, 3, 224, 224) in -1..1."""
        return normalize_pixels(torch.stack([to_tensor(to_square(p)) for p in pictures]).to(self.device))

    @torch.inference_mode()
    def predict(self, pictures: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Each picture's probability of each label (N, C) and its embedding (N, 1024), in one pass.

        Probabilities are calibrated by the card's temperature (Guo et al. 2017). An embedding is the head's
        input, float32, normalized to length one.
        """
        temperature = self.card.calibration.get("temperature", 1.0)
        probabilities, embeddings = [torch.zeros(0, len(self.card.categories))], [torch.zeros(0, FEATURES)]
        for chunk in batches(pictures):
            batch = self.input_of(chunk)
            with self.lock:
                pooled = self.model.embed(batch)
                probabilities.append((self.model.head(pooled).float() / temperature).softmax(dim=1).cpu())
            embeddings.append(F.normalize(pooled.float(), dim=1).cpu())
        return torch.cat(probabilities), torch.cat(embeddings)

    def probabilities(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Each picture's probability of each label (N, C)."""
        return self.predict(pictures)[0]

    def embed(self, photo: Photo, boxes_xyxy: Sequence[Box] | None = None) -> np.ndarray:
        """Embeddings of the boxes, or of the whole photo where none are named: float32 (N, 1024)."""
        boxes = [whole_photo(photo)] if boxes_xyxy is None else boxes_xyxy
        return self.predict(square_crops(photo, boxes))[1].numpy()

    def classify(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[RankedLabels]:
        """The five likeliest labels of each box with their probabilities, best first."""
        return [self.rank(row) for row in self.probabilities(square_crops(photo, boxes_xyxy))]

    def rank(self, probabilities: Tensor) -> RankedLabels:
        """Probabilities (C,) to the five likeliest labels."""
        best = probabilities.topk(min(5, len(self.card.categories)))
        names = [self.card.categories[index] for index in best.indices.tolist()]
        return tuple(zip(names, best.values.tolist(), strict=True))


def whole_photo(photo: Photo) -> Box:
    """The box that holds all of the photo."""
    return (0.0, 0.0, float(photo.width), float(photo.height))


def square_crops(photo: Photo, boxes_xyxy: Sequence[Box]) -> list[Image.Image]:
    """Each box's crop of the photo, resized to the network's input.

    Crops are resized one by one: a hundred crops of a large photo at full size would be gigabytes.
    """
    return [to_square(crop_garment(photo.image, box)) for box in boxes_xyxy]


def batches(items: Sequence[Image.Image]) -> Iterator[Sequence[Image.Image]]:
    """Batches of at most ``BATCH_SIZE`` crops."""
    for start in range(0, len(items), BATCH_SIZE):
        yield items[start : start + BATCH_SIZE]
