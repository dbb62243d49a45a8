"""No training freezes layers that hold random weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import WeightsError
from core.models.cards import ModelCard, card_path, read_card, shipped_weights, write_card
from core.models.mobilenet import MobileNetMHA
from core.models.weights import save_weights
from core.models.yolov4 import YOLOv4
from core.training import starting_weights
from core.training.classifier import ClassifierTraining
from core.training.detector import DetectorTraining
from core.training.recipes import CLASSIFIER_RECIPES, DETECTOR_RECIPES, choose_recipe
from core.training.starting_weights import start_classifier, start_detector
from tests.core.training.samples import ANCHORS_WH, pico_recipe

RECIPES = [
    *DETECTOR_RECIPES.values(),
    *(choose_recipe("detector", size) for size in ("full", "small", "pico")),
]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A smallest detector, and a classifier of two labels, in place of those that ship."""
    torch.manual_seed(1)
    common = {"input_size": 64, "name": "shipped"}
    models = {
        "detector": (
            YOLOv4("pico", 2, ghost=True),
            ModelCard("detector", "yolov4-gs", "pico", ("a", "b"), anchors_wh=ANCHORS_WH, **common),
        ),
        "classifier": (
            MobileNetMHA(2),
            ModelCard("classifier", "mobilenet-mha", "fine", ("a", "b"), **common),
        ),
    }
    for kind, (model, card) in models.items():
        save_weights(model, tmp_path / f"{kind}.safetensors", half=False)
        write_card(card, tmp_path / f"{kind}.safetensors")
    monkeypatch.setattr(starting_weights, "shipped_weights", lambda kind: tmp_path / f"{kind}.safetensors")
    return {kind: model.state_dict() for kind, (model, _) in models.items()}


def test_a_detector_that_freezes_stages_starts_from_what_ships(shipped):
    recipe, start = start_detector(pico_recipe(frozen_stages=2), ("x", "y", "z"), None)
    assert recipe.frozen_stages == 2 and "the detector that ships" in start.sentence
    module = DetectorTraining(recipe, ("x", "y", "z"), ANCHORS_WH)
    start.load_into(module.model)
    for name, value in module.model.state_dict().items():
        if name.startswith(("backbone.", "neck.")) and "num_batches" not in name:
            assert torch.equal(value, shipped["detector"][name]), name


def test_of_the_same_categories_the_whole_detector_is_taken_with_its_anchors(shipped):
    recipe, start = start_detector(pico_recipe(frozen_stages=2, input_wh=(96, 128)), ("a", "b"), None)
    assert np.allclose(start.anchors_wh, 2 * np.array(ANCHORS_WH)), "128 pixels against the card's 64"
    module = DetectorTraining(recipe, ("a", "b"), start.anchors_wh)
    start.load_into(module.model)
    state = module.model.state_dict()
    assert torch.equal(state["heads.0.1.weight"], shipped["detector"]["heads.0.1.weight"])


def test_with_anchors_of_ones_own_the_heads_that_ship_are_left_out(shipped):
    _, start = start_detector(pico_recipe(frozen_stages=2), ("a", "b"), None, "own")
    assert start.anchors_wh == () and start.left_out == ("heads.",)


def test_a_detector_of_another_size_freezes_nothing_and_says_so(shipped):
    recipe, start = start_detector(pico_recipe(preset="nano", frozen_stages=2), ("a", "b"), None)
    assert recipe.frozen_stages == 0 and start.shipped is None
    assert start.sentence == (
        "No trained yolov4-gs nano was given or ships: starts from random weights, and freezes no layer."
    )


def test_a_given_file_is_frozen_as_the_recipe_says(shipped, tmp_path):
    save_weights(YOLOv4("pico", 2, ghost=True).backbone, tmp_path / "backbone.safetensors")
    recipe, start = start_detector(pico_recipe(frozen_stages=2), ("a",), tmp_path / "backbone.safetensors")
    assert recipe.frozen_stages == 2 and start.shipped is None
    assert start.sentence == "Starts from backbone.safetensors." and start.anchors_wh == ()


def test_a_given_detector_comes_with_its_anchors_and_the_order_of_its_categories(shipped, tmp_path):
    given = tmp_path / "detector.safetensors"
    _, start = start_detector(pico_recipe(input_wh=(96, 128)), ("b", "a"), given)
    assert np.allclose(start.anchors_wh, 2 * np.array(ANCHORS_WH)), "128 pixels against the card's 64"
    assert start.categories == ("a", "b")
    assert start.sentence == "Starts from the detector detector.safetensors, with its anchors."


def test_a_given_detector_of_other_categories_or_without_a_card_is_refused(shipped, tmp_path):
    given = tmp_path / "detector.safetensors"
    with pytest.raises(WeightsError, match=r"categories a, c in detector\.safetensors, got one of a, b"):
        start_detector(pico_recipe(), ("a", "c"), given)
    card_path(given).unlink()
    with pytest.raises(WeightsError, match=r"card detector\.json beside its weights, found none"):
        start_detector(pico_recipe(), ("a", "b"), given)


@pytest.mark.parametrize(("labels", "same"), [(("a", "b"), True), (("a", "c", "d"), False)])
@pytest.mark.parametrize("name", ["poster", "fine"])
def test_a_classifier_that_freezes_layers_starts_from_what_ships(shipped, name, labels, same):
    recipe, start = start_classifier(CLASSIFIER_RECIPES[name], labels, None)
    assert recipe.trainable == CLASSIFIER_RECIPES[name].trainable
    module = ClassifierTraining(recipe, labels)
    start.load_into(module.model)
    state, theirs = module.model.state_dict(), shipped["classifier"]
    assert torch.equal(state["backbone.stem.0.weight"], theirs["backbone.stem.0.weight"])
    assert torch.equal(state["hidden.weight"], theirs["hidden.weight"])
    assert torch.equal(state["classifier.weight"], theirs["classifier.weight"]) if same else True
    assert state["classifier.weight"].shape[0] == len(labels)


def test_without_weights_that_ship_nothing_is_frozen(tmp_path, monkeypatch):
    monkeypatch.setattr(starting_weights, "shipped_weights", lambda kind: tmp_path / "none.safetensors")
    recipe, start = start_classifier(CLASSIFIER_RECIPES["poster"], ("a", "b"), None)
    assert recipe.trainable == "all" and "freezes no layer" in start.sentence
    plain, start = start_classifier(replace(recipe, model="mobilenet"), ("a", "b"), None)
    assert plain.trainable == "all" and start.sentence == "Starts from random weights; no layer is frozen."


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.name}-{recipe.preset}")
def test_what_ships_is_taken_or_nothing_is_frozen(recipe):
    chosen, start = start_detector(recipe, ("a", "b"), None)
    assert start.shipped is not None or chosen.frozen_stages == 0
    if start.shipped is not None:
        card = read_card(shipped_weights("detector"))
        assert (card.model, card.preset) == (recipe.model, recipe.preset)
