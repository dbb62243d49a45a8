"""The classifier in use: five labels a garment, in any number, from crops that do not fill the memory."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import LapelError
from core.images.decode import Photo
from core.inference.classifier import BATCH_SIZE, Classifier, batches, square_crops
from core.inference.engines.pytorch import PyTorchEngine
from core.models.cards import read_card, write_card
from core.models.classifier import ClassifierNetwork
from core.models.graphs import ClassifierGraph
from core.models.mobilenet import MobileNetMHA
from core.models.weights import load_weights
from tests.weights import LABELS, drawn_photo, save_classifier

BOXES = [(10.0, 20.0, 90.0, 120.0), (50.5, 100.2, 170.0, 239.0), (0.0, 0.0, 180.0, 240.0)]


@pytest.fixture(scope="module")
def classifier(tiny_weights: Path) -> Classifier:
    return Classifier.load(tiny_weights / "classifier.safetensors")


def network_of(classifier: Classifier) -> ClassifierNetwork:
    assert isinstance(classifier.engine, PyTorchEngine)
    assert isinstance(classifier.engine.graph, ClassifierGraph)
    return classifier.engine.graph.model


def pictures_of(classifier: Classifier, pictures: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(classifier.inputs_of(pictures)["images"])


def test_each_box_has_its_five_likeliest_labels_best_first(classifier: Classifier) -> None:
    ranked = classifier.classify(drawn_photo(), BOXES)
    assert len(ranked) == len(BOXES)
    for top5 in ranked:
        labels, probabilities = zip(*top5, strict=True)
        assert len(set(labels)) == 5 and set(labels) <= set(LABELS)
        assert list(probabilities) == sorted(probabilities, reverse=True)
        assert probabilities[-1] > 0 and sum(probabilities) < 1, "the sixth label has the rest"


def test_the_ranking_is_that_of_the_probabilities(classifier: Classifier) -> None:
    ranked = classifier.rank(np.array([0.1, 0.3, 0.05, 0.02, 0.5, 0.03]))
    assert [label for label, _ in ranked] == ["Shoes", "Hat", "Dress", "Pants", "T-Shirt"]
    np.testing.assert_allclose([p for _, p in ranked], [0.5, 0.3, 0.1, 0.05, 0.03])


def test_two_labels_are_two_labels(tmp_path: Path, classifier: Classifier) -> None:
    two = replace(classifier, card=replace(classifier.card, categories=("Dress", "Hat")))
    assert two.rank(np.array([0.25, 0.75])) == (("Hat", 0.75), ("Dress", 0.25))


def test_many_boxes_give_what_each_gives_alone(classifier: Classifier) -> None:
    photo = drawn_photo()
    together = classifier.probabilities(square_crops(photo, BOXES))
    alone = np.concatenate([classifier.probabilities(square_crops(photo, [box])) for box in BOXES])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), np.ones(3), rtol=1e-5)


def test_no_boxes_give_no_labels(classifier: Classifier) -> None:
    assert classifier.classify(drawn_photo(), []) == []
    assert classifier.probabilities([]).shape == (0, len(LABELS))


@pytest.mark.parametrize("attention", [True, False])
def test_embeddings_are_what_the_head_is_given_at_length_one(tmp_path: Path, attention: bool) -> None:
    classifier = Classifier.load(save_classifier(tmp_path / "c.safetensors", attention=attention))
    photo = drawn_photo()
    embeddings = classifier.embed(photo, BOXES)
    assert embeddings.shape == (3, 1024) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    with torch.inference_mode():
        network = network_of(classifier)
        pooled = network.embed(pictures_of(classifier, square_crops(photo, BOXES)))
        logits = network.head(pooled)
    np.testing.assert_allclose(embeddings * pooled.norm(dim=1, keepdim=True).numpy(), pooled, atol=1e-4)
    found = classifier.probabilities(square_crops(photo, BOXES))
    np.testing.assert_allclose(found, logits.softmax(dim=1), rtol=1e-4, atol=1e-6)
    assert classifier.embed(photo, []).shape == (0, 1024)


def test_a_temperature_sharpens_the_probabilities_and_keeps_their_order(classifier: Classifier) -> None:
    """p' is proportional to p^(1/T): at T = 0.5 the ratio of two probabilities is squared."""
    sharper = replace(classifier, card=replace(classifier.card, calibration={"temperature": 0.5}))
    crops = square_crops(drawn_photo(), BOXES[:1])
    before, after = classifier.probabilities(crops)[0], sharper.probabilities(crops)[0]
    assert before.argsort().tolist() == after.argsort().tolist()
    first, second = (-before).argsort()[:2].tolist()
    assert after[first] / after[second] == pytest.approx(float(before[first] / before[second]) ** 2, rel=1e-3)


