"""The map of embeddings: what is alike lies together; samples are always the same, without deleted photos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.active_learning.embedding_map import embed_boxes, plane, sample_boxes, sample_photos
from core.errors import StoreError
from core.store.search import PhotoQuery
from tests.core.store.conftest import drawn
from tests.core.store.rows import add_models, add_photos, box


def two_groups(count: int = 20) -> np.ndarray:
    """Rows near one corner, then as many near another."""
    random = np.random.default_rng(1)
    centers = np.repeat(np.eye(2, 16) * 5, count, axis=0)
    return (centers + random.normal(size=(2 * count, 16))).astype(np.float32)


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
def test_groups_lie_apart(method):
    points = plane(two_groups(), method)
    first, second = points[:20], points[20:]
    apart = np.linalg.norm(first.mean(0) - second.mean(0))
    assert apart > 1.5 * max(
        np.linalg.norm(group - group.mean(0), axis=1).mean() for group in (first, second)
    )
    assert points.shape == (40, 2) and np.array_equal(points, plane(two_groups(), method))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points_have_a_place_each(count):
    points = plane(np.ones((count, 8), np.float32))
    assert points.shape == (count, 2) and len({tuple(point) for point in points.tolist()}) == count


def test_equal_embeddings_are_one_point():
    points = plane(np.ones((5, 8), np.float32))
    assert np.isfinite(points).all() and np.ptp(points) == 0


def test_an_unknown_method_is_said():
    with pytest.raises(StoreError, match="PCA, t-SNE"):
        plane(two_groups(), "UMAP")


def test_a_sample_of_photos_is_always_the_same(store):
    ids, pair = add_photos(store.database, 12), add_models(store.database)
    for number, id in enumerate(ids[:10]):
        store.predictions.save(id, pair, [], np.full(4, number, np.float32))
    store.predictions.save(ids[10], pair, [], None)
    store.photos.delete(ids[0], "ann")
    all_of = sample_photos(store, pair)
    assert all_of.photo_ids == tuple(ids[1:10]) and all_of.total == 9
    assert all_of.embeddings[:, 0].tolist() == list(range(1, 10))
    few = sample_photos(store, pair, most=4)
    assert len(few.photo_ids) == 4 and few.total == 9
    assert few.photo_ids == sample_photos(store, pair, most=4).photo_ids


def test_boxes_are_embedded_by_photo_and_those_of_deleted_photos_left_out(store):
    class Classifier:
        def embed(self, photo: Any, boxes_xyxy: Any) -> np.ndarray:
            return np.array([[x1 - x0, y1 - y0] for x0, y0, x1, y1 in boxes_xyxy], np.float32)

    class Labeler:
        classifier = Classifier()

    ids = [store.photos.add(drawn(seed), by="ann").row.id for seed in range(3)]
    for id in ids:
        boxes = [box(1, 1, 11 + id, 21), box(2, 2, 12, 32)]
        store.annotations.submit(id, boxes, author="ann", base_version=0, request=str(id))
    found, total = sample_boxes(store, PhotoQuery(), most=5)
    assert len(found) == 5 and total == 6
    everything, _ = sample_boxes(store, PhotoQuery())
    store.photos.delete(ids[1], "ann")
    told: list[tuple[int, int]] = []
    sample = embed_boxes(store, Labeler(), everything, total, lambda *so_far: told.append(so_far))  # type: ignore[arg-type]
    assert sample.photo_ids == (ids[2], ids[2], ids[0], ids[0]) and told[-1] == (6, 6)
    assert sample.embeddings.tolist() == [[10 + ids[2], 20], [10, 30], [10 + ids[0], 20], [10, 30]]
