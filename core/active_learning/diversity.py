"""Photos unlike each other and unlike what is labelled: distances of embeddings, and k-means++ seeding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.linalg import eigh

DIMENSIONS = 96
FIT_ROWS = 4_096
MOST_REFERENCES = 2_048
ROWS_AT_ONCE = 8_192
FAR = 2.0  # the squared distance between directions that have nothing in common


@dataclass(frozen=True, eq=False)
class Space:
    """Where looks are compared: embeddings less their mean, on their main axes, at length one.

    Features of a network that ends in a rectifier all point the same way; without the mean their angles would
    hardly differ. ``mean`` is (D,), ``axes`` (D, d).
    """

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, embeddings: np.ndarray, rng: Generator, dimensions: int = DIMENSIONS) -> Space:
        """The main axes of (N, D) embeddings, found on at most 4,096 of them."""
        rows = some_rows(embeddings, FIT_ROWS, rng)
        mean = rows.mean(axis=0)
        size = rows.shape[1]
        wanted = (max(0, size - dimensions), size - 1)
        _, axes = eigh((rows - mean).T @ (rows - mean), subset_by_index=wanted, check_finite=False)
        return cls(mean, np.ascontiguousarray(axes[:, ::-1]))  # scipy's rise

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) as directions (N, d) float32; a row without any difference stays zero."""
        placed = np.empty((len(embeddings), self.axes.shape[1]), dtype=np.float32)
        for start in range(0, len(embeddings), ROWS_AT_ONCE):
            rows = embeddings[start : start + ROWS_AT_ONCE].astype(np.float32)
            placed[start : start + len(rows)] = (rows - self.mean) @ self.axes
        lengths = np.linalg.norm(placed, axis=1, keepdims=True)
        return np.divide(placed, lengths, out=np.zeros_like(placed), where=lengths > 1e-6)


def some_rows(rows: np.ndarray, most: int, rng: Generator) -> np.ndarray:
    """All rows as float32, or ``most`` of them drawn at random, in their order."""
    if len(rows) > most:
        rows = rows[np.sort(rng.choice(len(rows), size=most, replace=False))]
    return rows.astype(np.float32)


def nearest_squared_distances(rows: np.ndarray, references: np.ndarray, rng: Generator) -> np.ndarray:
    """Squared distance (N,) from each direction (N, d) to the nearest reference (M, d), 2 without any.

    Of more than 2,048 references as many are drawn at random: what is labelled lies so densely by then that
    the nearest of them hardly differs.
    """
    nearest = np.full(len(rows), FAR, dtype=np.float32)
    kept = some_rows(references, MOST_REFERENCES, rng)
    for start in range(0, len(rows) if len(kept) else 0, ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        nearest[block] = np.maximum(0.0, 2.0 - 2.0 * (rows[block] @ kept.T).max(axis=1))
    return nearest


def kmeans_plus_plus(
    rows: np.ndarray, weights: np.ndarray, nearest: np.ndarray, count: int, rng: Generator
) -> list[int]:
    """Draw ``count`` rows, each with probability weight times squared distance to all before it.

    k-means++ seeding (Arthur and Vassilvitskii 2007) that begins with what is labelled: ``nearest`` (N,) is
    each row's squared distance to that. Rows equal to a drawn one come last, by weight.
    """
    left, open_ = nearest.astype(np.float64), np.ones(len(rows), dtype=bool)
    drawn: list[int] = []
    while len(drawn) < min(count, len(rows)):
        mass = np.cumsum(np.where(open_, weights * left, 0.0))
        if mass[-1] <= 1e-9:
            rest = np.flatnonzero(open_)
            return drawn + rest[np.argsort(-weights[rest], kind="stable")].tolist()[: count - len(drawn)]
        pick = int(np.searchsorted(mass, rng.random() * mass[-1], side="right"))
        pick = min(pick, len(rows) - 1)
        drawn.append(pick)
        open_[pick] = False
        left = np.minimum(left, np.maximum(0.0, 2.0 - 2.0 * (rows @ rows[pick])))
    return drawn


def weighted_sample(weights: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """Indices of ``count`` rows drawn without replacement by weight (Efraimidis and Spirakis 2006)."""
    keys = rng.exponential(size=len(weights)) / np.maximum(weights, 1e-12)
    return np.sort(np.argsort(keys, kind="stable")[:count])


def hash_directions(looks: list[bytes]) -> np.ndarray:
    """Difference hashes as directions (N, bits): their squared distance grows with the bits that differ."""
    if not looks:
        return np.zeros((0, 256), dtype=np.float32)
    bits = np.unpackbits(np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(len(looks), -1), axis=1)
    return (bits.astype(np.float32) * 2 - 1) / np.sqrt(bits.shape[1], dtype=np.float32)