def test_a_crop_is_small_however_large_the_photo(classifier: Classifier) -> None:
    photo = Photo("large.png", Image.new("RGB", (3000, 2000), (9, 99, 199)), "0" * 64)
    squares = square_crops(photo, [(0.0, 0.0, 3000.0, 2000.0), (1.0, 1.0, 1.5, 1.5)])
    assert [square.size for square in squares] == [(224, 224)] * 2
    assert squares[0].getpixel((100, 100)) == (9, 99, 199)


def test_the_input_runs_from_minus_one_to_one(classifier: Classifier) -> None:
    black, white = (Image.new("RGB", (50, 20), color) for color in ("black", "white"))
    pictures = classifier.inputs_of([black, white])["images"]
    assert pictures.shape == (2, 3, 224, 224)
    assert (float(pictures[0].max()), float(pictures[1].min())) == (-1.0, 1.0)


def test_chunks_keep_the_order_and_lose_nothing() -> None:
    pictures = [Image.new("L", (1, 1), value) for value in range(BATCH_SIZE * 2 + 5)]
    chunks = list(batches(pictures))
    assert [len(chunk) for chunk in chunks] == [BATCH_SIZE, BATCH_SIZE, 5]
    assert [picture for chunk in chunks for picture in chunk] == pictures
    assert list(batches([])) == []


def test_what_makes_it_quick_changes_nothing_else(tiny_weights: Path, classifier: Classifier) -> None:
    plain = MobileNetMHA(len(LABELS)).eval()
    load_weights(plain, tiny_weights / "classifier.safetensors")
    pictures = pictures_of(classifier, square_crops(drawn_photo(), BOXES[:2]))
    targets = torch.tensor([-1, 2])
    with torch.inference_mode():
        ours, theirs = (
            ClassifierGraph(model)(pictures, targets) for model in (network_of(classifier), plain)
        )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_classifier_without_attention_works_as_well(tmp_path: Path) -> None:
    plain = Classifier.load(save_classifier(tmp_path / "c.safetensors", attention=False))
    assert len(plain.classify(drawn_photo(), BOXES[:1])[0]) == 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "detector"}, r"a classifier's weights in c\.safetensors, got a mobilenet-mha detector"),
        ({"model": "vgg19"}, "got a vgg19 classifier"),
        ({"model": "vgg16", "preset": "gap"}, "belongs to another model"),
        ({"model": "vgg16"}, "vgg16 has the presets full, gap, got 'tiny'"),
        ({"input_size": 150}, "a multiple of 32, got 150"),
        ({"input_size": 160}, "belongs to another model"),
        ({"categories": ("Dress",)}, "two classes or more"),
        ({"categories": ("Dress", "Hat")}, "belongs to another model"),
        ({"model": "mobilenet"}, "belongs to another model"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_with_a_sentence(
    tiny_weights: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "c.safetensors"
    path.symlink_to(tiny_weights / "classifier.safetensors")
    shutil.copy(tiny_weights / "classifier.json", tmp_path / "c.json")
    write_card(replace(read_card(path), **changes), path)  # type: ignore[arg-type]
    with pytest.raises(LapelError, match=sentence):
        Classifier.load(path)
