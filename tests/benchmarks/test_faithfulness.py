"""The benchmark of faithfulness: every map has figures, the pointing game only where pixels are labeled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import faithfulness as benchmark
from benchmarks.faithfulness import METRICS, Subject
from core.images.crops import to_square
from core.inference.attribution import ClassifierInspector
from tests.weights import drawn_photo

NAMES = ("class_activation", "attention")


@pytest.fixture(scope="module")
def inspector(tiny_weights: Path) -> ClassifierInspector:
    return ClassifierInspector.load(tiny_weights / "classifier.safetensors")


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    picture = to_square(drawn_photo().image)
    mask = np.zeros((224, 224), bool)
    mask[60:160, 60:160] = True
    return [Subject("a.jpg", picture, mask), Subject("b.jpg", picture)]


def test_maps_and_controls_are_measured_alike(inspector, subjects):
    found = benchmark.measure(inspector, subjects, NAMES, 2, "drawn")
    assert list(found) == [*NAMES, "center", "random"]
    for values in found.values():
        assert values.shape == (2, len(METRICS))
        assert np.isfinite(values[0]).all() and np.isnan(values[1, 4:]).all()
        assert ((values[0] >= 0) & (values[0] <= 1)).all()
    rows = benchmark.summary(found, 0)
    assert list(rows["attention"]) == list(METRICS)
    difference = benchmark.summary({"d": found["attention"] - found["class_activation"]}, 0)["d"]
    expected = rows["attention"]["deletion"]["mean"] - rows["class_activation"]["deletion"]["mean"]
    assert difference["deletion"]["mean"] == pytest.approx(expected, abs=2e-4)


def test_attention_does_not_see_a_random_head(inspector, subjects):
    found = benchmark.sanity(inspector, subjects[:1], NAMES, 0)
    assert list(found) == ["head", "attention", "backbone"]
    assert found["head"]["attention"] == pytest.approx([1.0])
    assert found["backbone"]["attention"][0] < 0.9


def test_photos_are_the_same_for_the_same_seed(test_data):
    first, again = (list(benchmark.street(test_data, 2, 5)) for _ in range(2))
    assert [subject.photo for subject in first] == [subject.photo for subject in again]
    assert all(subject.mask is not None and subject.mask.any() for subject in first)
    assert all(subject.mask is None for subject in benchmark.catalog(test_data, 2, 5))


def test_an_interval_of_nothing_is_none():
    assert benchmark.interval(np.array([np.nan]), 0) is None
    assert benchmark.interval(np.array([0.5, 0.5, np.nan]), 0) == {"mean": 0.5, "low": 0.5, "high": 0.5}
