"""The labeler: detector and classifier as one pipeline, from a photo to garments with their labels."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from core.boxes import box_iou
from core.garments import CANDIDATE_THRESHOLD, Garment, LabeledPhoto
from core.images.decode import Photo
from core.inference.classifier import Classifier, whole_photo
from core.inference.detector import Detector, RawDetections
from core.inference.joint import (
    JOINT_FILE,
    JointWeights,
    area_shares,
    joint_distribution,
    joint_labels,
    joint_scores,
    label_matrix,
    read_joint_weights,
    score_features,
    suppress_same_garment,
)
from core.models.cards import shipped_weights
from core.models.nms import NMS_IOU_THRESHOLD
from core.taxonomy import categories_of_labels


class PhotoLabeler(Protocol):
    """What labels photos: :class:`Labeler`, or what stands in for it while it loads."""

    @property
    def default_threshold(self) -> float:
        """The score from which a garment counts as found."""
        ...

    @property
    def names(self) -> dict[str, str]:
        """The models' names by kind."""
        ...

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        """The photo's garments above the threshold (the default one if None), best first."""
        ...


@dataclass(frozen=True, eq=False)
class Labeler:
    """Both models, ready to label; safe to share between threads."""

    detector: Detector
    classifier: Classifier
    joint: JointWeights = field(default_factory=JointWeights)

    @classmethod
    def load(
        cls, detector: Path | None = None, classifier: Path | None = None, device: str = "auto"
    ) -> Labeler:
        """Load weights with their cards, by default those that ship. Raises WeightsError with a sentence.

        Where both still have to be exported for the engine, that happens at the same time.

        The joint decision's weights are those beside the detector's, or the defaults where there are none.
        """
        joint = read_joint_weights((detector or shipped_weights("detector")).with_name(JOINT_FILE))
        with ThreadPoolExecutor(1) as beside:
            loading = beside.submit(Classifier.load, classifier, device)
            return cls(Detector.load(detector, device), loading.result(), joint)

    @cached_property
    def label_matrix(self) -> np.ndarray:
        """Which label belongs to which category by the taxonomies and by name: (L, C) of 0 and 1."""
        return label_matrix(self.labels, self.categories, categories_of_labels())

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
        """Find a photo's garments from ``score_threshold`` on (the card's by default), and name them.

        ``seconds`` of the result is both models' time, without decoding.
        """
        started = time.perf_counter()
        garments, _ = self._label(photo, score_threshold, embed=False)
        seconds = time.perf_counter() - started
        return LabeledPhoto(photo.name, photo.width, photo.height, seconds, self.names, garments)

    def label_and_embed(
        self, photo: Photo, score_threshold: float | None = None
    ) -> tuple[tuple[Garment, ...], np.ndarray]:
        """The photo's garments, best first, and the embedding of the whole photo (F,), in one pass."""
        garments, embeddings = self._label(photo, score_threshold, embed=True)
        return garments, embeddings[-1]

    def _label(
        self, photo: Photo, score_threshold: float | None, *, embed: bool
    ) -> tuple[tuple[Garment, ...], np.ndarray]:
        """The garments, and embeddings (N, F) of detections, with ``embed`` also of the photo."""
        threshold = self.default_threshold if score_threshold is None else score_threshold
        detections = self.detector.raw_detections(photo, min(threshold, CANDIDATE_THRESHOLD))
        boxes = [*map(tuple, detections.boxes_xyxy.tolist()), *([whole_photo(photo)] if embed else [])]
        labels, embeddings = self.classifier.predict(self.classifier.crops(photo, boxes))
        garments = self.decide(detections, labels[: len(detections)].astype(np.float64))
        return tuple(garment for garment in garments if garment.score >= threshold), embeddings

    def decide(self, detections: RawDetections, labels: np.ndarray) -> list[Garment]:
        """One garment a place, best first, of detections and the label probabilities (N, L) of their crops.

        A detector's score below ``CANDIDATE_THRESHOLD`` is not raised, so that labeling with a higher
        threshold and :meth:`LabeledPhoto.above` agree to the last garment.
        """
        scores, matrix = detections.class_scores, self.label_matrix
        pooled, evidence = joint_distribution(scores, labels, matrix, self.joint)
        chosen = pooled.argmax(axis=1) if len(pooled) else np.zeros(0, dtype=np.int64)
        shares = area_shares(detections.boxes_xyxy, detections.photo_wh)
        joint = joint_scores(score_features(scores, pooled, evidence, chosen, shares), self.joint)
        best = scores.max(axis=1, initial=0.0)
        joint = np.where(best < CANDIDATE_THRESHOLD, np.minimum(joint, best), joint)
        probabilities = joint_labels(labels, pooled, chosen, matrix)
        iou = box_iou(detections.boxes_xyxy, detections.boxes_xyxy)
        kept = suppress_same_garment(
            iou,
            joint,
            chosen,
            evidence,
            nms_iou=NMS_IOU_THRESHOLD,
            same_garment_iou=self.joint.same_garment_iou,
        )
        return [self._garment(detections, labels, probabilities, chosen, joint, row) for row in kept.tolist()]

    def _garment(
        self,
        detections: RawDetections,
        labels: np.ndarray,
        probabilities: np.ndarray,
        chosen: np.ndarray,
        joint: np.ndarray,
        row: int,
    ) -> Garment:
        x0, y0, x1, y1 = detections.boxes_xyxy[row].tolist()
        alone, first = int(detections.class_scores[row].argmax()), int(labels[row].argmax())
        best = np.argsort(-probabilities[row], kind="stable")[:5].tolist()
        return Garment(
            (x0, y0, x1, y1),
            self.categories[int(chosen[row])],
            float(joint[row]),
            tuple((self.labels[label], float(probabilities[row, label])) for label in best),
            detector=(self.categories[alone], float(detections.class_scores[row, alone])),
            classifier=(self.labels[first], float(labels[row, first])),
        )
