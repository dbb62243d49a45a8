"""Plug and Play Active Learning (PPAL; Yang, Huang and Crowley, CVPR 2024): which photos teach a detector.

Two stages. Difficulty-calibrated uncertainty sampling takes the photos with the greatest uncertainty, four
times as many as are wanted: a photo's uncertainty is the sum of its detections' entropies, each times its
category's weight, which grows with the category's difficulty. Of these photos the representatives are
taken: the medoids of k-medoids clusters under the category-conditioned matching similarity (CCMS).

Where this differs from the paper and its code:

- Difficulty is measured after the training, by the best detection on each annotated box, and not as a moving
  average over the positives during it: it then needs no change to a training.
- A photo without detections is as far from every other one as can be; there the published code divides by 0.
- k-center starts at the most uncertain photo, not at a random one, and k-medoids ends when nothing
  changes. The order of a batch is that of k-center's choice, so that a part of a batch is diverse as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.boxes import Detections, GroundTruth, box_iou

FARTHEST = 2.0
"""The cosine distance of opposite directions: of a detection to a photo with none of its category."""


@dataclass(frozen=True)
class PPAL:
    """The method's settings, by default those of the paper's code.

    ``xi``: the score's share in a detection's quality. ``alpha`` and ``beta``: shape and upper bound of what
    difficulty adds to a category's weight. ``expansion``: photos of stage 1 for each that is wanted.
    Detections count from ``score_threshold`` on.
    """

    xi: float = 0.6
    alpha: float = 0.3
    beta: float = 0.2
    expansion: int = 4
    score_threshold: float = 0.05
    iterations: int = 100

    def __post_init__(self) -> None:
        if not (0 <= self.xi <= 1 and self.alpha > 0 and self.beta >= 0 and self.expansion >= 1):
            raise ValueError(
                "expected xi in 0..1, alpha above 0, beta from 0 on and expansion from 1 on, got "
                f"{self.xi}, {self.alpha}, {self.beta} and {self.expansion}"
            )


DEFAULT = PPAL()


@dataclass(frozen=True, eq=False)
class Instances:
    """A photo's detections: category ids (N,), scores (N,) in 0..1, and features (N, D) of any length."""

    category_ids: np.ndarray
    scores: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class CalibratedUncertainty:
    """A photo's uncertainty from 0 on, and the category that most of it comes from (None without detections).

    ``greatest`` is the entropy of the least certain detection, without its weight.
    """

    value: float
    category: str | None = None
    greatest: float = 0.0


def box_qualities(truth: GroundTruth, found: Detections, xi: float = DEFAULT.xi) -> np.ndarray:
    """How well each annotated box (G,) is detected: the largest p^xi * IoU^(1 - xi) of its category, or 0.

    p is a detection's score, IoU its overlap with the box.
    """
    if not len(found) or not len(truth):
        return np.zeros(len(truth))
    overlaps = box_iou(truth.boxes_xyxy, found.boxes_xyxy)  # (G, D)
    quality = found.scores[None, :] ** xi * overlaps ** (1 - xi)
    quality[np.asarray(truth.category_ids)[:, None] != np.asarray(found.category_ids)[None, :]] = 0.0
    return np.where(overlaps > 0, quality, 0.0).max(axis=1)


def category_difficulties(
    annotated: Iterable[tuple[GroundTruth, Detections]], categories: int, settings: PPAL = DEFAULT
) -> np.ndarray:
    """Each category's difficulty (C,) in 0..1: one minus the mean quality of its annotated boxes.

    1 for a category without any, which the detector cannot know.
    """
    total, count = np.zeros(categories), np.zeros(categories)
    for truth, found in annotated:
        np.add.at(total, truth.category_ids, box_qualities(truth, found, settings.xi))
        np.add.at(count, truth.category_ids, 1)
    return 1.0 - np.divide(total, count, out=np.zeros(categories), where=count > 0)


def category_weights(difficulties: np.ndarray, settings: PPAL = DEFAULT) -> np.ndarray:
    """w_c = 1 + alpha * beta * log(1 + gamma * d_c) with gamma = exp(1 / alpha) - 1: from 1 to 1 + beta."""
    gamma = np.expm1(1.0 / settings.alpha)
    return 1.0 + settings.alpha * settings.beta * np.log1p(gamma * np.asarray(difficulties))


def entropy(scores: np.ndarray) -> np.ndarray:
    """The entropy of each score, -p log p - (1 - p) log(1 - p): log 2 at 0.5, 0 at 0 and 1."""
    p = np.clip(np.asarray(scores, dtype=np.float64), 1e-10, 1 - 1e-10)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)


