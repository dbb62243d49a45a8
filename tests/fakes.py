"""Stand-ins for the models: quick, deterministic, and made from the picture's own content.

A photo counts as three bands, top, middle and bottom. A band that is not of one flat color holds a
garment, so an even picture has none, and a picture with something in every band has three. Scores are fixed
a band; the order of the labels follows the band's mean color.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from core.garments import Box, Garment, LabeledPhoto, RankedLabels
from core.images.decode import Photo
from core.inference.explain import DetectorMap, Explanation, GarmentMaps

BANDS = (("top", 0.9), ("pants", 0.6), ("footwear", 0.3))
LABELS = ("T-Shirt", "Longsleeve", "Pants", "Shoes", "Shirt", "Dress", "Shorts", "Hat")
PROBABILITIES = (0.6, 0.2, 0.1, 0.06, 0.04)
HEADS = 8


class FakeLabeler:
    """Answers as ``Labeler`` does, without weights; ``calls`` counts the photos it labeled."""

    default_threshold = 0.5
    categories = ("top", "pants", "footwear")
    labels = LABELS

    def __init__(self, seconds: float = 0.0) -> None:
        self.names = {"detector": "fake-detector", "classifier": "fake-classifier"}
        self.seconds = seconds
        self.calls = 0

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        """The photo with a garment in each band that is not flat, after ``seconds`` of pretended work."""
        time.sleep(self.seconds)
        self.calls += 1
        garments, _ = self.label_and_embed(photo, score_threshold)
        return LabeledPhoto(photo.name, photo.width, photo.height, 0.01, dict(self.names), garments)

    def label_and_embed(
        self, photo: Photo, score_threshold: float | None = None
    ) -> tuple[tuple[Garment, ...], np.ndarray]:
        """The garments, and the photo's mean color as its embedding (3,)."""
        threshold = self.default_threshold if score_threshold is None else score_threshold
        found = self.detect(photo, threshold)
        ranked = self.classify(photo, [box for box, _, _ in found])
        garments = tuple(
            Garment(box, category, score, top5)
            for (box, category, score), top5 in zip(found, ranked, strict=True)
        )
        return garments, np.asarray(photo.image, np.float32).reshape(-1, 3).mean(axis=0)

    def detect(self, photo: Photo, score_threshold: float) -> list[tuple[Box, str, float]]:
        """The bands that are not flat, best first: box in pixels, category, score."""
        pixels = np.asarray(photo.image)
        height, width = pixels.shape[:2]
        found = []
        for index, (category, score) in enumerate(BANDS):
            top, bottom = index * height // 3, (index + 1) * height // 3
            band = pixels[top:bottom]
            if score >= score_threshold and band.size and np.ptp(band.reshape(-1, 3), axis=0).max() > 8:
                found.append(((width * 0.2, float(top), width * 0.8, float(bottom)), category, score))
        return found

    def classify(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[RankedLabels]:
        """Five labels a box; the first one follows the mean color inside the box."""
        pixels = np.asarray(photo.image)
        ranked = []
        for x0, y0, x1, y1 in boxes_xyxy:
            first = int(pixels[int(y0) : int(y1), int(x0) : int(x1)].mean()) % len(LABELS)
            order = [LABELS[(first + step) % len(LABELS)] for step in range(5)]
            ranked.append(tuple(zip(order, PROBABILITIES, strict=True)))
        return ranked


def fake_explain(labeler: object, photo: Photo, labeled: LabeledPhoto) -> Explanation:
    """Maps of the shapes that ``core.inference.explain.explain`` gives, each with one hot spot."""
    garments = tuple(GarmentMaps(garment, _garment_maps()) for garment in labeled.garments)
    detector_maps = tuple(
        DetectorMap(f"stride{stride}", _hot_spot(photo.height // stride + 1, photo.width // stride + 1))
        for stride in (8, 16, 32)
    )
    return Explanation(photo.name, garments, detector_maps)


def _garment_maps() -> dict[str, np.ndarray]:
    heads = {f"attention_head_{head}": _hot_spot(7, 7, head) for head in range(1, HEADS + 1)}
    return {"class_activation": _hot_spot(7, 7), "attention": _hot_spot(7, 7, 3), **heads}


def _hot_spot(height: int, width: int, shift: int = 0) -> np.ndarray:
    """A map in 0..1, float32 (height, width), hottest near the middle."""
    rows, columns = np.mgrid[0:height, 0:width]
    squared = ((rows - height // 2) / height) ** 2 + ((columns - (width // 2 + shift) % width) / width) ** 2
    return np.exp(-12 * squared).astype(np.float32)
