import subprocess
import sys

import pytest

from core.errors import RecipeError
from core.models.registry import MODELS, build_model, model_config


def test_the_names_are_the_contracts():
    classifiers, detectors = "mobilenet mobilenet-mha vgg16", "ssd retinanet faster-rcnn r-fcn"
    assert " ".join(MODELS) == f"yolov4 yolov4-gs {classifiers} {detectors}"


def test_classes_and_sizes_default_to_the_papers():
    defaults = {name: (model_config(name).classes, model_config(name).size) for name in MODELS}
    detectors = dict.fromkeys(("yolov4", "yolov4-gs", "retinanet", "faster-rcnn", "r-fcn"), (13, 416))
    assert defaults == detectors | {
        "ssd": (13, 300),
        "mobilenet": (1000, 224),
        "vgg16": (1000, 224),
        "mobilenet-mha": (50, 224),
    }


def test_a_model_is_built_with_the_classes_asked_for():
    model = build_model("mobilenet", classes=7)
    assert model.classifier.out_features == 7


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "yolov5"}, "expected a model of yolov4, .*, got 'yolov5'"),
        ({"name": "mobilenet", "preset": "small"}, "mobilenet has the preset full only, got 'small'"),
        ({"name": "yolov4", "classes": 0}, "one class or more, got 0"),
        ({"name": "yolov4", "size": 400}, "a multiple of 32, got 400"),
        ({"name": "yolov4", "size": 0}, "32 to 4096 pixels"),
        ({"name": "retinanet", "size": 5000}, "32 to 4096 pixels, got 5000"),
        ({"name": "ssd", "size": 416}, "ssd takes pictures of 300 pixels, got 416"),
        ({"name": "mobilenet-mha", "size": 250}, "a multiple of 32, got 250"),
    ],
)
def test_what_a_model_does_not_have_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(RecipeError, match=sentence):
        model_config(**arguments)


def test_an_unknown_preset_of_yolov4_is_refused_when_it_is_built():
    with pytest.raises(RecipeError, match="preset"):
        build_model("yolov4-gs", preset="gigantic")


def test_the_registry_loads_no_model_until_one_is_built():
    code = "import sys, core.models.registry; print([m for m in sys.modules if m.startswith('torchvision')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