def calibrated_uncertainty(
    category_ids: np.ndarray, scores: np.ndarray, weights: np.ndarray, settings: PPAL = DEFAULT
) -> float:
    """A photo's uncertainty: the sum of its detections' entropies, each times its category's weight."""
    counts = np.asarray(scores) >= settings.score_threshold
    return float(
        (entropy(scores) * np.asarray(weights)[np.asarray(category_ids, dtype=np.int64)])[counts].sum()
    )


def matching_distances(photos: Sequence[Instances]) -> np.ndarray:
    """One minus CCMS of every two photos (N, N), in 0..2; 0 on the diagonal.

    From photo a to photo b: the mean over a's detections, weighted by their scores, of the cosine distance to
    the nearest of b's detections of the same category, or 2 where b has none. The distance is the mean of
    both directions.
    """
    sizes = np.array([len(photo) for photo in photos], dtype=np.int64)
    filled = np.flatnonzero(sizes)
    distances = np.full((len(photos), len(photos)), FARTHEST)
    if len(filled):
        one_way = _one_way([photos[int(index)] for index in filled])
        distances[np.ix_(filled, filled)] = (one_way + one_way.T) / 2
    empty = np.flatnonzero(sizes == 0)
    distances[np.ix_(empty, empty)] = 0.0
    np.fill_diagonal(distances, 0.0)
    return distances


def _one_way(photos: Sequence[Instances]) -> np.ndarray:
    """The distances from photos (rows) to photos (columns), each of which has a detection or more."""
    features = np.concatenate([photo.features for photo in photos]).astype(np.float32)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    ids = np.concatenate([photo.category_ids for photo in photos])
    ends = np.cumsum([len(photo) for photo in photos])
    starts = ends - [len(photo) for photo in photos]
    rows = np.empty((len(photos), len(photos)))
    for number, photo in enumerate(photos):
        mine = slice(starts[number], ends[number])
        similarity = features[mine] @ features.T  # (n, all detections)
        similarity[ids[mine, None] != ids[None, :]] = 1.0 - FARTHEST
        nearest = np.maximum.reduceat(similarity, starts, axis=1)  # (n, photos)
        weights = np.maximum(photo.scores, 1e-12)
        rows[number] = weights @ np.clip(1.0 - nearest, 0.0, FARTHEST) / weights.sum()
    return rows


def k_center(distances: np.ndarray, count: int, first: int = 0) -> list[int]:
    """Indices of ``count`` points, each the farthest from those before it, beginning with ``first``."""
    centers, nearest = [first], distances[:, first].copy()
    while len(centers) < min(count, len(distances)):
        nearest[centers] = -1.0
        centers.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances[:, centers[-1]])
    return centers


def k_medoids(
    distances: np.ndarray, centers: Sequence[int], iterations: int = DEFAULT.iterations
) -> list[int]:
    """The medoids that clusters around ``centers`` settle on, in the centers' order.

    In turn each point goes to its nearest medoid, and each cluster takes the member with the smallest sum of
    distances to the others (of equal ones the present medoid).
    """
    medoids = np.array(centers, dtype=np.int64)
    for _ in range(iterations):
        cluster = distances[:, medoids].argmin(axis=1)
        cluster[medoids] = np.arange(len(medoids))
        renewed = medoids.copy()
        for number, medoid in enumerate(medoids):
            members = np.flatnonzero(cluster == number)
            totals = distances[np.ix_(members, members)].sum(axis=1)
            if totals.min() < totals[members == medoid][0] - 1e-12:
                renewed[number] = members[totals.argmin()]
        if (renewed == medoids).all():
            break
        medoids = renewed
    return medoids.tolist()


def most_uncertain(uncertainty: np.ndarray, count: int, settings: PPAL = DEFAULT) -> np.ndarray:
    """Stage 1: the indices of the ``expansion * count`` most uncertain photos, the most uncertain first."""
    return np.argsort(-np.asarray(uncertainty), kind="stable")[: settings.expansion * count]


def representatives(photos: Sequence[Instances], count: int, settings: PPAL = DEFAULT) -> list[int]:
    """Stage 2: the indices of ``count`` of stage 1's photos, which come the most uncertain first."""
    if count >= len(photos):
        return list(range(len(photos)))
    distances = matching_distances(photos)
    return k_medoids(distances, k_center(distances, count), settings.iterations)
