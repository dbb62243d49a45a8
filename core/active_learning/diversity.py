"""Diversity sampling: distances of embeddings after PCA, novelty, and k-means++ seeding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from core.threads import IMPORTS

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

DIMENSIONS = 96
MAX_FIT_ROWS = 4_096
MAX_REFERENCES = 2_048
CHUNK_ROWS = 8_192
FAR = 2.0  # the squared distance of orthogonal directions


def fit_pca(embeddings: np.ndarray, rng: Generator, dimensions: int = DIMENSIONS) -> PCA:
    """PCA of (N, D) embeddings, fitted on at most 4,096 of them.

    It also centers them: features after a ReLU all point the same way, so that without centering their angles
    would hardly differ.
    """
    with IMPORTS:
        from sklearn.decomposition import PCA  # takes a second to import

    rows = subsample(embeddings, MAX_FIT_ROWS, rng).astype(np.float64)  # the covariance is exact only so
    rows = np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows  # PCA takes two rows or more
    with np.errstate(invalid="ignore"):  # of equal rows no share of the variance is explained
        return PCA(min(dimensions, *rows.shape), svd_solver="covariance_eigh").fit(rows)


def project(pca: PCA, embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (N, D) as unit vectors (N, d) float32; a row that equals the mean stays zero."""
    projected = np.empty((len(embeddings), pca.n_components_), dtype=np.float32)
    for start in range(0, len(embeddings), CHUNK_ROWS):
        rows = embeddings[start : start + CHUNK_ROWS].astype(np.float32)
        projected[start : start + len(rows)] = pca.transform(rows)
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.divide(projected, lengths, out=np.zeros_like(projected), where=lengths > 1e-6)


def subsample(rows: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """At most ``count`` rows as float32, drawn at random, in their order."""
    if len(rows) > count:
        rows = rows[np.sort(rng.choice(len(rows), size=count, replace=False))]
    return rows.astype(np.float32)


def nearest_squared_distances(rows: np.ndarray, references: np.ndarray, rng: Generator) -> np.ndarray:
    """Squared distance (N,) of unit vectors (N, d) to the nearest reference (M, d); 2 without references.

    At most 2,048 references count, drawn at random: with more, the distance to the nearest hardly differs.
    """
    nearest = np.full(len(rows), FAR, dtype=np.float32)
    chosen = subsample(references, MAX_REFERENCES, rng)
    for start in range(0, len(rows) if len(chosen) else 0, CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        nearest[chunk] = np.maximum(0.0, 2.0 - 2.0 * (rows[chunk] @ chosen.T).max(axis=1))
    return nearest


def kmeans_plus_plus(
    rows: np.ndarray, weights: np.ndarray, nearest: np.ndarray, count: int, rng: Generator
) -> list[int]:
    """Indices of ``count`` rows, each drawn with probability weight times squared distance to those before.

    k-means++ seeding (Arthur and Vassilvitskii 2007) whose first centers are given: ``nearest`` (N,) is each
    row's squared distance to them. Duplicates of drawn rows come last, by weight.
    """
    squared, is_left = nearest.astype(np.float64), np.ones(len(rows), dtype=bool)
    drawn: list[int] = []
    while len(drawn) < min(count, len(rows)):
        mass = np.cumsum(np.where(is_left, weights * squared, 0.0))
        if mass[-1] <= 1e-9:
            rest = np.flatnonzero(is_left)
            return drawn + rest[np.argsort(-weights[rest], kind="stable")].tolist()[: count - len(drawn)]
        pick = int(np.searchsorted(mass, rng.random() * mass[-1], side="right"))
        pick = min(pick, len(rows) - 1)
        drawn.append(pick)
        is_left[pick] = False
        squared = np.minimum(squared, np.maximum(0.0, 2.0 - 2.0 * (rows @ rows[pick])))
    return drawn


def weighted_sample(weights: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """Indices of ``count`` rows drawn without replacement by weight (Efraimidis and Spirakis 2006)."""
    keys = rng.exponential(size=len(weights)) / np.maximum(weights, 1e-12)
    return np.sort(np.argsort(keys, kind="stable")[:count])


def hash_directions(hashes: list[bytes]) -> np.ndarray:
    """Perceptual hashes as unit vectors (N, bits); their squared distance grows with the Hamming distance."""
    if not hashes:
        return np.zeros((0, 256), dtype=np.float32)
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), -1), axis=1)
    return (bits.astype(np.float32) * 2 - 1) / np.sqrt(bits.shape[1], dtype=np.float32)
