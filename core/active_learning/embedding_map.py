"""Embeddings of photos and of garments in a plane, so that what looks alike lies together.

Principal components (Pearson 1901) by default; t-SNE (van der Maaten and Hinton 2008) keeps neighbors
together and says nothing about distances between groups. Of many, a random sample is drawn, always the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from core.active_learning.diversity import fit_pca
from core.errors import NotFoundError, StoreError
from core.progress import Progress
from core.store import Store
from core.store.predictions import ModelPair
from core.store.search import FoundBox, PhotoQuery
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

METHODS = ("PCA", "t-SNE")
MOST_PHOTOS, MOST_GARMENTS = 2_000, 1_000
SEED = 0
_TSNE_DIMENSIONS = 32
_PERPLEXITY = 30.0

"""Called with what is done and how much there is."""


@dataclass(frozen=True, eq=False)
class EmbeddingSample:
    """Embeddings (N, D) float32 of photos, or of boxes, a sample of ``total``; both in the same order."""

    photo_ids: tuple[int, ...]
    embeddings: np.ndarray
    total: int
    boxes: tuple[FoundBox, ...] = ()


def plane(embeddings: np.ndarray, method: str = METHODS[0]) -> np.ndarray:
    """Embeddings (N, D) as points (N, 2) float32, always the same; ``method`` is one of METHODS.

    Raises StoreError for another one.
    """
    if method not in METHODS:
        raise StoreError(f"expected a method out of {', '.join(METHODS)}, got {method!r}")
    rng = np.random.default_rng(SEED)
    if len(embeddings) < 3:
        return np.array([[float(place), 0.0] for place in range(len(embeddings))], np.float32).reshape(-1, 2)
    if method == "PCA":
        return _padded(fit_pca(embeddings, rng, 2).transform(embeddings))
    with IMPORTS:
        from sklearn.manifold import TSNE

    rows = fit_pca(embeddings, rng, _TSNE_DIMENSIONS).transform(embeddings)
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(rows).astype(np.float32)


def sample_photos(store: Store, models: ModelPair, most: int = MOST_PHOTOS) -> EmbeddingSample:
    """The stored embeddings of photos that these models have labeled."""
    ids = store.predictions.embedded(models)
    drawn = _drawn(ids, most)
    found = dict(store.predictions.embeddings(models, drawn))
    kept = tuple(id for id in drawn if id in found)
    rows = np.stack([found[id] for id in kept]) if kept else np.zeros((0, 1), np.float32)
    return EmbeddingSample(kept, rows, len(ids))


def sample_boxes(store: Store, query: PhotoQuery, most: int = MOST_GARMENTS) -> tuple[list[FoundBox], int]:
    """Boxes to embed, by photo, and how many there are of which they are a sample."""
    total = store.search.count_boxes(query)
    rng = np.random.default_rng(SEED)
    places = np.sort(rng.choice(total, min(most, total), replace=False)).tolist() if total else []
    found: list[FoundBox] = []
    for start in range(0, len(places), most):
        found += store.search.boxes_at(query, places[start : start + most])
    return found, total


def embed_boxes(
    store: Store, labeler: Labeler, boxes: Sequence[FoundBox], total: int, progress: Progress
) -> EmbeddingSample:
    """The classifier's embeddings of boxes, which are sorted by photo; of photos deleted meanwhile none."""
    rows, kept, done = list[np.ndarray](), list[FoundBox](), 0
    for photo_id, group in _by_photo(boxes):
        progress(done, len(boxes))
        done += len(group)
        try:
            photo = store.photos.open(photo_id)
        except NotFoundError:
            continue
        rows.append(labeler.classifier.embed(photo, [box.box_xyxy for box in group]))
        kept += group
    progress(done, len(boxes))
    embeddings = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
    return EmbeddingSample(tuple(box.photo.id for box in kept), embeddings, total, tuple(kept))


def _by_photo(boxes: Sequence[FoundBox]) -> Iterator[tuple[int, list[FoundBox]]]:
    for photo_id, group in groupby(boxes, key=lambda box: box.photo.id):
        yield photo_id, list(group)


def _drawn(ids: Sequence[int], most: int) -> list[int]:
    if len(ids) <= most:
        return list(ids)
    places = np.random.default_rng(SEED).choice(len(ids), most, replace=False)
    return [ids[place] for place in np.sort(places)]


def _padded(points: np.ndarray) -> np.ndarray:
    """Points of one dimension, as of embeddings on a line, get a second one."""
    found = np.zeros((len(points), 2), np.float32)
    found[:, : points.shape[1]] = np.nan_to_num(points)
    return found
