"""Inspectors: what explain shows is what they tell, over the crop and the photo, by the names of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import RecipeError, WeightsError
from core.images.letterbox import letterbox
from core.inference.attribution import (
    ClassifierInspector,
    DetectorInspector,
    without_border,
)
from core.inference.classifier import softmax
from core.inference.labeler import Labeler
from tests.weights import LABELS, drawn_photo, save_classifier

BOX = (20.0, 30.0, 140.0, 200.0)


@pytest.fixture(scope="module")
def classifier(tiny_weights: Path) -> ClassifierInspector:
    return ClassifierInspector.load(tiny_weights / "classifier.safetensors")


@pytest.fixture(scope="module")
def detector(tiny_weights: Path) -> DetectorInspector:
    return DetectorInspector.load(tiny_weights / "detector.safetensors")


def test_it_tells_what_the_serving_classifier_tells(classifier, tiny_labeler: Labeler):
    picture = classifier.crop(drawn_photo(), BOX)
    found = classifier.inspect(picture)
    engine = tiny_labeler.classifier.engine
    served = engine.run(
        tiny_labeler.classifier.inputs_of([picture], [2]), ("logits", "class_activation", "attention")
    )
    np.testing.assert_allclose(found.logits, served["logits"][0], atol=1e-4)
    np.testing.assert_allclose(found.activations[2], served["class_activation"][0], atol=1e-3)
    np.testing.assert_allclose(found.attention, served["attention"][0], atol=1e-5)
    np.testing.assert_allclose(softmax(found.content + found.position).sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found.activations.mean(axis=(1, 2)) + found.constants, found.logits, atol=1e-4)
    assert found.labels == LABELS and found.received.shape == (8, 7, 7)
    assert found.index_of("Hat") == 1
    with pytest.raises(WeightsError, match="a label that the model knows, got 'Kimono'"):
        found.index_of("Kimono")


def test_confidence_is_the_calibrated_probability(classifier):
    picture = classifier.crop(drawn_photo(), BOX)
    found = classifier.inspect(picture)
    score = classifier.confidence("Hat")(np.stack([np.asarray(picture, np.float32)] * 2))
    np.testing.assert_allclose(score, found.probabilities[1], atol=1e-5)


def test_a_rollout_keeps_all_attention_and_moves_it_to_finer_places(classifier):
    picture = classifier.crop(drawn_photo(), BOX)
    attention = classifier.map_of("attention", picture, "Hat")
    finer = classifier.map_of("rollout_2x", picture, "Hat")
    assert attention.shape == (7, 7) and finer.shape == (14, 14)
    assert finer.sum() == pytest.approx(1, abs=1e-4) == pytest.approx(attention.sum(), abs=1e-4)
    with pytest.raises(RecipeError, match="expected a map of class_activation"):
        classifier.map_of("saliency", picture, "Hat")


def test_a_classifier_without_attention_is_refused(tmp_path: Path):
    path = save_classifier(tmp_path / "plain.safetensors", attention=False)
    with pytest.raises(WeightsError, match="needs? a classifier with attention"):
        ClassifierInspector.load(path)


def test_simam_of_all_modules_lies_over_the_photo(detector):
    modules = detector.simam(drawn_photo())
    assert [module.stage for module in modules] == [1, 2, 3, 4, 5]
    for module in modules:
        assert set(module.maps) == {"before", "inverse_energy", "weights", "after", "output"}
        assert len({values.shape for values in module.maps.values()}) == 1
        assert 0.62 < module.mean_weight < 1 and module.maps["weights"].min() > 0.62
        x0, y0, x1, y1 = module.extent
        assert x0 <= 0 < 1 <= x1 and y0 <= 0 < 1 <= y1
        assert module.counts.sum() > 0 and len(module.edges) == len(module.counts) + 1


def test_why_a_box_is_of_the_category_that_is_asked_for(detector):
    found = detector.why(drawn_photo(), BOX, "dress")
    assert set(found.maps) == {8, 16, 32} == set(found.extents)
    assert 0 < found.score < 1
    assert all(np.isfinite(values).all() for values in found.maps.values())
    with pytest.raises(WeightsError, match="a category that tiny detector knows, got 'kimono'"):
        detector.why(drawn_photo(), BOX, "kimono")


def test_a_map_without_the_border_says_what_it_covers():
    """A photo of 64 x 160 on a canvas of 96 x 160: 16 pixels of border on both sides, half a cell of 32."""
    boxed = letterbox(drawn_photo().image.resize((64, 160)), (96, 160))
    values = np.arange(15.0).reshape(5, 3)
    kept, extent = without_border(values, boxed)
    assert kept.shape == (5, 3) and extent == pytest.approx((-0.25, 0.0, 1.25, 1.0))
    fine, extent = without_border(np.zeros((20, 12)), boxed)  # cells of 8 pixels
    assert fine.shape == (20, 8) and extent == pytest.approx((0.0, 0.0, 1.0, 1.0))
