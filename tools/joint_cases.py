"""Predictions of both models on annotated photos, collected once, and the joint decision on them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.boxes import Detections, GroundTruth, box_iou
from core.datasets.reading import read_fitted
from core.evaluation.matching import IGNORED, counted_boxes, match_photo
from core.images.decode import open_dataset_photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.joint import (
    JointWeights,
    area_shares,
    joint_distribution,
    joint_scores,
    score_features,
    suppress_same_garment,
)
from core.models.nms import NMS_IOU_THRESHOLD, calibrated, nms_indices

Floats = NDArray[np.float64]
LOWEST = 0.05
"""The uncalibrated score down to which candidates are collected."""
NEVER_BOXED = {"chictopia": ("belt", "scarf_tie")}
SAME_NAME = {"chictopia": {"boots": "footwear"}}
"""Chictopia boxes neither belts nor scarves, and boots as footwear."""


@dataclass(frozen=True, eq=False)
class Case:
    """One photo: candidates with class scores (N, C), label probabilities (N, L), its garments, its fold."""

    dataset: str
    fold: int
    boxes_xyxy: Floats
    class_scores: Floats
    labels: Floats
    truth: GroundTruth
    ignored: tuple[int, ...]
    renamed: dict[int, int]
    photo_wh: tuple[int, int]

    @property
    def boxes(self) -> int:
        """How many garments have to be found."""
        return int(counted_boxes(self.truth).sum())


def collect(
    name: str,
    path: Path,
    photos: Path | None,
    detector: Detector,
    classifier: Classifier,
    groups: Mapping[str, str],
    most: int = 200,
) -> list[Case]:
    """What both models, uncalibrated, say of a dataset's photos, at most ``most`` of them, evenly chosen.

    ``groups`` names the sender of a photo by its file's stem; photos of one sender are in one fold.
    """
    dataset = read_fitted(path, photos).dataset
    known = detector.card.categories
    ids = np.array([known.index(category) for category in dataset.categories], dtype=np.int64)
    ignored = tuple(known.index(category) for category in NEVER_BOXED.get(name, ()))
    renamed = {known.index(a): known.index(b) for a, b in SAME_NAME.get(name, {}).items()}
    cases = []
    step = max(1, -(-len(dataset.photos) // most))
    for boxed in dataset.photos[::step]:
        photo = open_dataset_photo(dataset.path_of(boxed))
        found = detector.raw_detections(photo, LOWEST)
        labels = classifier.probabilities(
            classifier.crops(photo, list(map(tuple, found.boxes_xyxy.tolist())))
        )
        cases.append(
            Case(
                name,
                fold_of(groups.get(Path(boxed.file_name).stem, boxed.file_name)),
                found.boxes_xyxy,
                found.class_scores,
                labels.astype(np.float64),
                boxed.ground_truth(ids),
                ignored,
                renamed,
                found.photo_wh,
            )
        )
    return cases


def fold_of(group: str) -> int:
    """Which of the two folds a sender's photos, or a photo without a sender, are in."""
    return zlib.crc32(group.encode()) % 2


def decided(
    case: Case, matrix: Floats, weights: JointWeights
) -> tuple[Detections, Floats, NDArray[np.int64]]:
    """The photo's garments as the labeler decides them, their features, and which candidates they are."""
    pooled, evidence = joint_distribution(case.class_scores, case.labels, matrix, weights)
    chosen = pooled.argmax(axis=1) if len(pooled) else np.zeros(0, dtype=np.int64)
    shares = area_shares(case.boxes_xyxy, case.photo_wh)
    features = score_features(case.class_scores, pooled, evidence, chosen, shares)
    scores = joint_scores(features, weights)
    kept = suppress_same_garment(
        box_iou(case.boxes_xyxy, case.boxes_xyxy),
        scores,
        chosen,
        evidence,
        nms_iou=NMS_IOU_THRESHOLD,
        same_garment_iou=weights.same_garment_iou,
    )
    kept = np.array([row for row in kept if chosen[row] not in case.ignored], dtype=np.int64)
    names = np.array([case.renamed.get(int(chosen[row]), int(chosen[row])) for row in kept], dtype=np.int64)
    found = Detections(case.boxes_xyxy[kept], scores[kept], names)
    counted = counted_of(found, case.truth)
    return found[counted], features[kept][counted], kept[counted]


def counted_of(detections: Detections, truth: GroundTruth) -> NDArray[np.bool_]:
    """Which detections, in their own order, are right or wrong, and not in a region to be ignored (N,)."""
    order, matched = match_photo(detections, truth, np.array([0.5]))
    counted = np.ones(len(detections), dtype=np.bool_)
    counted[order] = matched[0] != IGNORED
    return counted


def hits_of(detections: Detections, truth: GroundTruth) -> NDArray[np.bool_]:
    """Which detections, in their own order, find a garment of their category at IoU 0.5 (N,)."""
    order, matched = match_photo(detections, truth, np.array([0.5]))
    hits = np.zeros(len(detections), dtype=np.bool_)
    hits[order] = matched[0] >= 0
    return hits


def alone(case: Case, slope: float, intercept: float) -> Detections:
    """The detector's own boxes of a photo: NMS within each category, scores Platt-scaled."""
    table = case.class_scores.copy()
    table[:, sorted(case.ignored)] = 0.0
    rows, ids = nms_indices(case.boxes_xyxy, table, score_threshold=LOWEST, limit=table.size)
    scores = calibrated(table[rows, ids], slope, intercept)
    names = np.array([case.renamed.get(int(c), int(c)) for c in ids], dtype=np.int64)
    found = Detections(case.boxes_xyxy[rows], scores, names)
    return found[counted_of(found, case.truth)]
