"""The main job: a photo in; garments with boxes, categories and top-5 labels out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.garments import Box, Garment, LabeledPhoto, RankedLabels
from core.images.decode import Photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector


@dataclass(frozen=True, eq=False)
class Labeler:
    """Both models, ready to label; safe to share between threads."""

    detector: Detector
    classifier: Classifier

    @classmethod
    def load(
        cls, detector: Path | None = None, classifier: Path | None = None, device: str = "cpu"
    ) -> Labeler:
        """Load weights with their cards, by default those that ship. Raises WeightsError with a sentence."""
        return cls(Detector.load(detector, device), Classifier.load(classifier, device))

    @property
    def default_threshold(self) -> float:
        """The score from which the detector's card counts a garment as found."""
        return self.detector.card.score_threshold

    @property
    def categories(self) -> tuple[str, ...]:
        """The detector's categories."""
        return self.detector.card.categories

    @property
    def labels(self) -> tuple[str, ...]:
        """The classifier's labels."""
        return self.classifier.card.categories

    @property
    def names(self) -> dict[str, str]:
        """What labels a photo: the models' names, for the record."""
        return {"detector": self.detector.card.name, "classifier": self.classifier.card.name}

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        """Find a photo's garments from ``score_threshold`` on (the card's by default) and rank their labels.

        ``seconds`` of the result is both models' time, without decoding.
        """
        started = time.perf_counter()
        found = self.detect(photo, self.default_threshold if score_threshold is None else score_threshold)
        ranked = self.classify(photo, [box for box, _, _ in found])
        garments = tuple(
            Garment(box, category, score, top5)
            for (box, category, score), top5 in zip(found, ranked, strict=True)
        )
        seconds = time.perf_counter() - started
        return LabeledPhoto(photo.name, photo.width, photo.height, seconds, self.names, garments)

    def detect(self, photo: Photo, score_threshold: float) -> list[tuple[Box, str, float]]:
        """Boxes in pixels of the photo, category and score of at most 100 garments, best first."""
        return self.detector.detect(photo, score_threshold)

    def classify(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[RankedLabels]:
        """The five likeliest labels of each box with their probabilities, best first."""
        return self.classifier.classify(photo, boxes_xyxy)
