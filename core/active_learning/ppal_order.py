"""The queue's order by PPAL, from what the store keeps of predictions: see :mod:`core.active_learning.ppal`.

Where this differs from the paper, beyond what that module names:

- A garment's embedding is not stored. CCMS compares garments of a category by their label distribution, and
  by the embedding of the whole photo in place of the garment's.
- Scores are those of the joint decision, and garments are stored from a third of the threshold on.
- Difficulty is measured on the annotated photos that may be trained on, with their stored predictions.
- Behind a batch of representatives the photos follow by uncertainty: a queue has no end. Where few photos are
  left the batch is smaller, so that stage 1 takes the more uncertain half. A photo that the models are
  sure of is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.active_learning.ppal import (
    DEFAULT,
    PPAL,
    CalibratedUncertainty,
    Instances,
    category_difficulties,
    category_weights,
    entropy,
    k_center,
    k_medoids,
    matching_distances,
    most_uncertain,
)
from core.active_learning.ranking import CERTAIN, PoolPhoto
from core.boxes import Detections, GroundTruth
from core.garments import Garment
from core.queue_place import QueuePlace

if TYPE_CHECKING:  # who replays an order need not have the database's packages
    from core.store.predictions import AnnotatedPrediction

BATCH = 100
"""How many representatives are chosen; the order is renewed long before they are all annotated."""

HARD = 0.5
"""The difficulty from which a category is called hard in a reason."""

SURE = float(entropy(np.array(0.9)))
"""The entropy below which the models are called sure: all scores are above 0.9, or below 0.1."""

NOTHING_FOUND = "no garment was found"


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """What is stored of a photo: its garments, and its embedding (D,) or None."""

    garments: Sequence[Garment]
    embedding: np.ndarray | None = None


Fetch = Callable[[Sequence[int]], Mapping[int, StoredPrediction]]
"""What is stored of some photos, by photo."""


@dataclass(frozen=True)
class Difficulties:
    """Categories' difficulties in 0..1 by the models' names; 1 for those that nobody has annotated."""

    by_category: Mapping[str, float] = field(default_factory=dict)
    settings: PPAL = DEFAULT

    def of(self, category: str) -> float:
        """A category's difficulty."""
        return self.by_category.get(category, 1.0)

    def weights(self, categories: Sequence[str]) -> np.ndarray:
        """The weight of each of these categories (N,)."""
        return category_weights(np.array([self.of(category) for category in categories]), self.settings)


def measure_difficulties(
    annotated: Iterable[AnnotatedPrediction], ids: Mapping[str, int], settings: PPAL = DEFAULT
) -> Difficulties:
    """How hard the categories are for the models; ``ids`` are the store's categories by the models' names."""
    rows = {id: row for row, id in enumerate(sorted(set(ids.values())))}
    measured = category_difficulties(
        ((_truth(entry, rows), _detections(entry.garments, ids, rows)) for entry in annotated),
        len(rows),
        settings,
    )
    return Difficulties({name: float(measured[rows[id]]) for name, id in ids.items()}, settings)


def _truth(entry: AnnotatedPrediction, rows: Mapping[int, int]) -> GroundTruth:
    boxes = [box for box in entry.boxes if box.category_id in rows]
    corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    return GroundTruth(corners, np.array([rows[box.category_id] for box in boxes], dtype=np.int64))


def _detections(garments: Sequence[Garment], ids: Mapping[str, int], rows: Mapping[int, int]) -> Detections:
    known = [garment for garment in garments if garment.category in ids]
    return Detections(
        np.array([garment.box_xyxy for garment in known], dtype=np.float64).reshape(-1, 4),
        np.array([garment.score for garment in known]),
        np.array([rows[ids[garment.category]] for garment in known], dtype=np.int64),
    )


def calibrated_uncertainty_of(
    garments: Sequence[Garment], difficulties: Difficulties
) -> CalibratedUncertainty:
    """The difficulty-calibrated uncertainty of a photo's prediction."""
    counted = [garment for garment in garments if garment.score >= difficulties.settings.score_threshold]
    if not counted:
        return CalibratedUncertainty(0.0)
    categories = [garment.category for garment in counted]
    entropies = entropy(np.array([garment.score for garment in counted]))
    parts = entropies * difficulties.weights(categories)
    by_category: dict[str, float] = {}
    for category, part in zip(categories, parts.tolist(), strict=True):
        by_category[category] = by_category.get(category, 0.0) + part
    most = max(by_category, key=lambda name: by_category[name])
    return CalibratedUncertainty(float(parts.sum()), most, float(entropies.max()))


