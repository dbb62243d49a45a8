"""Embeddings after PCA, their distances, and k-means++ seeding."""

from __future__ import annotations

import numpy as np
import pytest

from core.active_learning.diversity import (
    FAR,
    fit_pca,
    hash_directions,
    kmeans_plus_plus,
    nearest_squared_distances,
    project,
    weighted_sample,
)


def groups(centers: int, each: int, spread: float = 0.01, seed: int = 0) -> np.ndarray:
    """Directions (centers * each, centers) around as many axes."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.eye(centers), each, axis=0) + rng.normal(0, spread, (centers * each, centers))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_projected_embeddings_are_centered_unit_vectors() -> None:
    rng = np.random.default_rng(0)
    embeddings = 5 + rng.random((300, 40))
    placed = project(fit_pca(embeddings, rng, dimensions=8), embeddings.astype(np.float16))
    assert placed.shape == (300, 8) and placed.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(placed, axis=1), 1, atol=1e-5)
    assert abs(float((placed @ placed.T).mean())) < 0.05, "directions differ once the mean is gone"


def test_rows_that_do_not_differ_stay_at_zero() -> None:
    for count in (1, 5):
        same = np.ones((count, 10), dtype=np.float32)
        assert not project(fit_pca(same, np.random.default_rng(0)), same).any()


def test_the_nearest_reference_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(nearest_squared_distances(rows, rows[:2], rng), [0, 0, 2])
    np.testing.assert_allclose(nearest_squared_distances(rows, rows[:0], rng), FAR)
    monkeypatch.setattr("core.active_learning.diversity.CHUNK_ROWS", 2)
    np.testing.assert_allclose(nearest_squared_distances(rows, -rows[:1], rng), [4, 2, 2])


def test_every_group_is_visited_before_one_is_visited_twice() -> None:
    rows = groups(12, 50, spread=0.002)
    drawn = kmeans_plus_plus(rows, np.ones(600), np.full(600, FAR), 12, np.random.default_rng(3))
    assert len({index // 50 for index in drawn}) == 12


def test_what_is_near_the_labeled_waits() -> None:
    rows = groups(4, 25, spread=0.002)
    nearest = nearest_squared_distances(rows, rows[:1], np.random.default_rng(0))
    drawn = kmeans_plus_plus(rows, np.ones(100), nearest, 3, np.random.default_rng(0))
    assert {index // 25 for index in drawn} == {1, 2, 3}


def test_weights_decide_among_equals() -> None:
    rows = groups(2, 50, spread=0.3)
    weights = np.where(np.arange(100) % 50 == 7, 1.0, 1e-9)
    drawn = kmeans_plus_plus(rows, weights, np.full(100, FAR), 2, np.random.default_rng(0))
    assert sorted(drawn) == [7, 57]


def test_copies_come_last_by_weight_and_nothing_comes_twice() -> None:
    rows = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    weights = np.array([1.0, 3.0, 2.0, 1.0, 3.0, 2.0])
    drawn = kmeans_plus_plus(rows, weights, np.full(6, FAR), 6, np.random.default_rng(0))
    assert sorted(drawn) == list(range(6))
    assert {index // 3 for index in drawn[:2]} == {0, 1}
    assert weights[drawn[2:]].tolist() == sorted(weights[drawn[2:]], reverse=True)
    assert kmeans_plus_plus(rows[:0], weights[:0], weights[:0], 5, np.random.default_rng(0)) == []


def test_drawing_by_weight_prefers_the_heavy_and_takes_no_one_twice() -> None:
    weights = np.where(np.arange(1000) < 100, 1000.0, 1.0)
    drawn = weighted_sample(weights, 100, np.random.default_rng(0))
    assert len(set(drawn.tolist())) == 100
    assert (drawn < 100).sum() > 80
    assert weighted_sample(weights, 5000, np.random.default_rng(0)).tolist() == list(range(1000))


def test_the_distance_of_hashes_is_the_share_of_bits_that_differ() -> None:
    one, half = bytes(32), bytes(16) + b"\xff" * 16
    rows = hash_directions([one, half])
    assert float(((rows[0] - rows[1]) ** 2).sum()) == pytest.approx(4 * 128 / 256)
    assert hash_directions([]).shape == (0, 256)
