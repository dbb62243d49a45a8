from pathlib import Path

import pytest

from core.errors import RecipeError
from core.training.recipes import (
    ClassifierRecipe,
    DetectorRecipe,
    TrainingOptions,
    choose_recipe,
    recipe_named,
    with_changes,
)


def test_the_posters_recipe_is_the_posters():
    poster = recipe_named("classifier", "poster")
    assert (poster.optimizer, poster.batch, poster.learning_rate) == ("sgd", 16, 1e-4)
    assert (poster.schedule, poster.plateau_factor, poster.trainable) == ("plateau", 0.9, "poster")


def test_darknets_recipe_has_darknets_weights():
    darknet = recipe_named("detector", "darknet")
    assert (darknet.box_weight, darknet.class_weight, darknet.objectness_target) == (0.07, 1.0, "one")
    assert darknet.preset == "full"


def test_the_canvas_is_small_at_first_if_the_recipe_says_so():
    recipe = DetectorRecipe("r", input_wh=(288, 416), small_wh=(192, 288), small_epochs=3)
    assert [recipe.canvas_of(epoch) for epoch in (0, 2, 3)] == [(192, 288), (192, 288), (288, 416)]
    assert DetectorRecipe("r", input_wh=(64, 96)).canvas_of(0) == (64, 96)


def test_changes_replace_what_is_given_and_are_checked():
    recipe = recipe_named("detector", "street")
    changed = with_changes(recipe, epochs=3, preset=None)
    assert (changed.epochs, changed.preset) == (3, recipe.preset)
    with pytest.raises(RecipeError, match="epochs above 0, got 0"):
        with_changes(recipe, epochs=0)


def test_a_recipe_is_chosen_by_name_by_size_or_by_default():
    assert choose_recipe("detector", None).name == "street"
    assert choose_recipe("classifier", None).name == "fine"
    assert choose_recipe("detector", "darknet").name == "darknet"
    tiny = choose_recipe("detector", "tiny", epochs=2)
    assert (tiny.name, tiny.preset, tiny.epochs) == ("street", "tiny", 2)
    full = choose_recipe("detector", "full", batch=4)
    assert (full.name, full.preset, full.input_wh, full.batch) == ("darknet", "full", (416, 416), 4)
    assert full.frozen_stages == 0, "there are no trained weights of this size"


@pytest.mark.parametrize(
    ("kind", "preset", "sentence"),
    [
        ("poem", None, "a detector or a classifier, got 'poem'"),
        ("detector", "gigantic", "a detector recipe of darknet, street, .*got 'gigantic'"),
        ("classifier", "nano", "a classifier recipe of poster, fine.*got 'nano'"),
    ],
)
def test_an_unknown_recipe_is_refused_with_those_there_are(kind, preset, sentence):
    with pytest.raises(RecipeError, match=sentence):
        choose_recipe(kind, preset)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer": "adam"}, "optimizer to be one of sgd, adamw, got 'adam'"),
        ({"schedule": "step"}, "schedule"),
        ({"trainable": "none"}, "trainable"),
        ({"augmentation": "wild"}, "augmentation"),
        ({"model": "vgg19"}, "model to be one of mobilenet, mobilenet-mha, vgg16, got 'vgg19'"),
        ({"preset": "gap"}, "mobilenet-mha has the preset full only, got 'gap'"),
        ({"input_size": 150}, "a multiple of 32, got 150"),
        ({"learning_rate": 0.0}, "learning_rate above 0"),
        ({"learning_rate": float("nan")}, "learning_rate above 0"),
        ({"batch": 0}, "batch above 0"),
        ({"dropout": 1.5}, "dropout in 0..1, got 1.5"),
        ({"ema_decay": -0.1}, "ema_decay in 0..1"),
    ],
)
def test_a_classifiers_settings_are_checked(settings, sentence):
    with pytest.raises(RecipeError, match=sentence):
        ClassifierRecipe("r", **settings)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "yolov5"}, "model"),
        ({"objectness_target": "two"}, "objectness_target to be one of one, iou"),
        ({"input_wh": (416, 400)}, r"multiples of 32, got \(416, 400\)"),
        ({"input_wh": (0, 32)}, "multiples of 32"),
        ({"small_wh": (100, 128)}, r"multiples of 32, got \(100, 128\)"),
        ({"epochs": -1}, "epochs above 0, got -1"),
        ({"mosaic": 2.0}, "mosaic in 0..1, got 2.0"),
        ({"extra_share": -1.0}, "extra_share in 0..1"),
        ({"frozen_stages": 6}, "frozen_stages lies in 0..5, got 6"),
    ],
)
def test_a_detectors_settings_are_checked(settings, sentence):
    with pytest.raises(RecipeError, match=sentence):
        DetectorRecipe("r", **settings)


@pytest.mark.parametrize(("name", "what"), [("shares", 0.5), ("unlabeled", ("belt",))])
def test_what_is_said_of_a_file_that_is_none_of_the_sets_is_refused(name, what):
    with pytest.raises(RecipeError, match=r"of one of a\.json.*, got c\.json"):
        TrainingOptions(
            Path("a.json"), Path("v.json"), extra=(Path("b.json"),), **{name: {Path("c.json"): what}}
        )


def test_unlabeled_categories_are_found_by_any_path_to_their_file():
    file = Path("b.json")
    said = {file.resolve(): ("belt",), file: ("hat", "belt")}
    options = TrainingOptions(Path("a.json"), Path("v.json"), extra=(file,), unlabeled=said)
    assert options.unlabeled_of(file) == ("belt", "hat") and options.unlabeled_of(Path("a.json")) == ()


def test_a_detectors_canvas_keeps_its_shape_at_another_size():
    recipe = choose_recipe("detector", "nano", size=320, model="yolov4")
    assert (recipe.model, recipe.input_wh, recipe.small_wh) == ("yolov4", (224, 320), (160, 224))
    assert choose_recipe("detector", "full", size=608).input_wh == (608, 608)
    for size in (0, 100, -32):
        with pytest.raises(RecipeError, match=f"a multiple of 32, got {size}"):
            choose_recipe("detector", None, size=size)


def test_in_fewer_epochs_small_canvases_and_mosaic_keep_their_share():
    recipe = choose_recipe("detector", "nano", epochs=12)
    assert (recipe.epochs, recipe.small_epochs, recipe.clean_epochs) == (12, 7, 2)
    assert recipe.canvas_of(6) != recipe.canvas_of(7) == recipe.input_wh
    assert choose_recipe("detector", "nano", epochs=1).small_epochs == 1
    assert choose_recipe("detector", "full", epochs=50).small_epochs == 0
    assert choose_recipe("classifier", None, epochs=3).epochs == 3