def instances_of(photos: Sequence[StoredPrediction], settings: PPAL = DEFAULT) -> list[Instances]:
    """Each photo's garments with their features: label distribution beside the photo's embedding.

    The cosine of two features is the mean of two cosines: of the label distributions' square roots (their
    Bhattacharyya coefficient), and of the photos' embeddings after centering.
    """
    embeddings = _unit_rows(_centered([photo.embedding for photo in photos]))
    names: dict[str, int] = {}
    counted = [
        [garment for garment in photo.garments if garment.score >= settings.score_threshold]
        for photo in photos
    ]
    for garment in (garment for garments in counted for garment in garments):
        for name in (garment.category, *(label for label, _ in garment.top5)):
            names.setdefault(name, len(names))
    return [
        _instances(garments, names, embedding)
        for garments, embedding in zip(counted, embeddings, strict=True)
    ]


def _instances(garments: Sequence[Garment], names: Mapping[str, int], embedding: np.ndarray) -> Instances:
    shares = np.zeros((len(garments), len(names)))
    for row, garment in zip(shares, garments, strict=True):
        for label, share in garment.top5 or ((garment.category, 1.0),):
            row[names[label]] = share
    features = np.hstack((_unit_rows(np.sqrt(shares)), np.tile(embedding, (len(garments), 1))))
    ids = np.array([names[garment.category] for garment in garments], dtype=np.int64)
    return Instances(ids, np.array([garment.score for garment in garments]), features)


def _centered(embeddings: Sequence[np.ndarray | None]) -> np.ndarray:
    """Embeddings (N, D) less their mean; a photo without one has the mean's place."""
    known = [embedding for embedding in embeddings if embedding is not None]
    if not known:
        return np.zeros((len(embeddings), 1))
    mean = np.mean(known, axis=0)
    return np.stack([np.zeros_like(mean) if one is None else one - mean for one in embeddings])


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows, dtype=np.float64), where=lengths > 1e-9)


def ppal_order(
    pool: Sequence[PoolPhoto], difficulties: Difficulties, fetch: Fetch, batch: int = BATCH
) -> list[QueuePlace]:
    """Photos with predictions in PPAL's order: at most ``batch`` representatives, then by uncertainty.

    Only the four times ``batch`` most uncertain photos are fetched.
    """
    values = np.array([_uncertainty(photo).value for photo in pool])
    order = np.argsort(-values, kind="stable")
    batch = max(1, min(batch, len(pool) // (2 * difficulties.settings.expansion)))
    first = most_uncertain(values, batch, difficulties.settings)
    first = first[[_uncertainty(pool[index]).greatest >= SURE for index in first]]
    found = fetch([pool[index].photo_id for index in first])
    first = np.array([index for index in first if pool[index].photo_id in found], dtype=np.int64)
    chosen, alike = _representatives([found[pool[index].photo_id] for index in first], batch)
    most = max(values.max(initial=0.0), 1e-9)
    places = [
        _place(pool[first[index]], most, difficulties, _stands_for(count))
        for index, count in zip(chosen, alike, strict=True)
    ]
    taken = {place.photo_id for place in places}
    rest = (pool[index] for index in order if pool[index].photo_id not in taken)
    return places + [_place(photo, most, difficulties) for photo in rest]


def _representatives(photos: Sequence[StoredPrediction], batch: int) -> tuple[list[int], list[int]]:
    """The medoids, and how many of the photos beside each are nearest to it."""
    if not photos:
        return [], []
    distances = matching_distances(instances_of(photos))
    medoids = k_medoids(distances, k_center(distances, batch))
    nearest = distances[:, medoids].argmin(axis=1)
    nearest[medoids] = np.arange(len(medoids))
    return medoids, (np.bincount(nearest, minlength=len(medoids)) - 1).tolist()


def _stands_for(count: int) -> str:
    if count == 0:
        return "unlike the other uncertain photos"
    return f"stands for {count} similar photo{'s' if count > 1 else ''}"


def _uncertainty(photo: PoolPhoto) -> CalibratedUncertainty:
    return photo.calibrated or CalibratedUncertainty(0.0)


def _place(photo: PoolPhoto, most: float, difficulties: Difficulties, why: str = "") -> QueuePlace:
    uncertainty = _uncertainty(photo)
    parts = dict(photo.uncertainty.parts) if photo.uncertainty else {}
    parts["calibrated"] = uncertainty.value / most
    reasons = (_uncertain_of(uncertainty, difficulties), why)
    return QueuePlace(
        photo.photo_id,
        0.0,
        "selected",
        tuple(reason for reason in reasons if reason),
        {name: round(part, 4) for name, part in parts.items()},
    )


def _uncertain_of(uncertainty: CalibratedUncertainty, difficulties: Difficulties) -> str:
    if uncertainty.category is None:
        return NOTHING_FOUND
    if uncertainty.greatest < SURE:
        return CERTAIN
    hard = ", which is hard for the models" if difficulties.of(uncertainty.category) >= HARD else ""
    return f"uncertain garments, most of all: {uncertainty.category}{hard}"
